"""Prints the results of all runs, and whether every hash is as in the last commit.

.venv/bin/python -m tools.results
"""

from pathlib import Path

import typer
from tabulate import tabulate

from stages.runtime.command import run
from stages.runtime.files import read_json
from stages.runtime.parameters import read_parameter
from stages.scoring.metrics import METRICS
from tools.revisions.lock_changes import Reasons, explain
from tools.revisions.programs import show_file
from tools.revisions.stages import Stages, find_timed, kind_of, read_lock


def main() -> None:
    """Prints the table of results and compares dvc.lock with the committed one."""
    typer.echo(f"\n{results_table(Path('metrics'))}\n")
    committed = show_file(Path.cwd(), "HEAD", "dvc.lock")
    if committed is not None:
        now = read_lock(Path("dvc.lock").read_text(encoding="utf-8"))
        timed = find_timed(Path("dvc.yaml").read_text(encoding="utf-8"))
        typer.echo(compare_locks(read_lock(committed), now, timed))


def results_table(metrics: Path) -> str:
    """A Markdown table, a row a run of params.yaml, from `metrics`/RUN.json."""
    others = {name: metric for name, metric in METRICS.items() if name != "accuracy"}
    rows = []
    for name in read_parameter("models"):
        scores = read_json(metrics / f"{name}.json")
        interval = f"{scores['accuracy_low']:.3f} to {scores['accuracy_high']:.3f}"
        values = [f"{scores[key]:.3f}" if key in scores else "" for key in others]
        images = f"{scores['test_images']:,}"
        rows.append([f"`{name}`", f"{scores['accuracy']:.4f}", interval, *values, images])
    titles = [metric.title for metric in others.values()]
    header = ["run", "accuracy", "95% interval", *titles, "test images"]
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)


def compare_locks(committed: Stages, now: Stages, timed: set[str]) -> str:
    """Says which stages have other outputs than committed, and why.

    A stage whose inputs differ only by what an earlier stage wrote is not named. Stages whose name
    before the @ is in `timed`, and those that differ by nothing but these, do not count.
    """
    other: dict[str, Reasons] = {}
    excused: set[str] = set()
    for name, reasons in explain(committed, now).items():
        if not reasons.edits and (
            kind_of(name) in timed or (reasons.upstream and excused.issuperset(reasons.upstream))
        ):
            excused.add(name)
        elif reasons.other_outputs:
            other[name] = reasons
    edited = [name for name, reasons in other.items() if reasons.edits]
    unexplained = [
        name for name, reasons in other.items() if not reasons.edits and not reasons.upstream
    ]
    lines = []
    if edited:
        lines.append(f"Other hashes than committed, after an edit: {', '.join(edited)}.")
    if unexplained:
        lines.append(
            f"Other hashes than committed, from the same inputs: {', '.join(unexplained)}. "
            "Another kind of processor rounds differently; on the same kind this is a mistake."
        )
    if len(other) > len(edited) + len(unexplained):
        lines.append("The stages after these follow from them.")
    return "\n".join(lines) or f"Every hash is as committed, in all {len(now)} stages."


if __name__ == "__main__":
    run(main)
