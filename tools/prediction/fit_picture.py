"""Reading any picture file as the pixels that a model takes, and saying what was done to it."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageOps

from tools.prediction.open_picture import open_picture

NEAR = 40  # a pixel this unlike the background, of 255, or less, belongs to it: shadow or noise
PLAIN = 0.75  # the background is plain if this share of the border belongs to it


def read_picture(
    path: Path, image_shape: tuple[int, int, int], invert: bool | None
) -> tuple[NDArray[np.uint8], list[str]]:
    """The pixels of a picture, uint8 of `image_shape` (h, w, 1 or 3), and what was done to it.

    A picture of just the model's size and kind, 8 bits of gray or of RGB, is used as it is. Any
    other is turned upright as its EXIF data say, put on white where it is transparent, made gray
    or RGB, and resized with its proportions kept. On a plain background it is cut to its object,
    which then fills the image in its longer side, amid the background, as in Fashion-MNIST. Else,
    as with most photos, it is cropped to its center: bars beside it would be like nothing in the
    training images.

    Models of gray images are taken to know light objects on black, as those of Fashion-MNIST:
    for them a picture with a light border is inverted, unless it is used as it is, and what is
    resized on a plain background gets a black one. `invert`, True or False, decides otherwise
    about inverting.

    Raises:
        InputError: it is not a file, or not a whole picture with usable pixels.
        OSError: it cannot be reached or read.
    """
    picture, done = open_picture(path)
    height, width, channels = image_shape
    mode = "L" if channels == 1 else "RGB"
    background: tuple[int, ...] = ()
    plain = light = False
    if picture.mode != mode or picture.size != (width, height):
        if picture.mode != mode:
            done.append("made gray" if channels == 1 else "made RGB")
            picture = picture.convert(mode)
        background, plain = look_at_border(picture)
        light = channels == 1 and background[0] > 127
        if picture.size != (width, height):
            picture = resize(picture, (width, height), background if plain else None, done)
        else:
            plain = False  # perhaps a test image in another kind: nothing is to be guessed away
    if invert or (invert is None and light):
        done.append("inverted: as told" if invert else "inverted: light border")
        picture = ImageOps.invert(picture)
        background = tuple(255 - value for value in background)
    if channels == 1 and plain and 0 < background[0] <= 127:
        done.append("background made black")
        above = np.arange(256) - background[0]
        picture = picture.point((above * 255 / above[-1]).clip(0).round().astype(int).tolist())
    return np.asarray(picture).reshape(image_shape), done or ["used as it is"]


def look_at_border(picture: Image.Image) -> tuple[tuple[int, ...], bool]:
    """The color of the background, the median of the outermost pixels, and if it is plain."""
    pixels: NDArray[Any] = np.asarray(picture)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).astype(np.int16)
    background = np.median(border, axis=0).astype(np.int16)
    alike = np.abs(border - background).max(axis=1) <= NEAR
    return tuple(background.tolist()), bool(alike.mean() >= PLAIN)


def resize(
    picture: Image.Image,
    size: tuple[int, int],
    background: tuple[int, ...] | None,
    done: list[str],
) -> Image.Image:
    """A picture in `size` (w, h): its object on its plain background, or else its center."""
    was = f"resized from {picture.width}x{picture.height}"
    if background is None:
        done.append(f"{was}: cropped to its center")
        return ImageOps.fit(picture, size)
    done.append(f"{was}: cut to its object, padded with its background")
    sheet = Image.new(picture.mode, picture.size, background)
    unlike = [0] * (NEAR + 1) + [255] * (255 - NEAR)
    difference = ImageChops.difference(picture, sheet).point(unlike * len(background))
    return ImageOps.pad(picture.crop(difference.getbbox()), size, color=background)
