"""IDX, the format of MNIST and its successors: a header of big-endian numbers, then the bytes."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.runtime.errors import InputError
from stages.runtime.inputs import LARGEST_SPLIT, MB
from stages.sources.common.dataset import Dataset, index_labels
from stages.sources.common.idx_file import read_array
from stages.sources.common.splits import list_folder, split_of

EXPECTED = "train-images-idx3-ubyte"
NAME = re.compile(r"(.*)(images|labels)[-.]idx\d-ubyte(\.gz)?", re.IGNORECASE)
LABELS = 100 * MB  # bytes of a file of labels


def find(folder: Path) -> dict[str, dict[str, Path]]:
    """The files `images` and `labels` of each split.

    Also those in a folder of the file's own name, as some programs extract archives.
    """
    found: dict[str, dict[str, Path]] = {}
    for path in list_folder(folder):
        named = NAME.fullmatch(path.name)
        if not named:
            continue
        files = [*list_folder(path)] if path.is_dir() else [path]
        of_split = found.setdefault(split_of(named[1]) or "train", {})
        for file in files:
            if named[2].lower() in of_split:
                raise InputError(f"{of_split[named[2].lower()]}: {file} is there too; keep one")
            of_split[named[2].lower()] = file
    return found


def read(files: dict[str, Path], dataset: Dataset) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images, uint8 (n, h, w, c), and the index of each one's class, int64 (n,), of a split.

    Compressed files are decompressed, others memory-mapped.

    Raises:
        InputError: a file is missing, not in this format, or not of the length in its header.
    """
    images, labels = read_files(files)
    return images, index_labels(labels, dataset, files["labels"])


def read_files(files: dict[str, Path]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images, uint8 (n, h, w, c), and the labels as they are, int64 (n,), of two files."""
    for kind in ("images", "labels"):
        if kind not in files:
            (other,) = files.values()
            raise InputError(f"{other}: the file of {kind} is missing beside it; add it")
    images = read_array(files["images"], (3, 4), LARGEST_SPLIT)
    if images.ndim == 3:
        images = images[..., np.newaxis]
    return images, read_array(files["labels"], (1,), LABELS).astype(np.int64)
