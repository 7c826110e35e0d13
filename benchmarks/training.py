"""Trains one run in a clone: with its plain script, and with the bare command of its stage."""

import json
import shlex
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import announce
from stages.datasets.arrays import read_split
from stages.runtime.lock import read_lock
from tools.first_numbers import write_csv


def write_rows(folder: Path, dataset: str, out: Path) -> None:
    """Writes the images that the clone trains and tests on as CSV files."""
    for split in ("train", "test"):
        write_csv(out, split, *read_split(folder / "data" / "raw" / dataset / split))


def time_plain(folder: Path, run: str, rows: Path) -> dict[str, float]:
    """What the plain script takes, as a whole and in each step, and its accuracy."""
    command: list[str | Path] = [sys.executable, "-m", "benchmarks.plain", run, rows]
    measured = announce(f"{run}: plain script", command, folder)
    return measured.numbers() | json.loads(measured.output.splitlines()[-1])


def time_bare(folder: Path, run: str) -> dict[str, float]:
    """What the command of the train stage takes without DVC, with the current parameters."""
    lock = read_lock((folder / "dvc.lock").read_text(encoding="utf-8"))
    _python, *arguments, _model, _curve, _validation = shlex.split(lock[f"train@{run}"]["cmd"])
    with TemporaryDirectory() as name:
        outs = [Path(name, out) for out in ("model.onnx", "learning_curve.csv", "validation")]
        command: list[str | Path] = [sys.executable, *arguments, *outs]
        return announce(f"{run}: its training alone", command, folder).numbers()
