"""Runs the pipeline, and fails if it does not reproduce the committed accuracies.

.venv/bin/python -m tools.ci.verify_accuracies
"""

import json
import subprocess
import sys
from pathlib import Path

from stages.runtime.command import run

import typer

from stages.runtime.errors import InputError
from stages.runtime.files import NUMBER, REMEDY, read_json, require_values
from stages.runtime.parameters import read_parameter
from tools.engine.programs import show_file, starting
from tools.pull import INCOMPLETE


def main() -> None:
    """Takes what the remote has, and runs `dvc repro`, which computes the rest.

    Prints the runs whose accuracy on the test images is outside its committed 95% interval, and
    then exits with 1. Within the interval, another kind of processor may round differently:
    `tools.results` says whether the hashes are the same.

    Raises:
        InputError: a stage failed, or what the remote has is refused.
    """
    pulled = call(sys.executable, "-m", "tools.pull")
    if pulled not in (0, INCOMPLETE):
        raise InputError("the remote cannot be used: see the line of `pull` above")
    with starting("dvc") as dvc:
        status = call(dvc, "repro")
    if status != 0:
        raise InputError("a stage failed: see the last lines of `dvc repro` above")
    runs = {name: Path("metrics", f"{name}.json") for name in read_parameter("models")}
    if wrong := [line for name, path in runs.items() for line in other_accuracy(name, path)]:
        typer.echo(
            f"**Not reproduced: {'; '.join(wrong)}.** "
            "Run `dvc repro` and commit dvc.lock, metrics and plots.\n"
        )
        raise typer.Exit(1)


def call(*command: str | Path) -> int:
    """The exit status of a command, which writes to standard error."""
    return subprocess.run(command, stdout=sys.stderr, check=False).returncode


def other_accuracy(name: str, path: Path) -> list[str]:
    """One line if the test accuracy of run `name`, in `path`, is outside its committed interval."""
    committed_path = f"metrics/{name}.json"
    committed = show_file(Path.cwd(), "HEAD", committed_path)
    if committed is None:
        return [f"`{name}`: {committed_path} is not committed"]
    was, now = json.loads(committed), read_json(path, test=dict)["test"]
    was = was.get("test", was)
    interval_of = dict.fromkeys(("accuracy_low", "accuracy_high"), NUMBER)
    require_values(f"HEAD: {committed_path}", was, interval_of, "commit that of `make repro`")
    require_values(path, now, {"accuracy": NUMBER}, REMEDY)
    if was["accuracy_low"] <= now["accuracy"] <= was["accuracy_high"]:
        return []
    interval = f"{was['accuracy_low']:.4f} to {was['accuracy_high']:.4f}"
    return [f"`{name}`: test accuracy {now['accuracy']:.4f}, committed {interval}"]


if __name__ == "__main__":
    run(main)
