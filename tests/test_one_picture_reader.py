"""The same file gives the same pixels in training and in prediction, in every format and mode."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from picture_files import LIGHT, OBJECT
from PIL import ExifTags, Image, ImageCms

from stages.load import read_splits
from stages.runtime.errors import InputError
from stages.sources.common.dataset import Dataset, describe_dataset
from stages.sources.common.formats import find_source
from stages.sources.common.picture import list_formats
from tools.prediction.fit_picture import read_picture

CLASSES = ["a", "b"]
RGB = Image.fromarray(np.dstack([LIGHT, LIGHT[::-1], LIGHT.T]))
# Formats that Pillow only recognizes, for a program of the user's own to read.
STUBS = {"BUFR", "GRIB", "HDF5", "WMF", "MPEG"}


def to_mode(mode: str) -> Image.Image:
    """LIGHT, or a picture in color where the mode has colors, in a mode of Pillow's."""
    gray = Image.fromarray(LIGHT)
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        transform = ImageCms.buildTransform(*profiles, "RGB", "LAB")
        changed = ImageCms.applyTransform(RGB, transform)
        assert changed is not None
        return changed
    if mode in ("LA", "PA"):
        gray.putalpha(Image.fromarray(np.where(OBJECT, 255, 90).astype(np.uint8)))
        return gray.convert(mode)
    if mode == "RGBA":
        color = RGB.copy()
        color.putalpha(Image.fromarray(255 - LIGHT // 2))
        return color
    if mode.startswith("I;16"):
        kind = ">u2" if mode.endswith("B") else "<u2"
        return Image.frombytes(mode, (28, 28), (LIGHT.astype(kind) * 257).tobytes())
    if mode == "I":
        return Image.fromarray(LIGHT.astype(np.int32) * 257)
    if mode in ("1", "L", "P", "F"):
        return gray.convert(mode)
    return RGB.convert(mode)


MODES = ["1", "L", "P", "LA", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"]
MODES += ["I", "I;16", "I;16B", "F"]


def write_sun() -> bytes:
    header = struct.pack(">8I", 0x59A66A95, 28, 28, 8, 784, 1, 0, 0)
    return header + LIGHT.tobytes()


def write_psd() -> bytes:
    header = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 28, 28, 8, 3)
    planes = np.moveaxis(np.asarray(RGB), 2, 0)
    return header + bytes(12) + bytes(2) + planes.tobytes()


def write_fits() -> bytes:
    cards = ["SIMPLE  =                    T", "BITPIX  =                    8"]
    cards += [f"NAXIS   = {2:20}", f"NAXIS1  = {28:20}", f"NAXIS2  = {28:20}", "END"]
    return "".join(card.ljust(80) for card in cards).ljust(2880).encode() + LIGHT.tobytes()


def write_gbr() -> bytes:
    return struct.pack(">5I4sI", 29, 2, 28, 28, 1, b"GIMP", 10) + b"\0" + LIGHT.tobytes()


def write_xpm() -> bytes:
    colors = "".join(f'"{n:02x} c #{n:02x}{n:02x}{n:02x}",\n' for n in range(256))
    rows = ",\n".join('"' + "".join(f"{value:02x}" for value in row) + '"' for row in LIGHT)
    return f'/* XPM */\nstatic char *a[] = {{\n"28 28 256 2",\n{colors}{rows}\n}};\n'.encode()


def write_thumbnail() -> bytes:
    return b"P7 332\n#END_OF_COMMENTS\n28 28 255\n" + LIGHT.tobytes()


def write_dcx(folder: Path) -> bytes:
    RGB.save(folder / "page.pcx")
    page = (folder / "page.pcx").read_bytes()
    (folder / "page.pcx").unlink()
    return struct.pack("<3I", 0x3ADE68B1, 12, 0) + page


WRITTEN = {
    "SUN": write_sun,
    "PSD": write_psd,
    "FITS": write_fits,
    "GBR": write_gbr,
    "XPM": write_xpm,
    "XVTHUMB": write_thumbnail,
}


def write_all(folder: Path) -> dict[Path, str]:
    """Writes a picture in every format and mode that Pillow reads, and can be written here."""
    formats: dict[Path, str] = {}
    for name in sorted(set(list_formats()) & set(Image.SAVE)):
        for mode in MODES:
            path = folder / f"{mode.replace(';', '_')}.{name.lower()}"
            try:
                to_mode(mode).save(path, name)
                with Image.open(path, formats=[name]) as picture:
                    picture.load()
            except (OSError, ValueError):  # this format has no such mode
                path.unlink(missing_ok=True)
            else:
                formats[path] = name
    for name, write in WRITTEN.items():
        (folder / name).write_bytes(write())
        formats[folder / name] = name
    (folder / "DCX").write_bytes(write_dcx(folder))
    return formats | {folder / "DCX": "DCX"}


def describe(folder: Path, **others: Any) -> Dataset:
    parameters = {"path": folder, "validation_fraction": 0, "classes": CLASSES, **others}
    return describe_dataset("data.mine", parameters)


def train_on(folder: Path, path: Path, **others: Any) -> tuple[NDArray[np.uint8], Dataset]:
    """The pixels of one picture as `load` reads them, uint8 (h, w, c)."""
    for split in ("train", "test"):
        (folder / split / "a").mkdir(parents=True)
        (folder / split / "a" / path.name).hardlink_to(path)
    dataset = describe(folder, **others)
    return read_splits(dataset)["train"][0][0], dataset


@pytest.mark.slow  # many inputs
@pytest.mark.filterwarnings("ignore::DeprecationWarning:PIL")
@pytest.mark.filterwarnings("ignore:IM image format")
def test_every_format_and_mode(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    formats = write_all(tmp_path / "files")
    # The others of Pillow's formats it cannot write, nor can a few lines here.
    others = {"CUR", "FLI", "FTEX", "IMT", "IPTC", "MCIDAS", "PCD", "PIXAR", "BLP"}
    assert set(formats.values()) >= set(list_formats()) - STUBS - others
    assert len(formats) > 90
    for index, path in enumerate(formats):
        trained, dataset = train_on(tmp_path / str(index), path)
        predicted, said = read_picture(path, trained.shape, None)  # type: ignore[arg-type]
        np.testing.assert_array_equal(trained, predicted, err_msg=path.name)
        assert set(dataset.done) <= set(said), path.name
        with Image.open(path) as picture:  # what the format left of it
            picture.load()
            values = len(
                np.unique(np.asarray(picture.convert("RGB") if "P" in picture.mode else picture))
            )
        assert len(np.unique(trained)) >= min(30, values) > 1, path.name


@pytest.mark.parametrize(
    ("mode", "name"), [("I;16", "a.png"), ("I;16B", "a.tif"), ("F", "a.tif"), ("I", "a.tif")]
)
def test_pixels_of_more_than_8_bits(tmp_path: Path, mode: str, name: str) -> None:
    to_mode(mode).save(tmp_path / name)
    pixels, _ = train_on(tmp_path / "data", tmp_path / name)
    np.testing.assert_array_equal(pixels[..., 0], LIGHT)


def test_a_tiff_of_which_white_is_0(tmp_path: Path) -> None:
    pixels = (255 - LIGHT).astype(np.uint16) * 257
    Image.fromarray(pixels).save(tmp_path / "a.tif", tiffinfo={262: 0})
    read, _ = train_on(tmp_path / "data", tmp_path / "a.tif")
    np.testing.assert_array_equal(read[..., 0], LIGHT)


def test_transparency_and_exif(tmp_path: Path) -> None:
    alpha = np.dstack([np.zeros((28, 28, 3), np.uint8), LIGHT])
    Image.fromarray(alpha).save(tmp_path / "a.png")
    pixels, dataset = train_on(tmp_path / "one", tmp_path / "a.png")
    np.testing.assert_array_equal(pixels[..., 0], 255 - LIGHT)  # black on white
    assert dataset.done == {"transparency filled with white": 2}
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(np.rot90(LIGHT[:, :20])).save(tmp_path / "b.png", exif=exif)
    pixels, _ = train_on(tmp_path / "other", tmp_path / "b.png")
    np.testing.assert_array_equal(pixels[..., 0], LIGHT[:, :20])


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("size", [(50, 30), (28, 70), (28, 28)])
def test_a_picture_of_another_size(tmp_path: Path, fit: str, size: tuple[int, int]) -> None:
    """Also in prediction it is resized as those of the training images were."""
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    pixels, dataset = train_on(tmp_path / "data", tmp_path / "a.png", size=[28, 20], fit=fit)
    assert pixels.shape == (28, 20, 3)
    edges = pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]
    bars = [bool((edge == edge[0]).all()) for edge in edges]
    assert any(bars) is (fit == "pad")
    predicted, said = read_picture(tmp_path / "a.png", (28, 20, 3), None, fit)
    np.testing.assert_array_equal(pixels, predicted)
    how = {"crop": "cropped to its center", "pad": "padded with the color of its border"}[fit]
    assert dataset.done == {f"resized: {how}": 2}
    assert said == [f"resized from {size[1]}x{size[0]}: {how}, as in training"]


def test_pictures_of_other_sizes_without_a_size(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for index in range(2):
            path = tmp_path / split / CLASSES[index] / f"{index}.png"
            path.parent.mkdir(parents=True)
            Image.new("L", (28 + index, 28)).save(path)
    expected = (
        r"train/b/1.png: 29x28 pixels, but a/0.png has 28x28; make all the same size, or set "
        r"data.mine.size, such as \[28, 28\], and data.mine.fit, crop or pad"
    )
    with pytest.raises(InputError, match=expected):
        read_splits(describe(tmp_path))
    assert find_source(tmp_path)[1].keys() == {"train", "test"}
