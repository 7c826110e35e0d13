"""Creates `data/sample/` from the full data: the first images of each class, as contact sheets."""

from pathlib import Path
from typing import Any

from stages.runtime.command import run

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.runtime.files import atomic_write
from stages.sources import idx
from stages.sources.sheet import IMAGES_PER_ROW

IMAGES_PER_CLASS = {  # so few that a first run of all models takes under five minutes
    "fashion_mnist": {"train": 1000, "test": 200},
    "cifar10": {"train": 500, "test": 100},
}


def main(full: Path, out: Path) -> None:
    """Writes the sample of every data set in `full` to `out`, byte for byte as committed."""
    for dataset, splits in IMAGES_PER_CLASS.items():
        for split, images_per_class in splits.items():
            images, labels = idx.read_files(idx.find(full / dataset)[split])
            chosen = first_of_each_class(labels, images_per_class)
            write_sheet(out / dataset, split, images[chosen], labels[chosen])
            print(f"{out / dataset}: {split}: {len(chosen)} of {len(labels)} images")


def first_of_each_class(labels: NDArray[Any], count: int) -> NDArray[np.int64]:
    """The indices of the first `count` images of each class, in their original order."""
    return np.sort(np.concatenate([np.flatnonzero(labels == c)[:count] for c in np.unique(labels)]))


def write_sheet(folder: Path, split: str, images: NDArray[np.uint8], labels: NDArray[Any]) -> None:
    """Writes a split, uint8 (n, side, side, c), as `stages/sources/sheet.py` reads it."""
    n, side, _, channels = images.shape
    rows = -(-n // IMAGES_PER_ROW)
    tiles = np.zeros((rows * IMAGES_PER_ROW, side, side, channels), dtype=np.uint8)
    tiles[:n] = images
    sheet = tiles.reshape(rows, IMAGES_PER_ROW, side, side, channels).swapaxes(1, 2)
    sheet = sheet.reshape(rows * side, IMAGES_PER_ROW * side, channels)
    with atomic_write(folder / f"{split}_images.png") as path:
        picture = Image.fromarray(sheet.squeeze(axis=2) if channels == 1 else sheet)
        picture.save(path, format="png", optimize=True)
    with atomic_write(folder / f"{split}_labels.txt") as path:
        path.write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")


if __name__ == "__main__":
    run(main, "arrays", "pictures")
