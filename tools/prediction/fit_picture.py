"""Reads any picture file as the pixels that a model takes, and lists what was done to it."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageOps

from tools.prediction.open_picture import open_picture

NEAR = 40  # of 255: up to this distance from the background color, a pixel is background
PLAIN = 0.75  # the background is plain if this share of the border belongs to it


def read_picture(
    path: Path, image_shape: tuple[int, int, int], invert: bool | None
) -> tuple[NDArray[np.uint8], list[str]]:
    """The pixels of a picture, uint8 of `image_shape` (h, w, 1 or 3), and what was done to it.

    A picture of exactly the model's size and kind, 8 bits of gray or of RGB, is used as is. Any
    other is rotated as its EXIF data say, its transparency is filled with white, and it is
    converted to gray or RGB and resized in proportion. On a plain background it is cropped to its
    object, whose longer side then fills the image, and padded with the background color, as in
    Fashion-MNIST. Otherwise, as with most photos, it is cropped to its center: no training image
    has bars at its sides.

    Models of gray images are assumed to expect light objects on black, as in Fashion-MNIST. For
    them, a picture with a light border is inverted, unless it is used as is, and a plain background
    becomes black if the picture is resized. `invert`, True or False, overrides the first.

    Raises:
        InputError: it is not a file, or not a complete picture with usable pixels.
    """
    picture, done = open_picture(path)
    height, width, channels = image_shape
    mode = "L" if channels == 1 else "RGB"
    background: tuple[int, ...] = ()
    plain = light = False
    if picture.mode != mode or picture.size != (width, height):
        if picture.mode != mode:
            done.append("converted to gray" if channels == 1 else "converted to RGB")
            picture = picture.convert(mode)
        background, plain = look_at_border(picture)
        light = channels == 1 and background[0] > 127
        if picture.size != (width, height):
            picture = resize(picture, (width, height), background if plain else None, done)
        else:
            plain = False  # perhaps a test image in another mode: keep its background
    if invert or (invert is None and light):
        done.append("inverted: as requested" if invert else "inverted: light border")
        picture = ImageOps.invert(picture)
        background = tuple(255 - value for value in background)
    if channels == 1 and plain and 0 < background[0] <= 127:
        done.append("background set to black")
        above = np.arange(256) - background[0]
        picture = picture.point((above * 255 / above[-1]).clip(0).round().astype(int).tolist())
    return np.asarray(picture).reshape(image_shape), done or ["used as is"]


def look_at_border(picture: Image.Image) -> tuple[tuple[int, ...], bool]:
    """The color of the background, the median of the outermost pixels, and whether it is plain."""
    pixels: NDArray[Any] = np.asarray(picture)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).astype(np.int16)
    background = np.median(border, axis=0).astype(np.int16)
    near = np.abs(border - background).max(axis=1) <= NEAR
    return tuple(background.tolist()), bool(near.mean() >= PLAIN)


def resize(
    picture: Image.Image,
    size: tuple[int, int],
    background: tuple[int, ...] | None,
    done: list[str],
) -> Image.Image:
    """A picture resized to `size` (w, h): its object on its plain background, or its center."""
    was = f"resized from {picture.width}x{picture.height}"
    if background is None:
        done.append(f"{was}: cropped to its center")
        return ImageOps.fit(picture, size)
    done.append(f"{was}: cropped to its object and padded with its background color")
    sheet = Image.new(picture.mode, picture.size, background)
    object_only = [0] * (NEAR + 1) + [255] * (255 - NEAR)
    difference = ImageChops.difference(picture, sheet).point(object_only * len(background))
    return ImageOps.pad(picture.crop(difference.getbbox()), size, color=background)
