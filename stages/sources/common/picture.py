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
from stages.sources.common.fit import list_border

LARGEST = 500 * MB  # bytes of a picture file
PIXELS = 89_478_485  # of a picture, as Pillow itself suggests for files of others
SECONDS = 60  # that it may take to read one
# By mode, a word for it and the possible values of white; the first that no pixel exceeds is taken.
WHITE = {"I;16": ("", (65535,)), "I": ("32 bits ", (255, 65535)), "F": ("floats ", (1, 255, 65535))}
BITS, PHOTOMETRIC = 258, 262  # tags of TIFF; the second is 0 if white is 0
GRAY = {"1", "L", "LA", "La"}
NEAR = 40  # of 255: colors up to this far apart are hard to tell apart
PLAIN = 0.75  # a border is plain, or transparent, if this share of it is


@dataclass(frozen=True)
class Picture:
    """The pixels of a picture, in mode L or RGB, and what was done to the file's own.

    `opacity`, in mode L, is where something is, if the picture is cut out: its border transparent.
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
        tags = getattr(opened, "tag_v2", {})
        bits = tags.get(BITS, (16,))[0]
        from_ppm = opened.format == "PPM"
        scale_transparent_gray(opened)
        upright = turn(opened, done)
        kind = "I;16" if upright.mode.startswith("I;16") else upright.mode
        if kind not in WHITE:
            return flatten(upright, done)
        if "transparency" in upright.info:
            raise ValueError("a transparent color in 16 bits")
        word, whites = WHITE[kind]
        if kind == "I;16" and bits < 16:
            whites = (2**bits - 1,)
        elif kind == "I" and from_ppm:  # Pillow scales it so
            word, whites = "", (65535,)
        gray = scale(upright, word, whites, done)
        return Picture(ImageOps.invert(gray) if tags.get(PHOTOMETRIC) == 0 else gray, None, done)


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
    if getattr(opened, "n_frames", 1) > 1:
        done.append("first of several frames")
    if opened.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9):
        done.append("rotated as its EXIF data say")
    return ImageOps.exif_transpose(opened)


def scale_transparent_gray(opened: Image.Image) -> None:
    """Scales the transparent color of a PNG of 2 or 4 bits to 8 bits, as Pillow does its pixels."""
    tiles = getattr(opened, "tile", [])
    mode = tiles[0].args if opened.format == "PNG" and tiles else ""
    if mode in ("L;2", "L;4") and "transparency" in opened.info:
        opened.info["transparency"] *= 255 // (2 ** int(str(mode)[-1]) - 1)


def scale(picture: Image.Image, word: str, whites: tuple[int, ...], done: list[str]) -> Image.Image:
    """A picture of more than 8 bits in 8 bits of gray; white is the first value large enough."""
    pixels = np.asarray(picture).astype(np.float64)
    white = next((white for white in whites if pixels.max() <= white), None)
    if white is None or not pixels.min() >= 0:
        raise ValueError(
            f"pixels from {pixels.min():g} to {pixels.max():g}; usable: 0 to "
            f"{' or '.join(map(str, whites))}"
        )
    if pixels.max() > 0:
        done.append(f"{word}scaled from 0 to {white}")
    return Image.fromarray(np.round(pixels * (255 / white)).astype(np.uint8))


def flatten(picture: Image.Image, done: list[str]) -> Picture:
    """A picture in 8 bits of gray or RGB, its transparency filled with white.

    What is cut out, with a transparent border, gets a black background if far more of it then
    differs from the background, so that a white object does not vanish.
    """
    base = "L" if picture.mode in GRAY else "RGB"
    if not picture.has_transparency_data:
        return Picture(picture if picture.mode == base else picture.convert(base), None, done)
    picture = picture.convert("LA" if base == "L" else "RGBA")
    opacity, opaque = picture.getchannel("A"), picture.convert(base)
    if opacity.getextrema() == (255, 255):
        return Picture(opaque, None, done)
    cut_out = bool((list_border(opacity) <= NEAR).mean() >= PLAIN)
    color = "black" if cut_out and is_rather_white(opaque, opacity) else "white"
    done.append(f"transparency filled with {color}")
    sheet = Image.new(base, picture.size, color)
    image = Image.composite(opaque, sheet, opacity)
    return Picture(image, opacity if cut_out else None, done)


def is_rather_white(image: Image.Image, opacity: Image.Image) -> bool:
    """Whether far more of what is opaque can be told from black than from white."""
    opaque = np.asarray(opacity) > NEAR
    pixels: NDArray[np.uint8] = np.asarray(image).reshape(*opaque.shape, -1)
    from_black, from_white = pixels.max(axis=2)[opaque], 255 - pixels.min(axis=2)[opaque]
    return bool((from_black > NEAR).sum() > 2 * (from_white > NEAR).sum())
