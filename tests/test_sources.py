"""Reads the data formats of users: CSV, folders of pictures, IDX."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from stages.load import check
from stages.runtime.errors import InputError
from stages.sources import csv
from stages.sources.common import idx_file
from stages.sources.common.dataset import describe_dataset
from stages.sources.common.formats import find_source

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (6, 4, 4, 1), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])
CLASSES = ["a", "b", "c"]


def read(
    folder: Path, split: str = "train", classes: Any = CLASSES, **others: Any
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images of a split, and the index of each one's class."""
    parameters = {"path": folder, "validation_fraction": 0, "classes": classes, **others}
    source, found = find_source(folder)
    images, labels = source.read(found[split], describe_dataset("data.mine", parameters))
    return images, labels


def write_csv(folder: Path, images: NDArray[Any], labels: NDArray[Any], form: str = "%d") -> None:
    flat = images.reshape(len(images), -1)
    for split in ("train", "test"):
        np.savetxt(folder / f"{split}_images.csv", flat, fmt=form, delimiter=",")
        np.savetxt(folder / f"{split}_labels.csv", labels, fmt=form)


@settings(max_examples=50, deadline=None)
@given(
    data=st.data(),
    count=st.integers(1, 12),
    side=st.integers(2, 6),
    channels=st.sampled_from([1, 3]),
    form=st.sampled_from(["%d", "%.1f", "%.18e"]),
)
def test_arrays_written_as_csv_are_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    data: Any,
    count: int,
    side: int,
    channels: int,
    form: str,
) -> None:
    folder = tmp_path_factory.mktemp("csv")
    images = data.draw(arrays(np.uint8, (count, side, side, channels)))
    assume(images.max() != 1)  # refused: pixels of 0 to 1
    labels = data.draw(arrays(np.uint8, count, elements=st.integers(0, 2)))
    write_csv(folder, images, labels, form)
    for split in ("train", "test"):
        read_images, read_labels = read(folder, split)
        assert read_images.dtype == np.uint8
        np.testing.assert_array_equal(read_images, images)
        np.testing.assert_array_equal(read_labels, labels)


def test_csv_of_floats_is_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv, "ROWS", 4)
    write_csv(tmp_path, IMAGES, LABELS, form="%.2f")
    np.testing.assert_array_equal(read(tmp_path)[0], IMAGES)


