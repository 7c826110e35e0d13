"""Picture files in `train/` and `test/`, in one subfolder per class, named after the class."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from stages.runtime.errors import InputError

MARKER = "train/*/"


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

    gray = all(read_mode(path) in ("1", "L") for path, _ in files)
    images = [read_picture(path, "L" if gray else "RGB") for path, _ in files]
    for (path, _), image in zip(files, images, strict=True):
        if image.shape != images[0].shape:
            found, first = (f"{shape[1]}x{shape[0]}" for shape in (image.shape, images[0].shape))
            raise InputError(
                f"{path}: {found} pixels, but {files[0][0]} has {first}; make all the same size"
            )
    return np.stack(images), np.array([label for _, label in files], dtype=np.int64)


def read_mode(path: Path) -> str:
    """Pillow's name for the pixel format of a picture."""
    try:
        with Image.open(path) as picture:
            return picture.mode
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(f"{path}: not a picture ({error}); replace or remove it") from None


def read_picture(path: Path, mode: str) -> NDArray[np.uint8]:
    """The pixels of a picture, uint8 (h, w, c)."""
    try:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert(mode))
    except (OSError, SyntaxError) as error:
        raise InputError(f"{path}: not a valid picture ({error}); replace or remove it") from None
    return pixels.reshape(*pixels.shape[:2], -1)
