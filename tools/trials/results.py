"""What came of a trial, from the outputs and the log of its training."""

import csv
import hashlib
import io
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.runtime.errors import InputError
from stages.scoring.predictions import read_labels, read_probabilities
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
    probabilities = read_probabilities(
        lab.answers,
        open_object(lab, contents, lab.answers, "probabilities.npy").read_bytes(),
        len(labels),
    )
    images = hash_images(lab, contents)
    curves = [path for path in lab.chain[-1].outs if path.endswith("/learning_curve.csv")]
    curve = [row for path in curves for row in read_curve(open_object(lab, contents, path))]
    state = RAN if seconds else FROM_CACHE
    answers = (labels, predicted)
    return Outcome(state, key, *answers, seconds, "", probabilities, images, tuple(curve))


def open_object(lab: Lab, contents: Mapping[str, Files], out: str, inner: str = "") -> Path:
    """The object in DVC's cache of an output, or of a file in one, if it is intact."""
    name = f"{out}/{inner}" if inner else out
    return require_intact(lab.repo, contents[out][inner], name, lab.checked)


def read_answers(lab: Lab, contents: Mapping[str, Files], name: str) -> NDArray[np.int64]:
    """Labels or predicted labels of the validation images, (n,)."""
    path = open_object(lab, contents, lab.answers, f"{name}.npy")
    return read_labels(f"{lab.answers}/{name}.npy", path.read_bytes())


def hash_images(lab: Lab, contents: Mapping[str, Files]) -> str:
    """The hash of the validation images and labels, as the audit has it."""
    raw = f"data/raw/{lab.dataset}"
    digest = hashlib.sha256()
    for name in ("images", "labels"):
        array = np.load(open_object(lab, contents, raw, f"validation/{name}.npy"), "r")
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


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