def replace_line(name: str, number: int, change: Callable[[str], str]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        lines = (folder / name).read_text().splitlines()
        lines[number - 1] = change(lines[number - 1])
        (folder / name).write_text("\n".join(lines) + "\n")

    return damage


def put(name: str, number: int, value: str) -> Callable[[Path], None]:
    return replace_line(name, number, lambda line: ",".join([value, *line.split(",")[1:]]))


def empty(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).write_text("\n")

    return damage


def drop_columns(folder: Path) -> None:
    lines = (folder / "train_images.csv").read_text().splitlines()
    lines = [line.rpartition(",")[0] for line in lines]
    (folder / "train_images.csv").write_text("\n".join(lines) + "\n")


IMAGES_CSV, LABELS_CSV = "train_images.csv", "train_labels.csv"
WRONG_CSV: dict[str, tuple[Callable[[Path], None], str]] = {
    "short row": (
        replace_line(IMAGES_CSV, 3, lambda line: line.rpartition(",")[0]),
        r"train_images.csv: line 3: 15 values, but the first row has 16",
    ),
    "not a number": (put(IMAGES_CSV, 2, "x"), r"train_images.csv: line 2, column 1: 'x'"),
    "half a header": (
        put(IMAGES_CSV, 1, "pixel1"),
        r"train_images.csv: line 1, column 1: 'pixel1'",
    ),
    "nothing": (put(IMAGES_CSV, 2, ""), r"train_images.csv: line 2, column 1: ''"),
    "NaN": (put(IMAGES_CSV, 4, "nan"), r"train_images.csv: line 4, column 1: 'nan'"),
    "infinite": (put(IMAGES_CSV, 4, "inf"), r"train_images.csv: line 4, column 1: 'inf'"),
    "above 255": (put(IMAGES_CSV, 5, "256"), r"train_images.csv: line 5, column 1: '256'"),
    "below 0": (put(IMAGES_CSV, 5, "-1"), r"train_images.csv: line 5, column 1: '-1'"),
    "fraction": (put(IMAGES_CSV, 5, "1.5"), r"train_images.csv: line 5, column 1: '1.5'"),
    "not square": (drop_columns, r"train_images.csv: line 1: 15 numbers are not a square image"),
    "fractional label": (
        put(LABELS_CSV, 2, "1.5"),
        r"train_labels.csv: line 2: '1.5' is not the label of a class \(0, 1, 2\)",
    ),
    "unknown class": (put(LABELS_CSV, 6, "3"), r"train_labels.csv: line 6: '3' is not the label"),
    "label no number": (
        put(LABELS_CSV, 1, "nan"),
        r"train_labels.csv: line 1: 'nan' is not the label",
    ),
    "empty": (
        empty(IMAGES_CSV),
        r"train_images.csv: empty",
    ),
    "empty labels": (
        empty(LABELS_CSV),
        r"train_labels.csv: empty",
    ),
    "no labels": (
        lambda folder: (folder / LABELS_CSV).unlink(),
        r"train_images.csv: line 1: 16 numbers are an image without a label",
    ),
    "no images": (
        lambda folder: (folder / IMAGES_CSV).unlink(),
        r"train_labels.csv: the file of images is missing beside it",
    ),
}


@pytest.mark.parametrize("name", WRONG_CSV)
def test_wrong_csv(tmp_path: Path, name: str) -> None:
    damage, expected = WRONG_CSV[name]
    write_csv(tmp_path, IMAGES, LABELS)
    damage(tmp_path)
    with pytest.raises(InputError, match=expected):
        read(tmp_path)


def test_another_count_of_labels(tmp_path: Path) -> None:
    write_csv(tmp_path, IMAGES, LABELS)
    (tmp_path / LABELS_CSV).write_text("0\n1\n2\n")
    with pytest.raises(InputError, match="here: 6 images but 3 labels"):
        check("here", read(tmp_path))


def write_pictures(folder: Path, mode: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    images = RANDOM.integers(0, 256, (6, *shape), dtype=np.uint8)
    for split in ("train", "test"):
        for index, image in enumerate(images):
            path = folder / split / CLASSES[index // 2] / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).convert(mode).save(path)
    (folder / "train" / "a" / ".hidden").write_text("not a picture")
    return images


@pytest.mark.parametrize(("mode", "shape"), [("L", (5, 7)), ("RGB", (5, 7, 3))])
def test_a_folder_of_pictures(tmp_path: Path, mode: str, shape: tuple[int, ...]) -> None:
    expected = write_pictures(tmp_path, mode, shape)
    images, labels = read(tmp_path)
    np.testing.assert_array_equal(images, expected.reshape(6, 5, 7, -1))
    assert labels.tolist() == [0, 0, 1, 1, 2, 2]


def test_one_color_picture_makes_all_color(tmp_path: Path) -> None:
    write_pictures(tmp_path, "L", (5, 7))
    Image.new("RGB", (7, 5), "red").save(tmp_path / "train" / "c" / "9.png")
    images, _ = read(tmp_path)
    assert images.shape == (7, 5, 7, 3)
    assert images[-1, 0, 0].tolist() == [255, 0, 0]


def test_wrong_pictures(tmp_path: Path) -> None:
    write_pictures(tmp_path, "L", (5, 7))
    Image.new("L", (8, 5)).save(tmp_path / "train" / "c" / "9.png")
    with pytest.raises(InputError, match=r"c/9.png: 8x5 pixels, but a/0.png has 7x5"):
        read(tmp_path)
    content = (tmp_path / "train" / "c" / "5.png").read_bytes()
    (tmp_path / "train" / "c" / "9.png").write_bytes(content[:-30])
    with pytest.raises(InputError, match=r"c/9.png: not a valid picture"):
        read(tmp_path)
    (tmp_path / "train" / "c" / "9.png").write_text("text")
    with pytest.raises(InputError, match=r"c/9.png: not a valid picture"):
        read(tmp_path)
    with pytest.raises(
        InputError,
        match=r"train/c: no such class; rename or remove it, or add it to data.mine.classes: a, b",
    ):
        read(tmp_path, classes=["a", "b"])


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("shape", [(6, 4, 5), (6, 4, 5, 3)])
def test_idx(tmp_path: Path, suffix: str, shape: tuple[int, ...]) -> None:
    images = RANDOM.integers(0, 256, shape, dtype=np.uint8)
    names = {f"train-images-idx{len(shape)}-ubyte": images, "train-labels-idx1-ubyte": LABELS}
    for name, array in names.items():
        idx_file.write_array(tmp_path / name, array.astype(np.uint8))
        if suffix:
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress((tmp_path / name).read_bytes()))
            (tmp_path / name).unlink()
    read_images, read_labels = read(tmp_path)
    np.testing.assert_array_equal(read_images, images.reshape(6, 4, 5, -1))
    np.testing.assert_array_equal(read_labels, LABELS)
    path = tmp_path / f"train-labels-idx1-ubyte{suffix}"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(InputError, match="train-labels-idx1-ubyte"):
        read(tmp_path)
