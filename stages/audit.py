"""Looks for what makes accuracy lie: test images among the training images, and other flaws."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from stages.datasets.arrays import SPLITS, Split, read_split
from stages.datasets.duplicates import find_exact, find_near
from stages.figures.pairs import draw_pairs
from stages.runtime.command import InputError, run
from stages.runtime.files import written_whole
from stages.runtime.parameters import read_parameter

PAIRS = 12  # shown in the picture


def main(raw: Path, metrics: Path, picture: Path, gate: Path) -> None:
    """Writes `metrics` (JSON), `picture` (PNG), and `gate` if the data may be used.

    Raises:
        InputError: more test images than `audit.max_overlap` are training images too.
    """
    classes = json.loads((raw / "about.json").read_text(encoding="utf-8"))["classes"]
    threadpool_limits(read_parameter("threads"))
    splits = {split: read_split(raw / split) for split in SPLITS}
    training = np.concatenate([splits[split][0] for split in ("train", "validation")])
    training_labels = np.concatenate([splits[split][1] for split in ("train", "validation")])
    test, test_labels = splits["test"]

    leaked = find_exact(test, training)
    nearest, unlikeness = find_near(test, training)
    near = (unlikeness < read_parameter("audit.near")) & (leaked < 0)
    nearest = np.where(leaked >= 0, leaked, nearest)
    held_out = find_exact(splits["validation"][0], splits["train"][0])
    report = describe(splits, classes) | {
        "validation_in_train": int((held_out >= 0).sum()),
        "test_in_training": int((leaked >= 0).sum()),
        "test_near_training": int(near.sum()),
    }
    order = np.argsort(np.where(leaked >= 0, -1, unlikeness), kind="stable")[:PAIRS]
    draw_pairs(
        [(test[i], training[nearest[i]]) for i in order],
        [
            f"{classes[test_labels[i]]} / {classes[training_labels[nearest[i]]]}\n"
            + ("the same" if leaked[i] >= 0 else f"{unlikeness[i]:.3f}")
            for i in order
        ],
        title=f"{raw.name}: the test images (above) that are nearest to a training image (below)",
        out=picture,
    )
    with written_whole(metrics) as path:
        path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(
        f"{raw.name}: of {len(test)} test images {report['test_in_training']} are also training "
        f"images, {report['test_near_training']} nearly so"
    )
    refuse_overlap(raw.name, leaked, read_parameter("audit.max_overlap"))
    with written_whole(gate) as path:
        path.write_text("may be used\n", encoding="utf-8")


def describe(splits: dict[str, Split], classes: list[str]) -> dict[str, Any]:
    """Counts of each split: images, images a class, images that occur before, constant images.

    `imbalance` is the count of the greatest class over that of the smallest, 1 where all are equal;
    `sha256` is of the images and then the labels, in C order: it tells whether two revisions score
    on the same images.
    """
    report: dict[str, Any] = {}
    for split, (images, labels) in splits.items():
        digest = hashlib.sha256(np.ascontiguousarray(images).data)
        digest.update(np.ascontiguousarray(labels).data)
        counts = np.bincount(labels, minlength=len(classes))
        report[split] = {
            "images": len(images),
            "sha256": digest.hexdigest(),
            "classes": dict(zip(classes, counts.tolist(), strict=True)),
            "imbalance": round(float(counts.max() / counts.min()), 3) if counts.min() else None,
            "repeated": int((find_exact(images, images) < np.arange(len(images))).sum()),
            "constant": int((images == images[:, :1, :1, :1]).all(axis=(1, 2, 3)).sum()),
        }
    return report


def refuse_overlap(dataset: str, leaked: NDArray[np.int64], allowed: int) -> None:
    """Raises an InputError if more test images than allowed have the index of a training image."""
    found = np.flatnonzero(leaked >= 0)
    if len(found) > allowed:
        pairs = [f"test {i} is training {leaked[i]}" for i in found[:3]]
        more = [f"{len(found) - 3} more"] if len(found) > 3 else []
        raise InputError(
            f"data set {dataset}: {len(found)} of {len(leaked)} test images are also training "
            f"images ({', '.join(pairs + more)}), but audit.max_overlap allows {allowed}: accuracy "
            "on them measures memory. Remove them; or, to go on knowingly, "
            f"`dvc exp run -S audit.max_overlap={len(found)}`"
        )


if __name__ == "__main__":
    run(main, "arrays", "plots")
