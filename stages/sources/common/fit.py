"""Resizes a picture in proportion: cropped to its center, or padded."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

Size = tuple[int, int]  # width, height


def crop(image: Image.Image, size: Size) -> Image.Image:
    """A picture that fills `size`; what is too wide or too high is cut off on both sides."""
    return ImageOps.fit(image, size)


def pad(image: Image.Image, size: Size) -> Image.Image:
    """All of a picture, in the middle of `size`, with bars in the color of its border."""
    return ImageOps.pad(image, size, color=find_border_color(image))


FITS: dict[str, Callable[[Image.Image, Size], Image.Image]] = {
    "crop": crop,
    "pad": pad,
}  # the choices of `data.NAME.fit`
WORDS = {"crop": "cropped to its center", "pad": "padded with the color of its border"}


def find_border_color(image: Image.Image) -> tuple[int, ...]:
    """The median of the outermost pixels in each channel."""
    return tuple(np.median(list_border(image), axis=0).astype(np.uint8).tolist())


def list_border(image: Image.Image) -> NDArray[np.int16]:
    """The outermost pixels, (n, channels)."""
    pixels: NDArray[np.uint8] = np.asarray(image)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return border.astype(np.int16)
