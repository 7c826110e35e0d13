"""Any picture file becomes the pixels that a model takes, and the changes are listed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from picture_files import COLOR, GRAY, LIGHT, OBJECT, Pixels, save
from PIL import ExifTags, Image

from tools.prediction.fit_picture import read_picture

ON_WHITE = np.where(OBJECT, LIGHT, 255).astype(np.uint8)
RGBA = np.dstack([LIGHT, LIGHT, LIGHT, np.where(OBJECT, 255, 0).astype(np.uint8)])


def save_mode(mode: str, name: str = "a.png", **how: Any) -> Callable[[Path], Path]:
    """A function that writes LIGHT in one of Pillow's modes into a folder."""

    def write(folder: Path) -> Path:
        Image.fromarray(LIGHT).convert(mode).save(folder / name, **how)
        return folder / name

    return write


def save_palette(folder: Path) -> Path:
    """LIGHT with a palette whose first color, black, is transparent."""
    picture = Image.fromarray(LIGHT).convert("P")
    picture.putpalette([value for n in range(256) for value in (n, n, n)])
    picture.save(folder / "a.png", transparency=0)
    return folder / "a.png"


def save_turned(name: str, **how: Any) -> Callable[[Path], Path]:
    """A function that writes LIGHT on its side, as cameras do, with EXIF data to rotate it."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # to be turned a quarter clockwise
    return save(np.rot90(LIGHT).copy(), name, exif=exif, **how)


def save_frames(name: str) -> Callable[[Path], Path]:
    others = [Image.fromarray(255 - LIGHT), Image.fromarray(LIGHT // 2)]
    return save(LIGHT, name, save_all=True, append_images=others)


def save_link(folder: Path) -> Path:
    save(LIGHT, "target.png")(folder)
    (folder / "link.png").symlink_to("target.png")
    return folder / "link.png"


def filled(height: int, width: int, value: int) -> Pixels:
    return np.full((height, width), value, dtype=np.uint8)


def with_box(image: Pixels, top: int, left: int, height: int, width: int, value: Any) -> Pixels:
    image = image.copy()
    image[top : top + height, left : left + width] = value
    return image


def on_transparent(value: int) -> Pixels:
    """A box of one color, 84 wide and 60 high, on transparency of the same color; RGBA."""
    return with_box(
        np.dstack([filled(84, 112, value)] * 3 + [filled(84, 112, 0)]),
        9,
        9,
        60,
        84,
        [value] * 3 + [255],
    )


def blocks(*colors: tuple[int, int, int]) -> Pixels:
    """Blocks of 32x32 side by side."""
    return np.hstack([np.full((32, 32, 3), color, dtype=np.uint8) for color in colors])


PADDED = "resized from {}: cropped to its object and padded with its background color"
INVERTED = "inverted: light border"
LOOKS_INVERTED = "its border is light: if its object is dark, INVERT=yes inverts it"
BLACK = filled(28, 28, 0)
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)

# How a picture is written, what is said to be done, the pixels, and how far they may be off.
ODD: dict[str, tuple[Callable[[Path], Path], list[str], NDArray[Any], int]] = {
    "8 bits of gray": (save(LIGHT), ["used as is"], LIGHT, 0),
    "light border, the model's size": (
        save(255 - LIGHT),
        ["used as is", LOOKS_INVERTED],
        255 - LIGHT,
        0,
    ),
    "light border in color, the model's size": (
        save(np.dstack([255 - LIGHT] * 3)),
        ["converted to gray", LOOKS_INVERTED],
        255 - LIGHT,
        0,
    ),
    "gray as RGB": (save_mode("RGB"), ["converted to gray"], LIGHT, 0),
    "RGB on dark gray, the model's size": (
        save(np.dstack([np.maximum(LIGHT, 19)] * 3)),
        ["converted to gray"],
        np.maximum(LIGHT, 19),
        0,
    ),
    "16 bits": (
        save(LIGHT.astype(np.uint16) * 257),
        ["scaled from 0 to 65535"],
        LIGHT,
        0,
    ),
    "1 bit": (save(LIGHT > 127), ["used as is"], np.where(LIGHT > 127, 255, 0), 0),
    "palette with transparency": (
        save_palette,
        ["transparency filled with white", "converted to gray", LOOKS_INVERTED],
        ON_WHITE,
        0,
    ),
    "gray with opaque alpha": (save_mode("LA"), ["used as is"], LIGHT, 0),
    "RGBA": (
        save(RGBA),
        ["transparency filled with white", "converted to gray", LOOKS_INVERTED],
        ON_WHITE,
        0,
    ),
    "CMYK JPEG": (save_mode("CMYK", "a.jpg", quality=100), ["converted to gray"], LIGHT, 5),
    "turned JPEG": (
        save_turned("a.jpg", quality=100),
        ["rotated as its EXIF data say"],
        LIGHT,
        5,
    ),
    "turned PNG": (save_turned("a.png"), ["rotated as its EXIF data say"], LIGHT, 0),
    "animated GIF": (save_frames("a.gif"), ["first of several frames"], LIGHT, 0),
    "TIFF of 3 pages": (save_frames("a.tiff"), ["first of several frames"], LIGHT, 0),
    "WebP": (save_mode("RGB", "a.webp", lossless=True), ["converted to gray"], LIGHT, 0),
    "BMP": (save(LIGHT, "a.bmp"), ["used as is"], LIGHT, 0),
    "float TIFF to 1": (
        save(LIGHT.astype(np.float32) / 255, "a.tif"),
        ["floats scaled from 0 to 1"],
        LIGHT,
        0,
    ),
    "float TIFF to 255": (
        save(LIGHT.astype(np.float32), "a.tif"),
        ["floats scaled from 0 to 255"],
        LIGHT,
        0,
    ),
    "32 bits TIFF": (
        save(LIGHT.astype(np.int32) * 257, "a.tif"),
        ["32 bits scaled from 0 to 65535"],
        LIGHT,
        0,
    ),
    "uppercase suffix": (save(LIGHT, "A.PNG"), ["used as is"], LIGHT, 0),
    "no suffix": (save(LIGHT, "picture", format="PNG"), ["used as is"], LIGHT, 0),
    "wrong suffix": (save(LIGHT, "a.jpg", format="PNG"), ["used as is"], LIGHT, 0),
    "name with blanks": (save(LIGHT, "ein schöner Schuh, 靴.png"), ["used as is"], LIGHT, 0),
    "link": (save_link, ["used as is"], LIGHT, 0),
    "dark on transparent": (
        save(on_transparent(40)),
        ["transparency filled with white", "converted to gray", PADDED.format("112x84"), INVERTED],
        with_box(BLACK, 4, 0, 20, 28, 215),
        0,
    ),
    "white on transparent": (
        save(on_transparent(255)),
        ["transparency filled with black", "converted to gray", PADDED.format("112x84")],
        with_box(BLACK, 4, 0, 20, 28, 255),
        0,
    ),
    "nearly white on transparent, in color": (
        save(on_transparent(240)),
        ["transparency filled with black", PADDED.format("112x84")],
        with_box(np.zeros((32, 32, 3), dtype=np.uint8), 4, 0, 23, 32, 240),
        0,
    ),
    "dark bar on light gray": (
        save(with_box(filled(200, 300, 235), 30, 80, 100, 200, 0)),
        [PADDED.format("300x200"), INVERTED, "background set to black"],
        with_box(BLACK, 7, 0, 14, 28, 255),
        0,
    ),
    "light bar on dark gray": (
        save(with_box(filled(200, 300, 20), 0, 80, 200, 100, 255)),
        [PADDED.format("300x200"), "background set to black"],
        with_box(BLACK, 0, 7, 28, 14, 255),
        0,
    ),
    "photo": (
        save(with_box(blocks(RED, GREEN, BLUE), 4, 40, 8, 9, RED)),
        ["resized from 96x32: cropped to its center"],
        with_box(blocks(GREEN), 4, 8, 8, 9, RED),
        0,
    ),
    "upright photo": (
        save(with_box(blocks(RED, GREEN, BLUE).swapaxes(0, 1).copy(), 40, 4, 9, 8, RED)),
        ["resized from 32x96: cropped to its center"],
        with_box(blocks(GREEN), 8, 4, 9, 8, RED),
        0,
    ),
    "object on red": (
        save(with_box(np.full((81, 163, 3), RED, dtype=np.uint8), 40, 9, 32, 64, BLUE)),
        [PADDED.format("163x81")],
        with_box(blocks(RED), 8, 0, 16, 32, BLUE),
        0,
    ),
    "gray for a color model": (
        save(with_box(filled(32, 32, 255), 0, 0, 9, 9, 7)),
        ["converted to RGB"],
        with_box(blocks((255, 255, 255)), 0, 0, 9, 9, 7),
        0,
    ),
    "color for a color model": (
        save(with_box(blocks(BLUE), 0, 0, 9, 9, RED)),
        ["used as is"],
        with_box(blocks(BLUE), 0, 0, 9, 9, RED),
        0,
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_pictures(tmp_path: Path, name: str) -> None:
    write, done, expected, tolerance = ODD[name]
    shape = COLOR if expected.ndim == 3 else GRAY
    pixels, said = read_picture(write(tmp_path), shape, invert=None)
    assert said == done
    assert pixels.shape == shape
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.reshape(expected.shape).astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize(
    ("image", "invert", "done", "expected"),
    [
        (LIGHT, True, ["inverted: as requested"], 255 - LIGHT),
        (LIGHT, False, ["used as is"], LIGHT),
        (
            with_box(filled(84, 84, 250), 9, 9, 28, 56, 9),
            False,
            [PADDED.format("84x84")],
            with_box(filled(28, 28, 250), 7, 0, 14, 28, 9),
        ),
        (
            with_box(filled(84, 84, 250), 9, 9, 28, 56, 0),
            True,
            [PADDED.format("84x84"), "inverted: as requested", "background set to black"],
            with_box(BLACK, 7, 0, 14, 28, 255),
        ),
        (
            with_box(blocks(RED), 1, 1, 1, 1, 255),
            True,
            ["inverted: as requested"],
            with_box(blocks((0, 255, 255)), 1, 1, 1, 1, 0),
        ),
    ],
)
def test_inverting_as_told(
    tmp_path: Path, image: Pixels, invert: bool, done: list[str], expected: Pixels
) -> None:
    shape = COLOR if expected.ndim == 3 else GRAY
    pixels, said = read_picture(save(image)(tmp_path), shape, invert)
    assert said == done
    np.testing.assert_array_equal(pixels.reshape(expected.shape), expected)
