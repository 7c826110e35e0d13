"""CSV: one row per image, its pixels 0 to 255; its label in the same row, or in another file."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.runtime.errors import InputError
from stages.runtime.inputs import LARGEST_SPLIT, MB, reading, require_at_most
from stages.sources.common.columns import find_label_column, find_shape
from stages.sources.common.dataset import (
    Dataset,
    describe_unknown,
    require_one_meaning,
    to_label,
)
from stages.sources.common.splits import list_folder, split_of, words_of
from stages.sources.common.tables import (
    REMEDY,
    Table,
    is_number,
    open_table,
    open_text,
    read_rows,
)

EXPECTED = "train.csv"
SUFFIXES = (".csv", ".csv.gz")
LARGEST = 5 * LARGEST_SPLIT  # bytes of a file: a pixel is `255,` or shorter, or 25 bytes of a float
LABELS = 100 * MB  # bytes of a file of labels
ROWS = 5000  # at a time if pixels are written as 7.0: float64 takes eight times the memory
LABELS_ONLY = {"label", "labels", "target", "targets", "y"}  # words in the name of such a file
Files = dict[str, Path]  # `images` and perhaps `labels`


def find(folder: Path) -> dict[str, Files]:
    """The files of each split; a file whose name says no split is `train` if none does."""
    found: dict[str | None, dict[str, list[Path]]] = {}
    for path in list_folder(folder):
        if path.name.lower().endswith(SUFFIXES):
            content = "labels" if words_of(path.name) & LABELS_ONLY else "images"
            found.setdefault(split_of(path.name), {}).setdefault(content, []).append(path)
    others = found.pop(None, {})
    splits = {split: files for split, files in found.items() if split}
    if not splits and "images" in others:
        splits = {"train": others}
    for files in splits.values():
        for content, paths in files.items():
            if len(paths) > 1:
                names = " and ".join(path.name for path in paths)
                raise InputError(f"{folder}: {names}: which has the {content}? leave one there")
    return {
        split: {content: path for content, (path,) in files.items()}
        for split, files in splits.items()
    }


def read(files: Files, dataset: Dataset) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images, uint8 (n, h, w, c), and the index of each one's class, int64 (n,), of a split.

    A row of s*s numbers is a gray image, one of s*s*3 a color image: red, green and blue of the
    first pixel, then of the next to its right. Without a file of labels, each row has its label: in
    the first column, or in the one that a header calls so.

    Raises:
        InputError: a file is missing or empty, or a line is wrong; names the line and value.
    """
    if "images" not in files:
        raise InputError(f"{files['labels']}: the file of images is missing beside it; add it")
    require_one_meaning(dataset)
    path = files["images"]
    table = open_table(path, LARGEST, dataset.numbers)
    labels = None if "labels" in files else find_label_column(table)
    shape = find_shape(table, labels)
    rows = read_numbers(table, labels, dataset)
    if labels is None:
        images = rows
        indices = read_labels(files["labels"], dataset)
    else:
        images = np.delete(rows, labels, axis=1)
        indices = rows[:, labels].astype(np.int64)
    require_at_most(LARGEST_SPLIT, images.size, path, REMEDY)
    if images.max(initial=0) == 1 and images.size > len(images):
        raise InputError(f"{path}: all pixels are 0 or 1; multiply them by 255")
    return images.reshape(-1, *shape), indices


def read_numbers(table: Table, labels: int | None, dataset: Dataset) -> NDArray[np.uint8]:
    """The pixels of a file, and the index of each label in column `labels`; uint8 (rows, columns).

    Raises:
        InputError: a value is not a pixel, or not a label.
    """
    converters: dict[int, Callable[[str], int]] = {}
    if labels is not None:
        converters[labels] = lambda text: dataset.numbers[to_label(text)]
    if table.ended:
        converters[table.columns] = require_nothing
    how: dict[str, Any] = {
        "delimiter": table.delimiter,
        "ndmin": 2,
        "comments": None,
        "quotechar": '"',
        "converters": converters,
    }
    with reading(table.path, "CSV file", REMEDY):
        try:
            # Straight to uint8: several times as fast as through float64, in less memory than the
            # file.
            numbers = np.loadtxt(
                table.path, np.uint8, encoding=table.encoding, skiprows=table.skip, **how
            )
            return numbers[:, : table.columns]
        except InputError:
            raise
        except (ValueError, KeyError):
            pass  # a pixel may be written as 7.0
        try:
            return read_whole_floats(table, how)[:, : table.columns]
        except InputError:
            raise
        except (ValueError, KeyError):
            raise InputError(f"{table.path}: {find_mistake(table, labels, dataset)}") from None


def require_nothing(text: str) -> int:
    """0 for a column that is there only because each line ends with a delimiter.

    Raises:
        ValueError: it has a value.
    """
    if text.strip():
        raise ValueError("a line has more values than the first")
    return 0


def read_whole_floats(table: Table, how: dict[str, Any]) -> NDArray[np.uint8]:
    """The numbers of a file that writes them as floats; a ValueError if one is not a pixel."""
    parts = []
    with open_text(table.path, table.encoding) as lines:
        rows = (line for line in islice(lines, table.skip, None) if line.strip())
        while block := [*islice(rows, ROWS)]:
            numbers = np.loadtxt(block, **how)
            with np.errstate(invalid="ignore"):
                pixels = numbers.astype(np.uint8)
            if not (pixels == numbers).all():
                raise ValueError("a number is not one of 0, 1, ... 255")
            parts.append(pixels)
    return np.concatenate(parts)


def find_mistake(table: Table, labels: int | None, dataset: Dataset) -> str:
    """The first mistake in a file of pixels, in words."""
    for line_number, values in read_rows(table):
        if len(values) != table.columns:
            return (
                f"line {line_number}: {len(values)} values, but the first row has {table.columns}"
            )
        for column, value in enumerate(values):
            if column == labels:
                if to_label(value) not in dataset.numbers:
                    unknown = describe_unknown(value, dataset)
                    return f"line {line_number}, column {column + 1}: {unknown}"
            elif not (is_number(value) and float(value) in range(256)):
                return (
                    f"line {line_number}, column {column + 1}: {value[:40]!r} is not a whole "
                    "number from 0 to 255; multiply pixels of 0 to 1 by 255"
                )
    return "cannot be read as rows of numbers"


def read_labels(path: Path, dataset: Dataset) -> NDArray[np.int64]:
    """The index of the class of each label in a file with one per line; int64 (n,)."""
    table = open_table(path, LABELS, dataset.numbers)
    indices = []
    with reading(path, "CSV file", REMEDY):
        for line_number, values in read_rows(table):
            if len(values) != 1:
                raise InputError(
                    f"{path}: line {line_number}: {len(values)} values, expected one label; remove "
                    "the others, such as a column that numbers the rows"
                )
            try:
                indices.append(dataset.numbers[to_label(values[0])])
            except KeyError:
                unknown = describe_unknown(values[0], dataset)
                raise InputError(f"{path}: line {line_number}: {unknown}") from None
    return np.array(indices, dtype=np.int64)
