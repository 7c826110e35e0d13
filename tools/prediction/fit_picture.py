"""Reads any picture file as the pixels that a model takes, and lists what was done to it."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageOps

from stages.runtime.errors import InputError
from stages.runtime.inputs import require_file
from stages.sources.common.fit import FITS, WORDS, find_border_color, list_border
from stages.sources.common.picture import LARGEST, NEAR, PLAIN, open_picture

NOISE = 12  # of 255: an image in which no channel differs more has nothing in it
REMEDY = "re-save it, e.g. as PNG, or leave it out"


def read_picture(
    path: Path,
    image_shape: tuple[int, int, int],
    invert: bool | None = None,
    fit: str | None = None,
) -> tuple[NDArray[np.uint8], list[str]]:
    """The pixels of a picture, uint8 of `image_shape` (h, w, 1 or 3), and what was done to it.

    A picture is opened as in training (`open_picture`) and converted to gray or RGB. One of the
    model's size is then used as is. Any other is resized as the training pictures were, `fit`. If
    these all had the model's size, it is resized in proportion: on a plain background it is cropped
    to its object, whose longer side then fills the image, and padded with the background color, as
    in Fashion-MNIST. Otherwise, as with most photos, it is cropped to its center: no training image
    has bars at its sides.

    Models of gray images are assumed to expect light objects on black, as in Fashion-MNIST, unless
    they have a `fit`. For them, a resized picture with a light border is inverted, and a plain
    background becomes black. `invert`, True or False, overrides the first.

    Raises:
        InputError: it is not a complete picture with usable pixels, or nothing is in it.
    """
    require_file(path, LARGEST, "name a picture or a folder of pictures")
    picture = open_picture(path, REMEDY)
    image, done = picture.image, picture.done
    height, width, channels = image_shape
    mode = "L" if channels == 1 else "RGB"
    if image.mode != mode:
        done.append("converted to gray" if channels == 1 else "converted to RGB")
        image = image.convert(mode)
    own_size = image.size == (width, height)
    background, plain = look_at_border(image)
    light = channels == 1 and not fit and background[0] > 127
    if not own_size:
        was = f"resized from {image.width}x{image.height}"
        if fit:
            done.append(f"{was}: {WORDS[fit]}, as in training")
            image = FITS[fit](image, (width, height))
        elif plain:
            done.append(f"{was}: cropped to its object and padded with its background color")
            box = find_object(image, picture.opacity, background)
            if box is None:
                raise InputError(say_nothing_there(path))
            image = ImageOps.pad(image.crop(box), (width, height), color=background)
        else:
            done.append(f"{was}: {WORDS['crop']}")
            image = FITS["crop"](image, (width, height))
    if width * height > 1 and is_empty(image):
        raise InputError(say_nothing_there(path))
    if invert or (invert is None and light and not own_size):
        done.append("inverted: as requested" if invert else "inverted: light border")
        image = ImageOps.invert(image)
        background = tuple(255 - value for value in background)
    if channels == 1 and plain and not own_size and not fit and 0 < background[0] <= 127:
        done.append("background set to black")
        above = np.arange(256) - background[0]
        image = image.point((above * 255 / above[-1]).clip(0).round().astype(int).tolist())
    done = done or ["used as is"]
    if light and own_size and invert is None:
        done.append("its border is light: if its object is dark, INVERT=yes inverts it")
    return np.asarray(image).reshape(image_shape), done


def look_at_border(image: Image.Image) -> tuple[tuple[int, ...], bool]:
    """The color of the background, that of the border, and whether it is plain."""
    background = find_border_color(image)
    near = np.abs(list_border(image) - background).max(axis=1) <= NEAR
    return background, bool(near.mean() >= PLAIN)


def find_object(
    image: Image.Image, opacity: Image.Image | None, background: tuple[int, ...]
) -> tuple[int, int, int, int] | None:
    """The box around what is opaque, or is not near the color of the background; None: nothing."""
    difference = opacity or ImageChops.difference(
        image, Image.new(image.mode, image.size, background)
    )
    object_only = [0] * (NEAR + 1) + [255] * (255 - NEAR)
    return difference.point(object_only * len(difference.getbands())).getbbox()


def is_empty(image: Image.Image) -> bool:
    """Whether all pixels have the same color, but for noise."""
    return all(high - low <= NOISE for low, high in np.reshape(image.getextrema(), (-1, 2)))


def say_nothing_there(path: Path) -> str:
    """The message for a picture without an object."""
    return f"{path}: nothing in it: all its pixels have nearly the same color; leave it out"
