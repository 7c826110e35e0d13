"""Prints the results of all runs, and whether every hash is as in the last commit.

.venv/bin/python -m tools.results
"""

import json
from collections.abc import Iterable
from pathlib import Path

from stages.runtime.command import run

import typer
from tabulate import tabulate

from stages.runtime.files import NUMBER, REMEDY, read_json, require_values
from stages.runtime.inputs import reading
from stages.runtime.lock import Stages, read_lock, read_lock_file
from stages.runtime.parameters import read_parameter
from stages.scoring.metrics import METRICS
from tools.engine.programs import show_file
from tools.engine.readable import require_readable
from tools.engine.stages import find_timed, kind_of
from tools.revisions.held_out import MEANING, NONE
from tools.revisions.lock_changes import Reasons, explain
from tools.revisions.markdown import code

SHOWN = ("accuracy", "accuracy_low", "accuracy_high", "images")
LONGEST = 100  # characters of a processor's name
OTHERS = "accuracy_without_near_duplicates"


def print_results() -> None:
    """Prints the table of results and compares dvc.lock with the committed one."""
    require_readable()
    typer.echo(f"\n{results_table(Path('metrics'), read_parameter('models'))}\n")
    committed = show_file(Path.cwd(), "HEAD", "dvc.lock")
    if committed is not None:
        now = read_lock_file()
        timed = find_timed(Path("dvc.yaml").read_text(encoding="utf-8"))
        typer.echo(
            compare_locks(
                read_lock(committed.encode(), "dvc.lock of HEAD", "commit dvc.lock"),
                now,
                timed,
                read_processors(),
            )
        )


def read_processors() -> str:
    """The processors that the committed profiles name; profiling follows training."""
    found = {read_processor(name) for name in read_parameter("models")}
    return " and ".join(code(one) for one in sorted(found - {""}))


def read_processor(name: str) -> str:
    """The processor that the committed profile of a run names; empty if it names none."""
    path = f"metrics/profile/{name}.json"
    text = show_file(Path.cwd(), "HEAD", path)
    with reading(f"HEAD: {path}", "JSON file", "commit that of `make repro`"):
        profile = json.loads(text or "{}")
    return str(profile.get("processor", ""))[:LONGEST] if isinstance(profile, dict) else ""


def results_table(metrics: Path, runs: Iterable[str]) -> str:
    """A Markdown table from `metrics`/RUN.json, one row per run."""
    secondary = {name: metric for name, metric in METRICS.items() if name != "accuracy"}
    rows = []
    for name in runs:
        path = metrics / f"{name}.json"
        splits = read_json(path, test=dict)
        scores = splits["test"]
        require_values(path, scores, dict.fromkeys(SHOWN, NUMBER), REMEDY)
        values = [f"{scores[key]:.3f}" if key in scores else "" for key in secondary]
        images = f"{scores['images']:,}"
        others = f"{scores[OTHERS]:.4f}" if OTHERS in scores else ""
        chosen_by = NONE
        if "validation" in splits:
            require_values(path, splits, {"validation": dict}, REMEDY)
            require_values(path, splits["validation"], {"accuracy": NUMBER}, REMEDY)
            chosen_by = f"{splits['validation']['accuracy']:.4f}"
        low, high = scores["accuracy_low"], scores["accuracy_high"]
        accuracy = f"{scores['accuracy']:.4f} ({low:.3f} to {high:.3f})"
        rows.append([f"`{name}`", chosen_by, accuracy, others, *values, images])
    of_test = ["accuracy (95% interval)", "without near duplicates"]
    of_test += [*(metric.title for metric in secondary.values()), "images"]
    header = ["run", "validation accuracy", *(f"test {title}" for title in of_test)]
    table = tabulate(rows, header, tablefmt="github", disable_numparse=True)
    return f"{table}\n\n{MEANING}" if any(row[1] == NONE for row in rows) else table


def compare_locks(committed: Stages, now: Stages, timed: set[str], processors: str) -> str:
    """Says which stages have other outputs than committed, why, and what to do.

    A stage whose inputs differ only in what an earlier stage wrote is not named. Stages whose name
    before the @ is in `timed`, and those that differ only because of these, do not count.
    `processors` names the processors of the committed hashes.
    """
    changes = explain(committed, now)
    only_times = {
        name for name, reasons in changes.items() if kind_of(name) in timed and not reasons.edits
    }
    other: dict[str, Reasons] = {}
    for name, reasons in changes.items():
        if not reasons.edits and reasons.upstream and only_times.issuperset(reasons.upstream):
            only_times.add(name)
        elif reasons.other_outputs and name not in only_times:
            other[name] = reasons
    edited = [name for name, reasons in other.items() if reasons.edits]
    unexplained = [
        name for name, reasons in other.items() if not reasons.edits and not reasons.upstream
    ]
    lines = []
    if edited:
        lines.append(
            f"New hashes, as expected after an edit: {', '.join(edited)}. To keep these results, "
            "commit dvc.lock, metrics and plots."
        )
    if unexplained:
        from stages.profile import name_processor  # with ONNX Runtime: half a second, only here

        lines.append(
            f"New hashes from the same inputs: {', '.join(unexplained)}. "
            f"The committed ones are from {processors or 'an unknown processor'}; this is "
            f"{name_processor()}. Processors of different kinds add numbers in a different order, "
            "so the last digits differ, and accuracies agree within noise; on the same kind this "
            "is a mistake (docs/processors.md). There is nothing to do; or, to continue from these "
            "results, commit dvc.lock, metrics and plots."
        )
    if len(other) > len(edited) + len(unexplained):
        lines.append("The new hashes of later stages follow from these.")
    if lines:
        return "\n".join(lines)
    same = f"Every hash is as committed, in all {len(now) - len(only_times)} stages"
    return f"{same}; the measured times differ." if only_times else f"{same}."


if __name__ == "__main__":
    run(print_results)
