"""Opens any picture file as 8 bits of gray or RGB, and lists what was done to it."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from stages.runtime.errors import InputError
from stages.runtime.inputs import MB, limit_time, reading, require_file

LARGEST = 500 * MB  # bytes of a picture file
PIXELS = 89_478_485  # of a picture, as Pillow itself suggests for files of others
SECONDS = 60  # that it may take to read one
# By mode, the possible values of white; the first that no pixel exceeds is taken.
WHITE = {"I;16": (65535,), "I": (255, 65535), "F": (1, 255, 65535)}
GRAY = {"1", "L", "LA", "La"}
NEAR = 40  # of 255: colors up to this far apart are hard to tell apart


@dataclass(frozen=True)
class Picture:
    """The pixels of a picture, in mode L or RGB, and what was done to the file's own.

    `opacity`, in mode L, is where something is, if parts of the picture are transparent.
    """

    image: Image.Image
    opacity: Image.Image | None
    done: list[str]


def open_picture(path: Path, remedy: str) -> Picture:
    """The first frame of a picture, upright and without transparency.

    Raises:
        InputError: it is not a file, or not a complete picture with usable pixels.
    """
    require_file(path, LARGEST, remedy)
    done: list[str] = []
    with open_image(path, remedy) as opened:
        if opened.width * opened.height > PIXELS:
            raise InputError(
                f"{path}: too large: {opened.width}x{opened.height} pixels; at most {PIXELS:,} are "
                "read; save it smaller"
            )
        upright = turn(opened, done)
        kind = "I;16" if upright.mode.startswith("I;16") else upright.mode
        if kind in WHITE:
            return Picture(scale(upright, WHITE[kind], done), None, done)
        return flatten(upright, done)


@cache
def list_formats() -> list[str]:
    """The formats that Pillow reads itself; for EPS it runs Ghostscript, and so what is in it."""
    Image.init()
    return sorted(Image.OPEN.keys() - {"EPS"})


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


def turn(opened: Image.Image, done: list[str]) -> Image.Image:
    """The first frame of a picture, rotated as its EXIF data say."""
    frames = getattr(opened, "n_frames", 1)
    if frames > 1:
        done.append(f"first of {frames} frames")
    if opened.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9):
        done.append("rotated as its EXIF data say")
    return ImageOps.exif_transpose(opened)


def scale(picture: Image.Image, whites: tuple[int, ...], done: list[str]) -> Image.Image:
    """A picture of more than 8 bits in 8 bits of gray; white is the first value large enough."""
    pixels = np.asarray(picture).astype(np.float64)
    white = next((white for white in whites if pixels.max() <= white), None)
    if white is None or not pixels.min() >= 0:
        raise ValueError(
            f"pixels from {pixels.min():g} to {pixels.max():g}; usable: 0 to "
            f"{' or '.join(map(str, whites))}"
        )
    done.append(f"scaled from 0 to {white}")
    return Image.fromarray(np.round(pixels * (255 / white)).astype(np.uint8))


def flatten(picture: Image.Image, done: list[str]) -> Picture:
    """A picture in 8 bits of gray or RGB, its transparency filled with white.

    With black, if what is on it is nearly white itself, so that it does not vanish.
    """
    base = "L" if picture.mode in GRAY else "RGB"
    if not picture.has_transparency_data:
        return Picture(picture if picture.mode == base else picture.convert(base), None, done)
    picture = picture.convert("LA" if base == "L" else "RGBA")
    opacity, opaque = picture.getchannel("A"), picture.convert(base)
    if opacity.getextrema() == (255, 255):
        return Picture(opaque, None, done)
    color = "black" if is_near_white(opaque, opacity) else "white"
    done.append(f"transparency filled with {color}")
    sheet = Image.new(base, picture.size, color)
    return Picture(Image.composite(opaque, sheet, opacity), opacity, done)


def is_near_white(image: Image.Image, opacity: Image.Image) -> bool:
    """Whether what is opaque is, on average, hard to tell from white."""
    weights = np.asarray(opacity).astype(np.float64)
    pixels: NDArray[np.uint8] = np.asarray(image).reshape(*weights.shape, -1)
    from_white = (255 - pixels).max(axis=2)
    return bool(weights.any() and np.average(from_white, weights=weights) < NEAR)
