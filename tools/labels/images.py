"""The images of a data set, and where each is."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.datasets.arrays import read_raw
from stages.runtime.parameters import read_parameter
from tools.trials.held_out import identify


@dataclass(frozen=True)
class Images:
    """Images, uint8 (n, h, w, c), and their labels; all other arrays are (n,), too.

    `splits` names the split of each, `indices` says its place in it, `names` are hashes of pixels.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    splits: NDArray[np.str_]
    indices: NDArray[np.int64]
    names: NDArray[np.bytes_]


def read_images(dataset: str, *splits: str) -> Images:
    """The images of some splits of data/raw/DATASET, one split after the other.

    Raises:
        InputError: a file is missing or damaged.
    """
    found = read_raw(Path("data/raw", dataset), read_parameter("fold"))
    images, labels = zip(*(found[split] for split in splits), strict=True)
    sizes = [len(one) for one in labels]
    pixels = np.concatenate(images)
    return Images(
        pixels,
        np.concatenate(labels).astype(np.int64),
        np.repeat(splits, sizes),
        np.concatenate([np.arange(size) for size in sizes]),
        identify(pixels),
    )
