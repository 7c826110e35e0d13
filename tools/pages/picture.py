"""Pictures inside a page: data URIs, so that it needs no other file."""

import base64
import io
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from stages.runtime.errors import InputError
from stages.runtime.files import REMEDY
from stages.runtime.inputs import reading

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LONGEST = 16383  # pixels of a side of a WebP picture
SIDE = 96  # pixels of the longer side of a shrunk image


class Picture(NamedTuple):
    """A picture in a page, and its size in pixels."""

    uri: Markup
    width: int
    height: int


class Figure(NamedTuple):
    """A picture with its title, what it shows in words, and a caption."""

    picture: Picture
    title: str
    alt: str
    caption: str


def embed_all(pictures: Mapping[str, bytes]) -> dict[str, Picture]:
    """The pictures, by the same names, as `embed` makes them, on all cores.

    Raises:
        InputError: one is not a PNG file.
    """
    return {name: one.result() for name, one in embed_each(pictures).items()}


def embed_valid(pictures: Mapping[str, bytes]) -> dict[str, Picture]:
    """As `embed_all`, without those that are not PNG files."""
    return {
        name: one.result()
        for name, one in embed_each(pictures).items()
        if not isinstance(one.exception(), InputError)
    }


def embed_each(pictures: Mapping[str, bytes]) -> dict[str, "Future[Picture]"]:
    """What `embed` gave for each picture, or raised, by its name."""
    with ThreadPoolExecutor() as pool:  # Pillow releases the lock of Python
        return {name: pool.submit(embed, name, content) for name, content in pictures.items()}


def embed(name: str, content: bytes) -> Picture:
    """The picture in the file `name` with the same pixels, in the smaller of PNG and WebP.

    Raises:
        InputError: it is not a PNG file.
    """
    with reading(name, "PNG file", REMEDY):
        if not content.startswith(SIGNATURE):  # Pillow's message names an address in memory
            raise ValueError("another format")
        image = Image.open(io.BytesIO(content), formats=["PNG"])
        image.load()
        kind = "png"
        if max(image.size) <= LONGEST:
            # Half the size of matplotlib's PNG at `method` 1, and at 4, which takes longer.
            buffer = io.BytesIO()
            image.save(buffer, "WEBP", lossless=True, quality=0, method=1, exact=True)
            if buffer.tell() < len(content):
                kind, content = "webp", buffer.getvalue()
    return to_picture(kind, content, image)


def embed_pixels(pixels: NDArray[np.uint8]) -> Picture:
    """An image, (height, width, 1 or 3): with the same pixels, or shrunk to `SIDE` if larger."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    is_large = max(image.size) > SIDE
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=not is_large, quality=80)
    return to_picture("webp", buffer.getvalue(), image)


def to_picture(kind: str, content: bytes, image: Image.Image) -> Picture:
    """The picture in a file of a kind, with this content."""
    encoded = base64.b64encode(content).decode()
    return Picture(Markup(f"data:image/{kind};base64,{encoded}"), *image.size)
