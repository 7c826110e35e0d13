"""What a revision has recorded of its runs: scores, predictions, audits, seed noise."""

import json
from math import isfinite
from typing import Any

import numpy as np
from dvc.exceptions import DvcException
from numpy.typing import NDArray

from stages.datasets.arrays import SPLITS
from stages.runtime.errors import InputError
from stages.runtime.files import NUMBER, require_values
from stages.runtime.inputs import reading
from stages.scoring.predictions import read_predictions, read_probabilities
from tools.revisions.revision import Revision, classes_of
from tools.revisions.significance import Answers
from tools.store.objects import hash_bytes

COMMIT = "run `dvc repro` there and commit"  # what to do about a revision's file
NOISE = "docs/noise/{run}.json"  # what `make noise` measured
PROBABILITIES = "data/probabilities/{run}.npy"  # of the test images


def read_noise(revision: Revision, run: str) -> dict[str, Any] | None:
    """`recipe`, `seeds` and accuracies of a run from `make noise`; None if not measured.

    The accuracies are `validation_accuracy`; until November 2026 `accuracy`, on the test images.
    """
    path = NOISE.format(run=run)
    if not revision.files.isfile(path):
        return None
    known = read_json(revision, path, recipe=dict)
    if "validation_accuracy" not in known:
        require_values(f"{revision.name}: {path}", known, {"accuracy": list}, COMMIT)
    return known


def read_scores(revision: Revision, run: str) -> dict[str, dict[str, float]]:
    """The metrics of a run on the splits `validation`, if images were held out, and `test`.

    Until November 2026 there were those on the test images alone.
    """
    path = f"metrics/{run}.json"
    name, content = f"{revision.name}: {path}", read_json(revision, path)
    splits: dict[str, Any] = {split: content[split] for split in SPLITS if split in content}
    if "test_images" in content:  # as it was called until then
        splits = {"test": content | {"images": content["test_images"]}}
    require_values(name, splits, dict.fromkeys(["test", *splits], dict), COMMIT)
    for scores in splits.values():
        require_values(name, scores, {"accuracy": NUMBER, "images": int}, COMMIT)
    return splits


def read_audit(revision: Revision, dataset: str) -> dict[str, Any]:
    """The audit of a data set: for each split `images`, `sha256`, `classes` and more."""
    path = f"data/audit/{dataset}.json"
    until_november_2026 = f"metrics/audit/{dataset}.json"
    if revision.files.isfile(until_november_2026):
        path = until_november_2026
    return read_json(revision, path, **dict.fromkeys(SPLITS, dict))


def read_answers(revision: Revision, run: str) -> tuple[NDArray[np.int64], Answers]:
    """The labels of the test images, int64 (n,), and the predictions of the run's model.

    Without the probabilities, which `read_run_probabilities` reads.

    Raises:
        InputError: the predictions are missing, or their classes are not those of params.yaml.
    """
    path = f"plots/{run}/predictions.csv"
    name, text = f"{revision.name}: {path}", read_text(revision, path)
    labels, predicted = read_predictions(name, text, classes_of(revision, run))
    return labels, Answers(predicted, None)


def read_run_probabilities(revision: Revision, run: str, images: int) -> NDArray[np.float32] | None:
    """Probabilities, (images, classes), or None if the model has none.

    From the workspace, DVC's cache or its remote.

    Raises:
        InputError: they are in none of these, have other content than dvc.lock names, or are for
            another number of images.
    """
    path = PROBABILITIES.format(run=run)
    known = [out for stage in revision.stages.values() for out in stage.get("outs", [])]
    try:
        content = revision.files.read_bytes(path)
        if revision.commit and hash_bytes(content) not in {one["md5"] for one in known}:
            raise InputError(
                f"{revision.name}: {path} has other content than dvc.lock names; run "
                "`dvc checkout --allow-missing`"
            )
        return read_probabilities(f"{revision.name}: {path}", content, images)
    except (FileNotFoundError, DvcException):
        raise InputError(
            f"{revision.name}: {path} is not in DVC's cache; run `make pull` to get it, or "
            "`dvc repro` to recreate it"
        ) from None


def read_json(revision: Revision, path: str, **kinds: Any) -> dict[str, Any]:
    """The values of a JSON file that is in git, among them some of these kinds.

    Raises:
        InputError: it is missing, or not one.
    """
    name = f"{revision.name}: {path}"
    with reading(name, "JSON file", COMMIT):
        content: dict[str, Any] = parse_json(read_text(revision, path))
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")
    require_values(name, content, kinds, COMMIT)
    return content


def parse_json(text: str) -> Any:
    """The content of a JSON file whose numbers can all be shown and compared.

    Raises:
        ValueError: it is not one, or has NaN, an infinity or a number beyond all floats.
    """
    return json.loads(
        text,
        parse_constant=require_finite,
        parse_float=require_finite,
        parse_int=lambda digits: require_finite(digits) and int(digits),
    )


def require_finite(digits: str) -> float:
    """A number that is finite.

    Raises:
        ValueError: it is not.
    """
    number = float(digits)
    if not isfinite(number):
        raise ValueError(f"{digits:.40} is not a finite number")
    return number


def read_text(revision: Revision, path: str) -> str:
    """The text of a file that is in git.

    Raises:
        InputError: it is missing.
    """
    try:
        text: str = revision.files.read_text(path, encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{revision.name} has no {path}; {COMMIT}") from None
    return text
