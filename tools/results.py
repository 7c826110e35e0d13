"""Prints the results of all runs, and whether every hash is as in the last commit.

.venv/bin/python -m tools.results
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import typer
import yaml
from tabulate import tabulate

from stages.command import run
from stages.parameters import read_parameter

COLUMNS = {  # key in the metrics: title and format
    "macro_f1": ("macro F1", ".3f"),
    "log_loss": ("log loss", ".3f"),
    "calibration_error": ("calibration error", ".3f"),
    "test_images": ("test images", ","),
}

Stages = dict[str, dict[str, Any]]  # as in dvc.lock


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
    """Says which stages have other outputs than committed, and whether their inputs tell why."""
    shared = [name for name in now if name in committed]
    other_outputs = [name for name in shared if now[name]["outs"] != committed[name]["outs"]]
    unexplained = [
        name
        for name in other_outputs
        if all(now[name].get(key) == committed[name].get(key) for key in ("cmd", "deps", "params"))
    ]
    explained = [name for name in other_outputs if name not in unexplained]
    added = [name for name in now if name not in committed]
    lines = []
    if explained:
        lines.append(f"Other hashes than committed, from other inputs: {', '.join(explained)}.")
    if added:
        lines.append(f"Not in the last commit: {', '.join(added)}.")
    if unexplained:
        lines.append(
            f"Other hashes than committed, from the same inputs: {', '.join(unexplained)}. "
            "Another kind of processor rounds differently; on the same kind this is a mistake."
        )
    return "\n".join(lines) or f"Every hash is as committed, in all {len(now)} stages."


if __name__ == "__main__":
    run(main)
