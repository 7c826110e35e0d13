"""What came of a trial, from the outputs and the log of its training."""

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.datasets.arrays import hash_split
from stages.runtime.errors import InputError
from stages.scoring.predictions import read_labels, read_probabilities
from tools.trials.chain import make_entry
from tools.trials.contents import Files, is_here, require_intact
from tools.trials.held_out import HASH, IMAGES, identify, read_held_out
from tools.trials.lab import Lab
from tools.trials.progress import Progress
from tools.trials.trial import FROM_CACHE, RAN, Outcome, Trial

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
    images = hash_held_out(lab, contents, progress.parameters)
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


def hash_held_out(lab: Lab, contents: Mapping[str, Files], parameters: Mapping[str, Any]) -> str:
    """The hash of the validation images, as in data/audit/DATASET.json."""
    if is_here(lab.repo, contents[lab.raw]):
        return hash_split(*read_held_out(find_paths(lab, lab.raw, contents), parameters["fold"]))
    path = find_paths(lab, lab.held_out.outs[0], find_held_out(lab, contents, parameters))[HASH]
    return path.read_text(encoding="utf-8")


def identify_images(lab: Lab, trial: Trial) -> NDArray[np.bytes_]:
    """A hash of each validation image, (n,), of a trial that was made: of its pixels as read.

    Raises:
        InputError: they are no longer in DVC's cache.
    """
    parameters, contents = lab.find_parameters(trial), dict(lab.gates)
    loading = next(link for link in lab.chain if lab.raw in link.outs)
    entry = make_entry(loading, parameters, lab.roots, contents)
    _, found = lab.find_outputs(loading, entry, here=False)
    if found is None:
        raise InputError(f"{lab.raw} of a trial is no longer in DVC's cache; run this again")
    return identify_held_out(lab, found, parameters)


def identify_held_out(
    lab: Lab, contents: Mapping[str, Files], parameters: Mapping[str, Any]
) -> NDArray[np.bytes_]:
    """A hash of each validation image, (n,): of its pixels as read."""
    if is_here(lab.repo, contents[lab.raw]):
        paths = find_paths(lab, lab.raw, contents)
        return identify(read_held_out(paths, parameters["fold"])[0])
    path = find_paths(lab, lab.held_out.outs[0], find_held_out(lab, contents, parameters))[IMAGES]
    hashes: NDArray[np.bytes_] = np.load(path, allow_pickle=False)
    return hashes


def find_held_out(
    lab: Lab, contents: Mapping[str, Files], parameters: Mapping[str, Any]
) -> dict[str, Files]:
    """What the machine that has the images of a trial has said of those held out.

    Raises:
        InputError: nothing of it is here.
    """
    entry = make_entry(lab.held_out, parameters, lab.roots, contents)
    found = lab.find_outputs(lab.held_out, entry)[1]
    if found is None:
        raise InputError(f"{lab.raw} of a trial is no longer in DVC's cache; run this again")
    return found


def find_paths(lab: Lab, out: str, contents: Mapping[str, Files]) -> dict[str, Path]:
    """The objects in DVC's cache of an output, by their paths in it, if they are intact."""
    return {inner: open_object(lab, contents, out, inner) for inner in contents[out]}


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


def find_reason(text: str, ended: str) -> str:
    """Why a command failed, from its log and how it ended, in words."""
    if errors := ERROR.findall(text):
        return str(errors[-1])
    lines = [line for line in text.splitlines() if line.strip()]
    return f"{ended}: {lines[-1] if lines else 'it said nothing'}"
