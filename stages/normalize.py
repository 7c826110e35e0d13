"""Turns pixels of 0 to 255 into float32 values that models train well on."""

import functools
from pathlib import Path
from typing import Any

from stages.runtime.command import run

import numpy as np
from numpy.typing import NDArray

from stages.datasets.arrays import FOLDS, read_raw, write_split
from stages.runtime.files import atomic_write, read_json, write_json
from stages.runtime.parameters import read_parameter

Normalization = dict[str, list[float]]  # `mean` and `deviation`


def main(raw: Path, out: Path) -> None:
    """Writes the splits of `raw` to `out`, and the mean and deviation to `out`/about.json.

    If the images are in folds, the splits are those of `fold`.
    """
    method, fold = read_parameter("normalize.method"), read_parameter("fold")
    metadata = read_json(raw / "about.json", classes=list)
    splits = read_raw(raw, fold)
    metadata["normalization"] = normalization = learn(splits["train"][0], method)
    to_numbers = functools.partial(normalize, normalization=normalization)
    with atomic_write(out) as partial:
        for split, (images, labels) in splits.items():
            write_split(partial / split, images, labels, change=to_numbers)
        write_json(partial / "about.json", metadata)
    if (raw / FOLDS).exists():
        counts = (f"{len(splits[split][1])} {split}" for split in ("train", "validation"))
        print(f"validation is fold {fold}: {', '.join(counts)}")
    print(f"{method}: mean {normalization['mean']}, deviation {normalization['deviation']}")


def learn(train: NDArray[np.uint8], method: str) -> Normalization:
    """The mean and standard deviation to normalize with, per channel, for pixels of 0 to 1.

    Learned only from the training images, uint8 (n, h, w, c).
    """
    return METHODS[method](train)


def unit(train: NDArray[np.uint8]) -> Normalization:
    """Mean 0 and deviation 1, which leave pixels of 0 to 1 unchanged."""
    channels = train.shape[-1]
    return {"mean": [0.0] * channels, "deviation": [1.0] * channels}


def standardize(train: NDArray[np.uint8]) -> Normalization:
    """The values that give each channel of the training images mean 0 and standard deviation 1."""
    counts = [np.bincount(train[..., c].ravel(), minlength=256) for c in range(train.shape[-1])]
    pixels = np.arange(256) / 255
    mean = [float(np.average(pixels, weights=n)) for n in counts]
    variance = [np.average((pixels - m) ** 2, weights=n) for m, n in zip(mean, counts, strict=True)]
    # A constant channel has deviation 0; divided by 1, it becomes 0 instead of NaN.
    return {"mean": mean, "deviation": [float(np.sqrt(v)) or 1.0 for v in variance]}


METHODS = {"unit": unit, "standardize": standardize}  # the choices of `normalize.method`


def normalize(images: NDArray[Any], normalization: Normalization) -> NDArray[np.float32]:
    """Images of 0 to 255, (n, h, w, c), normalized to float32 of the same shape."""
    mean = np.array(normalization["mean"], dtype=np.float32)
    deviation = np.array(normalization["deviation"], dtype=np.float32)
    scaled: NDArray[np.float32] = images.astype(np.float32)
    scaled /= np.float32(255)
    scaled -= mean
    scaled /= deviation
    return scaled


if __name__ == "__main__":
    run(main, "arrays")
