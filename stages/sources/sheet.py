"""Contact sheets: square images in one PNG, 100 per row, with a text file of labels."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.runtime.errors import InputError
from stages.runtime.inputs import LARGEST_SPLIT, MB, reading, require_at_most, require_file
from stages.sources.common.dataset import Dataset, index_labels
from stages.sources.common.splits import NAMES

IMAGES_PER_ROW = 100
LABELS = 100 * MB  # bytes of the text file
EXPECTED = "train_images.png"


def find(folder: Path) -> dict[str, tuple[Path, Path]]:
    """The files of images and of labels of each split."""
    pairs = {
        split: (folder / f"{split}_images.png", folder / f"{split}_labels.txt") for split in NAMES
    }
    return {split: files for split, files in pairs.items() if any(map(os.path.lexists, files))}


def read(files: tuple[Path, Path], dataset: Dataset) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images, uint8 (n, h, w, c), and the index of each one's class, int64 (n,), of a split.

    Raises:
        InputError: a file is missing, truncated or in another format, or the sizes do not fit.
    """
    images, labels = read_files(files)
    return images, index_labels(labels, dataset, files[1])


def read_files(files: tuple[Path, Path]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images, uint8 (n, h, w, c), and the labels as they are, int64 (n,), of two files."""
    path, path_of_labels = files
    labels = read_labels(path_of_labels)
    sheet = read_sheet(path, len(labels))
    height, width, channels = sheet.shape
    side, rows = width // IMAGES_PER_ROW, height * IMAGES_PER_ROW // width
    tiles = sheet.reshape(rows, side, IMAGES_PER_ROW, side, channels).swapaxes(1, 2)
    images = tiles.reshape(-1, side, side, channels)
    if images[len(labels) :].any():
        raise InputError(f"{path}: more images than the {len(labels)} labels next to it")
    return images[: len(labels)], labels


def read_sheet(path: Path, labels: int) -> NDArray[np.uint8]:
    """The pixels of a sheet, uint8 (h, w, c), with as many rows as this many labels need."""
    remedy = "restore it"
    require_file(path, LARGEST_SPLIT, remedy)
    guard = Image.MAX_IMAGE_PIXELS  # Pillow's, for one picture; this one's size is checked below
    try:
        Image.MAX_IMAGE_PIXELS = None
        with reading(path, "PNG file", remedy), Image.open(path, formats=["PNG"]) as picture:
            if picture.mode not in ("L", "RGB"):
                raise InputError(
                    f"{path}: pixels of mode {picture.mode}; re-save it as 8-bit gray or RGB"
                )
            side = picture.width // IMAGES_PER_ROW
            rows = -(-labels // IMAGES_PER_ROW)
            if picture.size != (IMAGES_PER_ROW * side, rows * side) or not side or not rows:
                raise InputError(
                    f"{path}: {picture.width}x{picture.height} pixels do not fit {labels} labels "
                    f"next to it: expected {IMAGES_PER_ROW} images per row, {rows} rows"
                )
            size = picture.width * picture.height * len(picture.getbands())
            require_at_most(LARGEST_SPLIT, size, path, remedy)
            return np.asarray(picture).reshape(picture.height, picture.width, -1)
    finally:
        Image.MAX_IMAGE_PIXELS = guard


def read_labels(path: Path) -> NDArray[np.int64]:
    """The labels of a file, int64 (n,), one per line."""
    remedy = "restore it"
    require_file(path, LABELS, remedy)
    with reading(path, "file of labels", remedy):
        lines = path.read_text(encoding="ascii", errors="replace").rstrip().splitlines()
    labels = []
    for line_number, line in enumerate(lines, start=1):
        if not (line.strip().isdecimal() and len(line) < 10):
            raise InputError(
                f"{path}: line {line_number}: {line[:40]!r} is not a class number, 0 or more"
            )
        labels.append(int(line))
    return np.array(labels, dtype=np.int64)
