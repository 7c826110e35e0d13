"""What came of a trial, from the outputs and the log of its training."""

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.datasets.arrays import FOLDS, Split, hash_split
from stages.runtime.errors import InputError
from stages.scoring.predictions import read_labels, read_probabilities
from tools.trials.contents import Files, require_intact
from tools.trials.lab import Lab
from tools.trials.progress import Progress
from tools.trials.trial import FROM_CACHE, RAN, Outcome

EPOCH = re.compile(r"^Epoch \d+/\d+$", re.M)
VALUE = re.compile(r" - (\w+): ([-+.e\d]+)")
ERROR = re.compile(r"^\w+: error: (.*)$", re.M)
NOTHING_HELD_OUT = (
    "no validation images, by which trials are compared; set validation_fraction of the data set, "
    "such as 0.1"
)


def read_outcome(lab: Lab, progress: Progress, seconds: float) -> Outcome:
    """What came of a trial with all outputs, that took `seconds` now, or 0 if it was in the cache.

    Raises:
        InputError: no images were held out, or an object in DVC's cache is damaged.
    """
    contents = progress.contents
    labels, predicted = (read_answers(lab, contents, name) for name in ("labels", "predicted"))
    if not len(labels):
        raise InputError(NOTHING_HELD_OUT)
    probabilities = read_probabilities(
        lab.answers,
        open_object(lab, contents, lab.answers, "probabilities.npy").read_bytes(),
        len(labels),
    )
    images = hash_split(*read_held_out(lab, contents[lab.raw], progress.parameters["fold"]))
    curves = [path for path in lab.chain[-1].outs if path.endswith("/learning_curve.csv")]
    curve = [row for path in curves for row in read_curve(open_object(lab, contents, path))]
    state = RAN if seconds else FROM_CACHE
    answers = (labels, predicted)
    return Outcome(state, progress.key, *answers, seconds, "", probabilities, images, tuple(curve))


def open_object(lab: Lab, contents: Mapping[str, Files], out: str, inner: str = "") -> Path:
    """The object in DVC's cache of an output, or of a file in one, if it is intact."""
    name = f"{out}/{inner}" if inner else out
    return require_intact(lab.repo, contents[out][inner], name, lab.checked)


def read_answers(lab: Lab, contents: Mapping[str, Files], name: str) -> NDArray[np.int64]:
    """Labels or predicted labels of the validation images, (n,)."""
    path = open_object(lab, contents, lab.answers, f"{name}.npy")
    return read_labels(f"{lab.answers}/{name}.npy", path.read_bytes())


def read_held_out(lab: Lab, raw: Files, fold: int) -> Split:
    """The validation images as the data set has them, (n, h, w, c), and their labels, (n,).

    `raw` is what `load` has written; if its images are in folds, they are those of `fold`.
    """

    def read(name: str) -> NDArray[Any]:
        path = require_intact(lab.repo, raw[name], f"{lab.raw}/{name}", lab.checked)
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        return array

    if FOLDS not in raw:
        return read("validation/images.npy"), read("validation/labels.npy")
    held = read(FOLDS) == fold
    return read("train/images.npy")[held], read("train/labels.npy")[held]


def read_curve(path: Path) -> list[dict[str, float]]:
    """The rows of a learning curve, of the values that they have."""
    rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
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
