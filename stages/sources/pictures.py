"""Picture files in `train/` and `test/`, in one subfolder per class, named after the class."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.runtime.errors import InputError
from stages.runtime.inputs import (
    LARGEST_SPLIT,
    MB,
    limit_time,
    reading,
    require_at_most,
    require_file,
)

MARKER = "train/*/"
LARGEST = 500 * MB  # bytes of a picture file
SECONDS = 60  # that it may take to read one
REMEDY = "replace or remove it"


@cache
def list_formats() -> list[str]:
    """The formats that Pillow reads itself; for EPS it runs Ghostscript, and so what is in it."""
    Image.init()
    return sorted(Image.OPEN.keys() - {"EPS"})


def read(
    folder: Path, split: str, classes: list[str]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images, uint8 (n, h, w, c), and labels, int64 (n,), of a split: `train` or `test`.

    All must have the same size. They are read as gray if all are gray, otherwise as color.

    Raises:
        InputError: a folder is not named after a class, or a file is no picture or differs in size.
    """
    files: list[tuple[Path, int]] = []
    for subfolder in sorted(path for path in (folder / split).glob("*") if path.is_dir()):
        if subfolder.name not in classes:
            raise InputError(f"{subfolder}: no such class; params.yaml names {', '.join(classes)}")
        label = classes.index(subfolder.name)
        pictures = sorted(path for path in subfolder.iterdir() if not path.name.startswith("."))
        files += [(path, label) for path in pictures]
    if not files:
        raise InputError(f"{folder / split}: no pictures; expected one folder of them per class")

    kinds = [read_kind(path) for path, _ in files]
    first = kinds[0]
    for (path, _), kind in zip(files, kinds, strict=True):
        if kind.size != first.size:
            found, expected = (f"{size[0]}x{size[1]}" for size in (kind.size, first.size))
            raise InputError(
                f"{path}: {found} pixels, but {files[0][0]} has {expected}; make all the same size"
            )
    mode = "L" if all(kind.mode in ("1", "L") for kind in kinds) else "RGB"
    width, height = first.size
    shape = (len(files), height, width, len(mode))
    require_at_most(LARGEST_SPLIT, math.prod(shape), folder / split, REMEDY)
    images = np.empty(shape, dtype=np.uint8)
    for index, (path, _) in enumerate(files):
        images[index] = read_picture(path, mode).reshape(shape[1:])
    return images, np.array([label for _, label in files], dtype=np.int64)


class Kind(NamedTuple):
    """Pillow's name for the pixel format of a picture, and its size: width, height."""

    mode: str
    size: tuple[int, int]


@contextmanager
def open_image(path: Path, remedy: str) -> Iterator[Image.Image]:
    """A picture file, for a block that reads it; what is wrong with it becomes one InputError."""
    with (
        reading(path, "picture", remedy),
        limit_time(SECONDS),
        warnings.catch_warnings(action="ignore"),  # an unusable picture raises an error
        Image.open(path, formats=list_formats()) as picture,
    ):
        yield picture


def read_kind(path: Path) -> Kind:
    """The pixel format and size that a picture's header gives; its pixels are not read."""
    require_file(path, LARGEST, REMEDY)
    with open_image(path, REMEDY) as picture:
        return Kind(picture.mode, picture.size)


def read_picture(path: Path, mode: str) -> NDArray[np.uint8]:
    """The pixels of a picture, uint8 (h, w) or (h, w, 3)."""
    with open_image(path, REMEDY) as picture:
        return np.asarray(picture.convert(mode))
