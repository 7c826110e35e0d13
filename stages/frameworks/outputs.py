"""What a training writes beside its model: the learning curve, and what the model answers."""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.runtime.errors import InputError


def describe_end(predicted: NDArray[np.int64], labels: NDArray[np.uint8]) -> dict[str, float]:
    """The learning curve of a model without epochs: one row, for the end of the fit.

    It has no `val_accuracy` if there are no validation images.
    """
    row: dict[str, float] = {"epoch": 0}
    if len(labels):
        row["val_accuracy"] = float((predicted == labels).mean())
    return row


def write_answers(
    folder: Path,
    labels: NDArray[np.uint8],
    predicted: NDArray[np.int64],
    probabilities: NDArray[np.float32] | None,
) -> None:
    """Writes what a model says of images, and their labels, as arrays to a new folder."""
    folder.mkdir()
    np.save(folder / "labels.npy", labels.astype(np.int64))
    np.save(folder / "predicted.npy", predicted)
    nothing = np.empty((len(labels), 0), np.float32)
    np.save(folder / "probabilities.npy", nothing if probabilities is None else probabilities)


def write_curve(path: Path, rows: list[dict[str, float]]) -> None:
    """Writes a learning curve as CSV, one row per epoch.

    Raises:
        InputError: it has no rows.
    """
    if not rows:
        raise InputError("`fit` returned a learning curve without epochs; None says there are none")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
