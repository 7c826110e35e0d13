"""The measurements as Markdown tables."""

from typing import Any

from scipy.stats import fisher_exact
from tabulate import tabulate

LEVEL = 0.05  # accuracies differ significantly if p is below it
AT_LEAST = {"sample": 3.0, "full": 5.0}  # goal: times as fast as the plain scripts
AT_MOST_GB = 4.0  # goal for the peak memory of the pipeline
AT_MOST_EDIT = 1.3  # goal: times its training alone
AT_MOST_NO_OP = 2.5  # goal: times a project with one stage


def show(results: dict[str, Any]) -> str:
    """All tables, each with a line that explains it."""
    machine = results["machine"]
    parts = [
        f"On the {results['data']} data; {machine['cores']} cores, {machine['processor']}, "
        f"Python {machine['python']}.",
        show_goals(results),
        "Plain scripts, one after the other, against the pipeline's accuracy (Fisher's exact "
        f"test; within noise: p at least {LEVEL}):",
        show_plain(results["runs"]),
        "`make repro` after an edit, against its training alone, without DVC:",
        show_edits(results["runs"]),
        "Where the time of the cold run goes; stages ran in parallel:",
        show_stages(results["cold"]["stages"]),
        "Medians with nothing to do:",
        show_table([[name, f"{s:.2f}"] for name, s in results["no_op"].items()], "call", "seconds"),
    ]
    if "growth" in results:
        parts += ["Training, without predicting, on a growing number of images:", "![](growth.png)"]
        parts.append(show_growth(results["growth"]))
    return "\n\n".join(parts)


def show_table(rows: list[list[str]], *header: str) -> str:
    """A Markdown table whose cells are not parsed as numbers."""
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)


def show_goals(results: dict[str, Any]) -> str:
    """The goals, what was measured, and whether each goal is met."""
    runs, cold, no_op = results["runs"].values(), results["cold"], results["no_op"]
    plain = sum(run["plain"]["seconds"] for run in runs)
    memory = max(run["plain"]["peak_mb"] for run in runs) / 1e3
    speed, at_least = plain / cold["seconds"], AT_LEAST[results["data"]]
    edit = max(run["edited"]["seconds"] / run["bare"]["seconds"] for run in runs)
    one = no_op["dvc repro"] / no_op["dvc repro of one stage"]
    rows = [
        ["plain scripts", f"{plain:.1f} s", "", ""],
        ["cold `make repro`", f"{cold['seconds']:.1f} s", "", ""],
        ["times as fast", f"{speed:.2f}", f"at least {at_least:g}", verdict(speed >= at_least)],
        ["peak memory of plain scripts", f"{memory:.2f} GB", "", ""],
        [
            "peak memory of cold `make repro`",
            f"{cold['peak_mb'] / 1e3:.2f} GB",
            f"at most {AT_MOST_GB:g} GB",
            verdict(cold["peak_mb"] / 1e3 <= AT_MOST_GB),
        ],
        [
            "slowest edit, times its training alone",
            f"{edit:.2f}",
            f"at most {AT_MOST_EDIT:g}",
            verdict(edit <= AT_MOST_EDIT),
        ],
        [
            "no-op `dvc repro`, times that of one stage",
            f"{one:.2f}",
            f"at most {AT_MOST_NO_OP:g}",
            verdict(one <= AT_MOST_NO_OP),
        ],
    ]
    return show_table(rows, "what", "measured", "goal", "met")


def verdict(met: bool) -> str:
    """Whether a goal is met, as the text of a cell."""
    return "yes" if met else "**no**"


def show_plain(runs: dict[str, dict[str, Any]]) -> str:
    """The plain script of each run, and whether the pipeline's model is as accurate."""
    rows = []
    for name, run in runs.items():
        plain, images = run["plain"], run["test_images"]
        right = [round(accuracy * images) for accuracy in (plain["accuracy"], run["accuracy"])]
        p = float(fisher_exact([[count, images - count] for count in right]).pvalue)
        rows.append(
            [
                f"`{name}`",
                *(f"{plain[key]:.1f}" for key in ("seconds", "read_seconds", "fit_seconds")),
                f"{plain['peak_mb']:,.0f}",
                f"{plain['accuracy']:.4f}",
                f"{run['accuracy']:.4f}",
                f"{p:.3f}",
                verdict(p >= LEVEL),
            ]
        )
    header = ["run", "seconds", "reading", "fitting", "peak MB", "accuracy"]
    return show_table(rows, *header, "pipeline's accuracy", "p", "within noise")


def show_edits(runs: dict[str, dict[str, Any]]) -> str:
    """The edit of each run, and what it took."""
    rows = []
    for name, run in runs.items():
        bare, edited = run["bare"], run["edited"]
        ratio = edited["seconds"] / bare["seconds"]
        took = [f"{one[key]:,.1f}" for key in ("seconds", "peak_mb") for one in (bare, edited)]
        edit = [f"`{name}`", run["edit"], str(edited["stages"])]
        rows.append([*edit, *took, f"{ratio:.2f}", verdict(ratio <= AT_MOST_EDIT)])
    header = ["alone, s", "`make repro`, s", "alone, peak MB", "`make repro`, peak MB"]
    return show_table(rows, "run", "edit", "stages", *header, "ratio", "goal met")


def show_stages(stages: dict[str, float]) -> str:
    """The seconds of the stages of each kind, the slowest kind first."""
    kinds: dict[str, dict[str, float]] = {}
    for name, seconds in stages.items():
        kinds.setdefault(name.partition("@")[0], {})[name] = seconds
    rows = []
    for kind, members in sorted(kinds.items(), key=lambda item: -sum(item[1].values())):
        longest = max(members, key=lambda name: members[name])
        total = f"{sum(members.values()):.1f}"
        rows.append([kind, str(len(members)), total, f"`{longest}`: {members[longest]:.1f}"])
    return show_table(rows, "stage", "count", "seconds in total", "longest")


def show_growth(growth: dict[str, list[dict[str, float]]]) -> str:
    """One row per run and number of images."""
    rows = [
        [
            f"`{name}`",
            f"{point['images']:,.0f}",
            *(f"{point[f'{way}_seconds']:,.1f}" for way in ("plain", "pipeline")),
            *(f"{point[f'{way}_mb']:,.0f}" for way in ("plain", "pipeline")),
        ]
        for name, points in growth.items()
        for point in points
    ]
    ways = ["plain, s", "pipeline, s", "plain, peak MB", "pipeline, peak MB"]
    return show_table(rows, "run", "images", *ways)
