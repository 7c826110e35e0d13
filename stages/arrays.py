"""Reading and writing a split on disk: a folder with `images.npy` and `labels.npy`."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.command import InputError

SPLITS = ("train", "validation", "test")

Split = tuple[NDArray[Any], NDArray[np.uint8]]


def write_split(folder: Path, images: NDArray[Any], labels: NDArray[np.uint8]) -> None:
    """Writes images, (n, ...), and labels, uint8 (n,)."""
    folder.mkdir(parents=True)
    np.save(folder / "images.npy", np.ascontiguousarray(images), allow_pickle=False)
    np.save(folder / "labels.npy", labels, allow_pickle=False)


def read_split(folder: Path) -> Split:
    """The images, (n, ...), memory-mapped and read-only, and the labels, uint8 (n,).

    Raises:
        InputError: a file is not a whole `.npy` file, the counts differ, or a pixel is not finite.
    """
    images = _read(folder / "images.npy", mmap_mode="r")
    labels = _read(folder / "labels.npy", mmap_mode=None)
    if labels.ndim != 1 or len(images) != len(labels):
        raise InputError(
            f"{folder}: {len(images)} images but labels of shape {labels.shape}; "
            "run `dvc repro` to make the folder anew"
        )
    if np.issubdtype(images.dtype, np.floating) and not np.isfinite(images).all():
        bad = int(np.flatnonzero(~np.isfinite(images.reshape(len(images), -1)).all(axis=1))[0])
        raise InputError(
            f"{folder / 'images.npy'}: image {bad} has a pixel that is NaN or infinite; "
            "run `dvc repro` to make the file anew, or look for the mistake in its stage"
        )
    return images, labels


def _read(path: Path, mmap_mode: Any) -> NDArray[Any]:
    try:
        return np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path}: missing; run `dvc repro` to make it") from None
    except (ValueError, EOFError) as error:
        raise InputError(
            f"{path}: not a whole array file ({error}); run `dvc repro` to make it anew"
        ) from None
