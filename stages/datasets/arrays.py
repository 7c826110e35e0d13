"""Reads and writes splits on disk, each a folder with `images.npy` and `labels.npy`."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.runtime.errors import InputError
from stages.runtime.inputs import LARGEST_SPLIT, MB, reading, require_file

LABELS = 100 * MB  # bytes of the labels of a split
LARGEST = 5 * LARGEST_SPLIT  # bytes of a file: a pixel is one byte, then a float32
SPLITS = ("train", "validation", "test")
FOLDS = "folds.npy"
IMAGES, FEATURES = "images.npy", "features.npy"

BLOCK = 1000  # images in memory at a time

Split = tuple[NDArray[Any], NDArray[np.uint8]]


def write_split(
    folder: Path,
    images: NDArray[Any],
    labels: NDArray[np.uint8],
    chosen: NDArray[np.int64] | None = None,
    change: Callable[[NDArray[Any]], NDArray[Any]] = np.asarray,
) -> None:
    """Writes images, (n, ...), and labels, uint8 (n,): all, or those with the indices `chosen`.

    `change` is applied to the images before they are written, block by block, so that there is
    never a second copy of a large data set in memory.
    """
    folder.mkdir(parents=True)
    if chosen is None:
        chosen = np.arange(len(labels))
    np.save(folder / "labels.npy", labels[chosen], allow_pickle=False)
    nothing = change(images[:0])
    header = {
        "descr": np.lib.format.dtype_to_descr(nothing.dtype),
        "fortran_order": False,
        "shape": (len(chosen), *nothing.shape[1:]),
    }
    with (folder / IMAGES).open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)  # as np.save does
        for rows in blocks(len(chosen)):
            file.write(np.ascontiguousarray(change(images[chosen[rows]])).data)


def blocks(count: int) -> Iterator[slice]:
    """Slices of up to `BLOCK` that together cover `count`."""
    return (slice(start, start + BLOCK) for start in range(0, count, BLOCK))


def read_split(folder: Path, values: str = IMAGES) -> Split:
    """The images, (n, ...), memory-mapped and read-only, and the labels, uint8 (n,).

    Or the features of the images, float32 (n, ...), if `values` is `FEATURES`.

    Raises:
        InputError: a file is missing or damaged, the counts differ, or a value is not finite.
    """
    path = folder / values
    images = _read(path, ("uint8", "float32"))
    labels = np.array(_read(folder / "labels.npy", ("uint8",), LABELS))
    if labels.ndim != 1 or len(images) != len(labels):
        raise InputError(
            f"{folder}: {len(images)} images but labels of shape {labels.shape}; "
            "run `dvc repro` to recreate the folder"
        )
    for rows in blocks(len(images)) if np.issubdtype(images.dtype, np.floating) else ():
        finite = np.isfinite(images[rows])
        if not finite.all():
            axes = tuple(range(1, images.ndim))
            bad = rows.start + int(finite.all(axis=axes).argmin())
            kind = "pixel" if values == IMAGES else "feature"
            raise InputError(
                f"{path}: image {bad} has a {kind} that is NaN or infinite; run `dvc repro` to "
                "recreate the file, or fix the stage that wrote it"
            )
    return images, labels


def hash_split(images: NDArray[Any], labels: NDArray[np.uint8]) -> str:
    """The SHA-256 of the images, then the labels, in C order."""
    digest = hashlib.sha256(np.ascontiguousarray(images).data)
    digest.update(np.ascontiguousarray(labels).data)
    return digest.hexdigest()


def write_folds(folder: Path, folds: NDArray[np.uint8]) -> None:
    """Writes the fold of each image of the split `train` in `folder`, (n,), from 1."""
    np.save(folder / FOLDS, folds, allow_pickle=False)


def read_raw(folder: Path, fold: int) -> dict[str, Split]:
    """Each split in data/raw/DATASET; if its images are in folds, `fold` is the validation split.

    Raises:
        InputError: a file is missing or damaged, or there is no such fold.
    """
    splits = {split: read_split(folder / split) for split in SPLITS}
    if (folder / FOLDS).exists():
        images, labels = splits["train"]
        held = read_folds(folder / FOLDS, len(labels)) == fold
        if not held.any():
            raise InputError(f"{folder}: no image is in fold {fold}; set `fold` in params.yaml")
        splits |= {"train": (images[~held], labels[~held])}
        splits |= {"validation": (images[held], labels[held])}
    return splits


def read_folds(path: Path, count: int) -> NDArray[np.uint8]:
    """The fold of each of `count` images, (n,), from 1.

    Raises:
        InputError: the file is missing or damaged.
    """
    folds = _read(path, ("uint8",), LABELS)
    if folds.shape != (count,):
        raise InputError(
            f"{path}: shape {folds.shape}, for {count} images; run `dvc repro` to recreate it"
        )
    return folds


def _read(path: Path, dtypes: tuple[str, ...], largest: int = LARGEST) -> NDArray[Any]:
    """The array of a file, memory-mapped and read-only."""
    remedy = "run `dvc repro` to recreate it"
    require_file(path, largest, remedy)
    with reading(path, "array file", remedy):
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        if str(array.dtype) not in dtypes:
            raise ValueError(f"{array.dtype}, expected {' or '.join(dtypes)}")
        return array
