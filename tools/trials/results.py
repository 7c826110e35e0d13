"""What came of a trial, from the outputs and the log of its training."""

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.runtime.errors import InputError
from stages.scoring.predictions import read_labels
from tools.trials.contents import Files, require_intact
from tools.trials.lab import Lab
from tools.trials.trial import FROM_CACHE, RAN, Outcome

EPOCH = re.compile(r"^Epoch \d+/\d+$", re.M)
VALUE = re.compile(r" - (\w+): ([-+.e\d]+)")
ERROR = re.compile(r"^\w+: error: (.*)$", re.M)
NOTHING_HELD_OUT = (
    "no validation images, by which trials are compared; set validation_fraction of the data set, "
    "such as 0.1"
)


def read_outcome(lab: Lab, contents: Mapping[str, Files], key: str, seconds: float) -> Outcome:
    """What came of a trial that took `seconds` now, or 0 if it was in the cache.

    Raises:
        InputError: no images were held out, or an object in DVC's cache is damaged.
    """
    labels, predicted = (read_answers(lab, contents, name) for name in ("labels", "predicted"))
    if not len(labels):
        raise InputError(NOTHING_HELD_OUT)
    curves = [path for path in lab.chain[-1].outs if path.endswith("/learning_curve.csv")]
    curve = [row for path in curves for row in read_curve(lab, contents, path)]
    state = RAN if seconds else FROM_CACHE
    return Outcome(state, key, labels, predicted, seconds, curve=tuple(curve))


def read_answers(lab: Lab, contents: Mapping[str, Files], name: str) -> NDArray[np.int64]:
    """Labels or predicted labels of the validation images, (n,)."""
    path = f"{lab.answers}/{name}.npy"
    file = contents[lab.answers][f"{name}.npy"]
    return read_labels(path, require_intact(lab.repo, file, path, lab.checked).read_bytes())


def read_curve(lab: Lab, contents: Mapping[str, Files], path: str) -> list[dict[str, float]]:
    """The rows of a learning curve, of the values that they have."""
    found = require_intact(lab.repo, contents[path][""], path, lab.checked)
    rows = csv.DictReader(io.StringIO(found.read_text(encoding="utf-8")))
    return [{name: float(value) for name, value in row.items() if value} for row in rows]


def read_epochs(log: Path) -> list[dict[str, float]]:
    """The epochs that have ended, from the log of a training: their values, to four digits."""
    rows = list[dict[str, float]]()
    for epoch in EPOCH.split(log.read_text(encoding="utf-8", errors="replace"))[1:]:
        if values := VALUE.findall(epoch):
            rows.append(
                {"epoch": float(len(rows))} | {name: float(value) for name, value in values}
            )
    return rows


def find_reason(log: Path, status: int) -> str:
    """Why a command failed, from its log."""
    text = log.read_text(encoding="utf-8", errors="replace")
    if errors := ERROR.findall(text):
        return str(errors[-1])
    lines = [line for line in text.splitlines() if line.strip()]
    return f"its command ended with status {status}: {lines[-1] if lines else 'it said nothing'}"
