"""Identifies the images that a trial holds out for validation, where its images are.

python -m tools.trials.held_out data/raw/DATASET data/held_out/DATASET

A step of trials on a cluster: their images stay on the machines.
"""

from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from stages.runtime.command import run

import numpy as np
from numpy.typing import NDArray

from stages.datasets.arrays import FOLDS, Split, hash_split
from stages.runtime.files import atomic_write
from stages.runtime.parameters import read_parameter

HASH, IMAGES = "hash.txt", "images.npy"


def main(raw: Path, out: Path) -> None:
    """Writes the hash of the held-out images of the data in `raw`, and one per image, to `out`."""
    paths = {path.relative_to(raw).as_posix(): path for path in raw.rglob("*.npy")}
    images, labels = read_held_out(paths, read_parameter("fold"))
    with atomic_write(out) as folder:
        folder.mkdir()
        (folder / HASH).write_text(hash_split(images, labels), encoding="utf-8")
        np.save(folder / IMAGES, identify(images), allow_pickle=False)


def read_held_out(paths: Mapping[str, Path], fold: int) -> Split:
    """The validation images as the data set has them, (n, h, w, c), and their labels, (n,).

    `paths` are those of the files that `load` has written; if its images are in folds, they are
    those of `fold`.
    """

    def read(name: str) -> NDArray[Any]:
        array: NDArray[Any] = np.load(paths[name], mmap_mode="r", allow_pickle=False)
        return array

    if FOLDS not in paths:
        return read("validation/images.npy"), read("validation/labels.npy")
    held = read(FOLDS) == fold
    return read("train/images.npy")[held], read("train/labels.npy")[held]


def identify(images: NDArray[Any]) -> NDArray[np.bytes_]:
    """A hash of each image, (n,)."""
    hashes = [blake2b(one.tobytes(), digest_size=16).hexdigest() for one in images]
    return np.array(hashes, dtype=np.bytes_)


if __name__ == "__main__":
    run(main, "arrays")
