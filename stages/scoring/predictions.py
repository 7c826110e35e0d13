"""A model's predictions for a split, on disk: class names as CSV, probabilities as an array."""

import csv
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.runtime.errors import InputError
from stages.runtime.files import read_bytes
from stages.runtime.inputs import reading

REMEDY = "run `dvc repro` to recreate it"
HEADER = ["actual", "predicted"]


def write_predictions(
    path: Path, labels: NDArray[np.uint8], predicted: NDArray[np.int64], classes: list[str]
) -> None:
    """Writes the class names of labels and predicted labels, both (n,), one row per image."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows((classes[a], classes[p]) for a, p in zip(labels, predicted, strict=True))


def read_predictions(
    name: object, text: str, classes: list[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Labels and predicted labels, both (n,), from the text of a CSV file called `name`.

    Raises:
        InputError: it is not such a file, or a class name is not in `classes`.
    """
    index = {known: label for label, known in enumerate(classes)}
    with reading(f"{name}", "file of predictions", REMEDY):
        rows = csv.DictReader(io.StringIO(text, newline=""))
        names = [row[key] for row in rows for key in HEADER]
        if unknown := set(names) - set(classes):
            raise InputError(
                f"{name}: unknown class {unknown.pop()!r:.80}; expected {', '.join(classes)}; run "
                "`dvc repro` to update it"
            )
        pairs = [index[one] for one in names]
        labels, predicted = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        return labels, predicted


def write_probabilities(path: Path, probabilities: NDArray[np.float32] | None, images: int) -> None:
    """Writes probabilities, (n, classes), or (images, 0) for a model without them."""
    array = np.empty((images, 0), np.float32) if probabilities is None else probabilities
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def read_answers(
    folder: Path,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32] | None]:
    """Labels and predicted labels, both (n,), and probabilities, from what `train` has written.

    Raises:
        InputError: a file is missing or not valid.
    """
    labels, predicted = (
        read_labels(path, read_bytes(path))
        for path in (folder / f"{name}.npy" for name in ("labels", "predicted"))
    )
    if len(labels) != len(predicted):
        raise InputError(f"{folder}: {len(labels)} labels, {len(predicted)} predictions; {REMEDY}")
    path = folder / "probabilities.npy"
    return labels, predicted, read_probabilities(path, read_bytes(path), len(labels))


def read_labels(name: object, content: bytes) -> NDArray[np.int64]:
    """Labels, (n,), from the content of an array file."""
    with reading(f"{name}", "file of labels", REMEDY):
        array: NDArray[np.int64] = np.load(io.BytesIO(content), allow_pickle=False)
        if array.dtype != np.int64 or array.ndim != 1:
            raise ValueError(f"{array.dtype}, {array.shape}; expected int64, (n,)")
        return array


def read_probabilities(name: object, content: bytes, images: int) -> NDArray[np.float32] | None:
    """Probabilities, (n, classes), or None if the model has none, from the content of a file.

    Raises:
        InputError: it is not a valid array file, or does not have `images` rows.
    """
    with reading(f"{name}", "file of probabilities", REMEDY):
        array: NDArray[np.float32] = np.load(io.BytesIO(content), allow_pickle=False)
        if array.dtype != np.float32 or array.ndim != 2 or len(array) != images:
            raise ValueError(f"{array.dtype}, {array.shape}; expected {images} rows of float32")
        return array if array.size else None
