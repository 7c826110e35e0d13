"""A model's predictions for a split, on disk: class names as CSV, probabilities as an array."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from stages.runtime.errors import InputError

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
    lines: Iterable[str], classes: list[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Labels and predicted labels, both (n,), from the lines of a CSV file.

    Raises:
        InputError: a class name is not in `classes`.
    """
    index = {name: label for label, name in enumerate(classes)}
    try:
        pairs = [[index[row[key]] for key in HEADER] for row in csv.DictReader(lines)]
    except KeyError as name:
        raise InputError(
            f"unknown class {name}; expected {', '.join(classes)}; run `dvc repro` to update it"
        ) from None
    labels, predicted = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return labels, predicted


def write_probabilities(path: Path, probabilities: NDArray[np.float32] | None, images: int) -> None:
    """Writes probabilities, (n, classes), or (images, 0) for a model without them."""
    array = np.empty((images, 0), np.float32) if probabilities is None else probabilities
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def read_probabilities(file: BinaryIO | Path, images: int) -> NDArray[np.float32] | None:
    """Probabilities, (n, classes), or None if the model has none.

    Raises:
        InputError: it is not a valid array file, or does not have `images` rows.
    """
    try:
        array: NDArray[np.float32] = np.load(file, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(f"not a valid array file ({error})") from None
    if len(array) != images:
        raise InputError(f"probabilities for {len(array)} images, expected {images}")
    return array if array.size else None
