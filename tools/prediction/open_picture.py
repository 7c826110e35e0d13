"""Opens any picture file as 8 bits of gray or RGB, and lists what was done to it."""

from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

from stages.runtime.errors import InputError
from stages.runtime.inputs import require_file
from stages.sources.pictures import LARGEST, open_image

# By mode, the possible values of white; the first that no pixel exceeds is taken.
WHITE = {"I;16": (65535,), "I": (255, 65535), "F": (1, 255, 65535)}
REMEDY = "re-save it, e.g. as PNG, or leave it out"
PIXELS = 89_478_485  # of a picture, as Pillow itself suggests for files of others


def open_picture(path: Path) -> tuple[Image.Image, list[str]]:
    """A picture in 8 bits of gray or RGB, upright and without transparency, and what was done.

    Raises:
        InputError: it is not a file, or not a complete picture with usable pixels.
    """
    require_file(path, LARGEST, "name a picture or a folder of pictures")
    done: list[str] = []
    with open_image(path, REMEDY) as opened:
        if opened.width * opened.height > PIXELS:
            raise InputError(
                f"{path}: too large: {opened.width}x{opened.height} pixels; at most {PIXELS:,} are "
                "read; save it smaller"
            )
        return flatten(upright(opened, done), done), done


def upright(opened: Image.Image, done: list[str]) -> Image.Image:
    """The first frame of a picture, rotated as its EXIF data say."""
    frames = getattr(opened, "n_frames", 1)
    if frames > 1:
        done.append(f"first of {frames} frames")
    if opened.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9):
        done.append("rotated as its EXIF data say")
    return ImageOps.exif_transpose(opened)


def flatten(picture: Image.Image, done: list[str]) -> Image.Image:
    """A picture in 8 bits of gray or RGB, its transparency filled with white."""
    kind = "I;16" if picture.mode.startswith("I;16") else picture.mode
    if kind in WHITE:
        pixels = np.asarray(picture).astype(np.float64)
        white = next((white for white in WHITE[kind] if pixels.max() <= white), None)
        if white is None or not pixels.min() >= 0:
            raise ValueError(
                f"pixels from {pixels.min():g} to {pixels.max():g}; usable: 0 to "
                f"{' or '.join(map(str, WHITE[kind]))}"
            )
        done.append(f"scaled from 0 to {white}")
        return Image.fromarray(np.round(pixels * (255 / white)).astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        if picture.getchannel("A").getextrema() != (255, 255):
            done.append("transparency filled with white")
        white_sheet = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white_sheet, picture).convert("RGB")
    return picture if picture.mode in ("L", "RGB") else picture.convert("RGB")
