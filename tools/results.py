"""Prints the results of all runs, and whether every hash is as in the last commit.

.venv/bin/python -m tools.results
"""

import json
import subprocess
from pathlib import Path

import typer
import yaml
from tabulate import tabulate

from stages.command import run
from stages.parameters import read_parameter
from tools.locks import Stages, explain

TIMED = "profile"  # its times differ whenever it runs
COLUMNS = {  # key in the metrics: title and format
    "macro_f1": ("macro F1", ".3f"),
    "log_loss": ("log loss", ".3f"),
    "calibration_error": ("calibration error", ".3f"),
    "test_images": ("test images", ","),
}


def main() -> None:
    """Prints the table of results and compares dvc.lock with the committed one."""
    typer.echo(f"\n{results_table(Path('metrics'))}\n")
    committed = subprocess.run(
        ["git", "show", "HEAD:./dvc.lock"], capture_output=True, encoding="utf-8", check=False
    )
    if committed.returncode == 0:
        now = yaml.safe_load(Path("dvc.lock").read_text(encoding="utf-8"))["stages"]
        typer.echo(compare_locks(yaml.safe_load(committed.stdout)["stages"], now))


def results_table(metrics: Path) -> str:
    """A Markdown table, a row a run of params.yaml, from `metrics`/RUN.json."""
    rows = []
    for name in read_parameter("models"):
        scores = json.loads((metrics / f"{name}.json").read_text(encoding="utf-8"))
        interval = f"{scores['accuracy_low']:.3f} to {scores['accuracy_high']:.3f}"
        others = [
            f"{scores[key]:{form}}" if key in scores else "" for key, (_, form) in COLUMNS.items()
        ]
        rows.append([f"`{name}`", f"{scores['accuracy']:.4f}", interval, *others])
    header = ["run", "accuracy", "95% interval", *(title for title, _ in COLUMNS.values())]
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)


def compare_locks(committed: Stages, now: Stages) -> str:
    """Says which stages have other outputs than committed, and why.

    A stage whose inputs differ only by what an earlier stage wrote is not named.
    """
    other = {
        name: reasons for name, reasons in explain(committed, now).items() if reasons.other_outputs
    }
    edited = [name for name, reasons in other.items() if reasons.edits]
    unexplained = [
        name
        for name, reasons in other.items()
        if not reasons.edits and not reasons.upstream and name != TIMED
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
