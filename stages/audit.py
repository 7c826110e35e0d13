"""Finds what makes accuracy misleading: test images among the training images, other flaws."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.runtime.command import run

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from stages.datasets.arrays import Split, hash_split, read_raw
from stages.datasets.duplicates import find_exact, find_near
from stages.figures.pairs import draw_pairs
from stages.figures.style import make_legible
from stages.runtime.errors import InputError
from stages.runtime.files import atomic_write, read_json, write_json
from stages.runtime.parameters import read_parameter

PAIRS = 12  # shown in the picture


@dataclass(frozen=True)
class Nearest:
    """The nearest training image to each test image; every array is (n,).

    `index` is that of the training image, `distance` is 0 to 1, see `find_near`, and `same` is true
    where both have the same pixels.
    """

    index: NDArray[np.int64]
    distance: NDArray[np.float64]
    same: NDArray[np.bool_]


def main(raw: Path, report: Path, found: Path, picture: Path, gate: Path) -> None:
    """Writes `report` (JSON), `found` (CSV), `picture` (PNG), and `gate` if the data may be used.

    `found` has the test images that are also training images, or near duplicates of one.

    Raises:
        InputError: more than `audit.max_overlap` test images are also training images.
    """
    classes = read_json(raw / "about.json", classes=list)["classes"]
    threadpool_limits(read_parameter("threads"))
    splits = read_raw(raw, read_parameter("fold"))
    training = join(splits["train"], splits["validation"])
    nearest = find_nearest(splits["test"][0], training[0])
    near = read_parameter("audit.near")
    counts = describe(splits, classes) | count_overlap(splits, nearest, near)

    draw_nearest(nearest, splits["test"], training, classes, raw.name, picture)
    with atomic_write(report) as path:
        write_json(path, counts)
    with atomic_write(found) as path:
        write_duplicates(path, nearest, near, len(splits["train"][0]))
    print(
        f"{raw.name}: {counts['test_in_training']} of {len(nearest.same)} test images are also "
        f"training images, {counts['test_near_training']} are near duplicates"
    )
    refuse_overlap(raw.name, nearest, read_parameter("audit.max_overlap"))
    with atomic_write(gate) as path:
        path.write_text("may be used\n", encoding="utf-8")


def join(one: Split, other: Split) -> Split:
    """The images and labels of two splits, concatenated."""
    images, labels = (np.concatenate(parts) for parts in zip(one, other, strict=True))
    return images, labels


def find_nearest(test: NDArray[np.uint8], training: NDArray[np.uint8]) -> Nearest:
    """The nearest training image to each test image; both arrays are (n, h, w, c)."""
    same = find_exact(test, training)
    near, distance = find_near(test, training)
    return Nearest(np.where(same >= 0, same, near), distance, same >= 0)


def count_overlap(splits: dict[str, Split], nearest: Nearest, near: float) -> dict[str, int]:
    """Counts images that are in two splits, exactly or at a distance below `near`."""
    held_out = find_exact(splits["validation"][0], splits["train"][0])
    return {
        "validation_in_train": int((held_out >= 0).sum()),
        "test_in_training": int(nearest.same.sum()),
        "test_near_training": int(((nearest.distance < near) & ~nearest.same).sum()),
    }


def write_duplicates(path: Path, nearest: Nearest, near: float, in_train: int) -> None:
    """Writes a row for each test image at a distance below `near`: itself, its nearest, how near.

    Of the training images, the first `in_train` are those of the split train. All indices are
    those in data/normalized.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["test_index", "split", "index", "distance"])
        for i in np.flatnonzero(nearest.same | (nearest.distance < near)):
            index = int(nearest.index[i])
            place = ("train", index) if index < in_train else ("validation", index - in_train)
            writer.writerow([i, *place, "identical" if nearest.same[i] else nearest.distance[i]])


def draw_nearest(
    nearest: Nearest, test: Split, training: Split, classes: list[str], name: str, out: Path
) -> None:
    """Draws the test images nearest to a training image, each above that training image."""
    classes = make_legible(classes)
    order = np.argsort(np.where(nearest.same, -1, nearest.distance), kind="stable")[:PAIRS]
    draw_pairs(
        [(test[0][i], training[0][nearest.index[i]]) for i in order],
        [
            f"{classes[test[1][i]]} / {classes[training[1][nearest.index[i]]]}\n"
            + ("identical" if nearest.same[i] else f"{nearest.distance[i]:.3f}")
            for i in order
        ],
        title=f"{name}: the test images (above) nearest to a training image (below)",
        out=out,
    )


def describe(splits: dict[str, Split], classes: list[str]) -> dict[str, Any]:
    """Counts for each split: images, images per class, repeated images, constant images.

    `imbalance` is the size of the largest class divided by that of the smallest: 1 if all are
    equal, None if a class is empty. `sha256` shows whether two revisions are scored on the same
    images.
    """
    report: dict[str, Any] = {}
    for split, (images, labels) in splits.items():
        counts = np.bincount(labels, minlength=len(classes))
        report[split] = {
            "images": len(images),
            "sha256": hash_split(images, labels),
            "classes": dict(zip(classes, counts.tolist(), strict=True)),
            "imbalance": round(float(counts.max() / counts.min()), 3) if counts.min() else None,
            "repeated": int((find_exact(images, images) < np.arange(len(images))).sum()),
            "constant": int((images == images[:, :1, :1, :1]).all(axis=(1, 2, 3)).sum()),
        }
    return report


def refuse_overlap(dataset: str, nearest: Nearest, allowed: int) -> None:
    """Raises an InputError if more than `allowed` test images are also training images."""
    found = np.flatnonzero(nearest.same)
    if len(found) > allowed:
        pairs = [f"test {i} is training {nearest.index[i]}" for i in found[:2]]
        more = [f"{len(found) - 2} more"] if len(found) > 2 else []
        raise InputError(
            f"data set {dataset}: {len(found)} of {len(nearest.same)} test images are also "
            f"training images ({', '.join(pairs + more)}), but audit.max_overlap allows {allowed}; "
            f"remove them, or accept them with `dvc exp run -S audit.max_overlap={len(found)}`"
        )


if __name__ == "__main__":
    run(main, "arrays", "plots")
