"""CSV: one row per image, its pixels 0 to 255; in another file, one label per line."""

from itertools import islice
from math import isqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.runtime.errors import InputError
from stages.runtime.inputs import LARGEST_SPLIT, MB, reading, require_at_most, require_file

MARKER = "train_images.csv"
LARGEST = 5 * LARGEST_SPLIT  # bytes of a file: a pixel is `255,` or shorter, or 25 bytes of a float
LONGEST = 40 * MB  # bytes of a line
LABELS = 100 * MB  # bytes of a file of labels
REMEDY = "correct it"
ROWS = 5000  # at a time if pixels are written as 7.0: float64 takes eight times the memory


def read(
    folder: Path, split: str, classes: list[str]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images, uint8 (n, h, w, c), and labels, int64 (n,), of a split: `train` or `test`.

    A row of s*s numbers is a gray image, one of s*s*3 a color image: red, green and blue of the
    first pixel, then of the next to its right.

    Raises:
        InputError: a file is missing or empty, or a line is wrong; names the line and value.
    """
    path = folder / f"{split}_images.csv"
    rows = read_pixels(path)
    count = rows.shape[1]
    for channels in (1, 3):
        side = isqrt(count // channels)
        if side * side * channels == count:
            images = rows.reshape(-1, side, side, channels)
            require_at_most(LARGEST_SPLIT, rows.size, path, REMEDY)
            return images, read_labels(folder / f"{split}_labels.csv", len(classes))
    raise InputError(
        f"{path}: line 1: {count} numbers are not a square image, in gray (such as 784) or color "
        "(such as 3072)"
    )


def read_pixels(path: Path) -> NDArray[np.uint8]:
    """The numbers of a file, uint8 (rows, columns)."""
    require_content(path, LARGEST)
    with reading(path, "CSV file", REMEDY):
        try:
            # Straight to uint8: several times as fast as through float64, in less memory than the
            # file.
            return np.loadtxt(path, dtype=np.uint8, delimiter=",", ndmin=2, comments=None)
        except ValueError:
            pass  # a pixel may be written as 7.0
        try:
            return read_whole_floats(path)
        except ValueError:
            raise InputError(f"{path}: {find_mistake(path)}") from None


def read_whole_floats(path: Path) -> NDArray[np.uint8]:
    """The numbers of a file that writes them as floats; a ValueError if one is not a pixel."""
    parts = []
    with path.open(encoding="utf-8") as lines:
        while block := [line for line in islice(lines, ROWS) if line.strip()]:
            numbers = np.loadtxt(block, delimiter=",", ndmin=2, comments=None)
            with np.errstate(invalid="ignore"):
                pixels = numbers.astype(np.uint8)
            if not (pixels == numbers).all():
                raise ValueError("a number is not one of 0, 1, ... 255")
            parts.append(pixels)
    return np.concatenate(parts)


def find_mistake(path: Path) -> str:
    """The first mistake in a file of pixels, in words."""
    columns = None
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line_number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            values = line.rstrip("\r\n").split(",")
            columns = columns or len(values)
            if len(values) != columns:
                return f"line {line_number}: {len(values)} numbers, but the first row has {columns}"
            for column, value in enumerate(values, start=1):
                if not is_whole(value, 256):
                    return (
                        f"line {line_number}, column {column}: {value.strip()[:40]!r} is not a "
                        "whole number from 0 to 255"
                    )
    return "cannot be read as rows of numbers"


def read_labels(path: Path, classes: int) -> NDArray[np.int64]:
    """The labels of a file, int64 (n,): whole numbers below `classes`, possibly written as 7.0."""
    require_content(path, LABELS)
    labels = []
    with reading(path, "CSV file", REMEDY):
        lines = path.read_text(encoding="utf-8").splitlines()
    for line_number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if not is_whole(line, classes):
            raise InputError(
                f"{path}: line {line_number}: {line.strip()[:40]!r} is not a class, a whole number "
                f"from 0 to {classes - 1}"
            )
        labels.append(int(float(line)))
    return np.array(labels, dtype=np.int64)


def is_whole(text: str, below: int) -> bool:
    """Whether `text` is a whole number, at least 0 and less than `below`."""
    try:
        value = float(text)
    except ValueError:
        return False
    return value.is_integer() and 0 <= value < below


def require_content(path: Path, largest: int) -> None:
    """Refuses a file that is missing, too large or empty, or has a line without end."""
    require_file(path, largest, "a data set of this format needs it")
    length, lines, empty = 0, 0, True
    with path.open("rb") as file:
        while block := file.read(MB):
            empty = empty and not block.strip()
            first, *others = block.split(b"\n")
            length += len(first)
            if length > LONGEST:
                raise InputError(
                    f"{path}: line {lines + 1} has more than {LONGEST / MB:,.0f} MB; {REMEDY}"
                )
            if others:
                lines, length = lines + len(others), len(others[-1])
    if empty:
        raise InputError(f"{path}: empty")
