"""Writes picture files for tests."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

GRAY, COLOR = (28, 28, 1), (32, 32, 3)


def as_light_on_black() -> Pixels:
    """All gray values from 1 to 255, surrounded by black; (28, 28)."""
    image = np.zeros((28, 28), dtype=np.uint8)
    image[4:24, 4:24] = np.linspace(1, 255, 400).round().reshape(20, 20)
    return image


LIGHT = as_light_on_black()
OBJECT = LIGHT > 0


def save(pixels: NDArray[Any], name: str = "a.png", **how: Any) -> Callable[[Path], Path]:
    """A function that writes `pixels`, of a dtype that Pillow has a mode for, into a folder."""

    def write(folder: Path) -> Path:
        Image.fromarray(pixels).save(folder / name, **how)
        return folder / name

    return write


def text(name: str, content: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_text(content)
        return folder / name

    return write
