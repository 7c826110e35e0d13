"""The measurements of plain scripts, the cold run and growth as Markdown tables."""

from typing import Any

from scipy.stats import fisher_exact
from tabulate import tabulate

LEVEL = 0.05  # accuracies differ significantly if p is below it
AT_LEAST = {"sample": 3.0, "full": 5.0}  # goal: times as fast as the plain scripts


def show_table(rows: list[list[str]], *header: str) -> str:
    """A Markdown table whose cells are not parsed as numbers."""
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)


def show_goals(results: dict[str, Any]) -> str:
    """The goals, what was measured, and whether each goal is met."""
    runs, cold = results["runs"].values(), results["cold"]
    plain = sum(run["plain"]["seconds"] for run in runs)
    memory = max(run["plain"]["peak_mb"] for run in runs) / 1e3
    speed, at_least = plain / cold["seconds"], AT_LEAST[results["data"]]
    rows = [
        ["plain scripts", f"{plain:.1f} s", "", ""],
        ["cold `make repro`", f"{cold['seconds']:.1f} s", "", ""],
        ["times as fast", f"{speed:.2f}", f"at least {at_least:g}", verdict(speed >= at_least)],
        ["peak memory of plain scripts", f"{memory:.2f} GB", "", ""],
        ["peak memory of cold `make repro`", f"{cold['peak_mb'] / 1e3:.2f} GB", "", ""],
    ]
    return show_table(rows, "what", "measured", "goal", "verdict")


def verdict(met: bool) -> str:
    """Whether a goal is met, as the text of a cell."""
    return "met" if met else "**missed**"


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
                "yes" if p >= LEVEL else "**no**",
            ]
        )
    header = ["run", "seconds", "reading", "fitting", "peak MB", "accuracy"]
    return show_table(rows, *header, "pipeline's accuracy", "p", "within noise")


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
