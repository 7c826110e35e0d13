"""Contact sheets: square images in one PNG, 100 per row, with a text file of labels."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from stages.runtime.errors import InputError

IMAGES_PER_ROW = 100
MARKER = "train_images.png"


def read(
    folder: Path, split: str, classes: list[str]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images, uint8 (n, h, w, c), and labels, int64 (n,), of a split: `train` or `test`.

    Raises:
        InputError: a file is missing, truncated or in another format, or the sizes do not fit.
    """
    labels = _read_labels(folder / f"{split}_labels.txt")
    path = folder / f"{split}_images.png"
    try:
        Image.MAX_IMAGE_PIXELS = None  # Pillow's guard against untrusted files; these are trusted
        with Image.open(path, formats=["PNG"]) as picture:
            if picture.mode not in ("L", "RGB"):
                raise InputError(
                    f"{path}: pixels of mode {picture.mode}; re-save it as 8-bit gray or RGB"
                )
            sheet = np.asarray(picture)
    except FileNotFoundError:
        raise InputError(f"{path}: missing next to its labels; restore it") from None
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise InputError(f"{path}: not a valid PNG file ({error}); restore it") from None

    sheet = sheet.reshape(*sheet.shape[:2], -1)  # a gray sheet has no channel axis
    height, width, channels = sheet.shape
    side = width // IMAGES_PER_ROW
    rows = -(-len(labels) // IMAGES_PER_ROW)
    if (height, width) != (rows * side, IMAGES_PER_ROW * side) or not side:
        raise InputError(
            f"{path}: {width}x{height} pixels do not fit {len(labels)} labels in "
            f"{path.with_name(f'{split}_labels.txt').name}: expected {IMAGES_PER_ROW} "
            f"images per row, {rows} rows"
        )
    tiles = sheet.reshape(rows, side, IMAGES_PER_ROW, side, channels).swapaxes(1, 2)
    images = tiles.reshape(-1, side, side, channels)
    if images[len(labels) :].any():
        raise InputError(f"{path}: more images than the {len(labels)} labels next to it")
    return images[: len(labels)], labels


def _read_labels(path: Path) -> NDArray[np.int64]:
    labels = []
    try:
        lines = path.read_text(encoding="ascii", errors="replace").rstrip().splitlines()
    except FileNotFoundError:
        raise InputError(f"{path}: missing next to its images; restore it") from None
    for line_number, line in enumerate(lines, start=1):
        if not (line.strip().isdecimal() and len(line) < 10):
            raise InputError(
                f"{path}: line {line_number}: {line!r} is not a class number, 0 or more"
            )
        labels.append(int(line))
    return np.array(labels, dtype=np.int64)
