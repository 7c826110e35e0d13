"""Writes data sets as people have them, and reads them as `load` does."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from conftest import ROOT
from numpy.typing import NDArray
from PIL import Image

from stages.load import Parts, choose, describe, divide, read_splits
from stages.schema.parameters import Dataset as Schema
from stages.schema.validation import validate
from stages.sources import sheet
from stages.sources.common.dataset import describe_dataset

NAMES = ["T-shirt", "Trouser", "Bag"]
SAMPLE = ROOT / "data/sample/fashion_mnist"


def choose_some(split: str, each: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The first images, (n, 28, 28), of three classes of Fashion-MNIST, labeled 0 to 2."""
    images, labels = sheet.read_files(sheet.find(SAMPLE)[split])
    some = [np.flatnonzero(labels == label)[:each] for label in (0, 1, 8)]
    return images[np.concatenate(some), ..., 0], np.repeat(np.arange(3), each)


SPLITS = {"train": choose_some("train", 12), "test": choose_some("test", 4)}
Row = tuple[int, list[str]]  # its label, and its pixels as texts
PIXELS = [f"pixel{number}" for number in range(1, 785)]
UNNAMED = [*map(str, range(784))]  # as pandas numbers columns without a name


def load(folder: Path, classes: Any = None, **others: Any) -> Parts:
    """The splits that `load` writes, after the check of the parameters."""
    return load_folds(folder, classes, **others)[0]


def load_folds(
    folder: Path, classes: Any = None, **others: Any
) -> tuple[Parts, NDArray[np.uint8] | None]:
    """The splits that `load` writes, and the fold of each training image, if there are folds."""
    parameters = {"path": str(folder), "validation_fraction": 0.25, "classes": classes or NAMES}
    validate(Schema, parameters | others, "data", "mine")
    dataset = describe_dataset("data.mine", parameters | others)
    parts = choose(read_splits(dataset), dataset, seed=100, near=0.3)
    folds = divide(parts["train"], dataset, seed=100, near=0.3)
    describe(parts, dataset, folds)
    return parts, folds


def require_all(parts: Parts) -> None:
    """The images and labels are those of `SPLITS`."""
    for split, (expected, expected_labels) in SPLITS.items():
        images, labels, _ = parts[split]
        order = np.lexsort([*images.reshape(len(images), -1).T])
        other = np.lexsort([*expected.reshape(len(expected), -1).T])
        np.testing.assert_array_equal(images[order, ..., 0], expected[other])
        np.testing.assert_array_equal(labels[order], expected_labels[other])
    assert [len(parts[split][2]) for split in ("train", "validation", "test")] == [27, 9, 12]


def rows_of(split: str) -> list[Row]:
    images, labels = SPLITS[split]
    flat = images.reshape(len(images), -1).astype(str).tolist()
    return [*zip(labels.tolist(), flat, strict=True)]


def write_tables(
    line: Callable[[Row], list[str]],
    header: list[str] | None = None,
    *,
    name: str = "{}.csv",
    delimiter: str = ",",
    end: str = "\n",
    encoding: str = "utf-8",
) -> Callable[[Path], None]:
    """A function that writes one table per split."""

    def write(folder: Path) -> None:
        for split in SPLITS:
            lines = ([header] if header else []) + [line(row) for row in rows_of(split)]
            text = "".join(delimiter.join(values) + end for values in lines).encode(encoding)
            path = folder / name.format(split)
            path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)

    return write


def both(*writers: Callable[[Path], None]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        for one in writers:
            one(folder)

    return write


def first(row: Row) -> list[str]:
    return [str(row[0]), *row[1]]


def pixels(row: Row) -> list[str]:
    return row[1]


def labels_in(name: str, **how: Any) -> Callable[[Path], None]:
    return write_tables(lambda row: [str(row[0])], name=name, **how)


def write_pictures(folder: Path, *, names: list[str] = NAMES, **folders: str) -> None:
    """Writes a picture for each image; `folders` are those of the splits."""
    for split, (images, labels) in SPLITS.items():
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            path = folder / folders.get(split, split) / names[label] / f"{split}{index:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
