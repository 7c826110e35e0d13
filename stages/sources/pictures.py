"""Picture files, in one folder per class, named after the class, in `train/` and `test/`."""

import math
from pathlib import Path
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from stages.runtime.errors import InputError
from stages.runtime.inputs import LARGEST_SPLIT, require_at_most
from stages.sources.common.dataset import Dataset
from stages.sources.common.fit import FITS, WORDS
from stages.sources.common.picture import list_formats, open_picture
from stages.sources.common.splits import has_folders, list_folder, split_of, unwrap

EXPECTED = "train/CLASS/*.png"
REMEDY = "replace or remove it"


def find(folder: Path) -> dict[str, Path]:
    """The folder of each split, which has a folder for each class.

    Without a split, all of `folder` is `train`.
    """
    found: dict[str, Path] = {}
    for path in (path for path in list_folder(folder) if path.is_dir()):
        split = split_of(path.name)
        if split and has_folders(path):
            if split in found:
                raise InputError(f"{folder}: {found[split].name} and {path.name} are both {split}")
            found[split] = unwrap(path)
    if not found and any(has_picture(path) for path in list_folder(folder) if path.is_dir()):
        return {"train": folder}
    return found


def has_picture(folder: Path) -> bool:
    """Whether a file in a folder has a name like that of a picture."""
    list_formats()  # which loads them
    suffixes = Image.registered_extensions()
    return any(path.suffix.lower() in suffixes for path in list_folder(folder))


def read(folder: Path, dataset: Dataset) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images, uint8 (n, h, w, c), and the index of each one's class, int64 (n,), of a split.

    They are gray if all files are gray, otherwise color.

    Raises:
        InputError: a folder is not named after a class, or a file is no picture or differs in size.
    """
    files = list_files(folder, dataset)
    images = np.empty((0, 0, 0, 0), dtype=np.uint8)
    steps = tqdm(files, desc=str(folder), unit="picture", delay=2, disable=None)
    for position, (path, _) in enumerate(steps):
        pixels = read_picture(path, dataset)
        height, width, channels = pixels.shape
        if not position:
            images = np.empty((len(files), *pixels.shape), dtype=np.uint8)
        if (height, width) != images.shape[1:3]:
            raise InputError(
                f"{path}: {width}x{height} pixels, but {files[0][0].relative_to(folder)} has "
                f"{images.shape[2]}x{images.shape[1]}; make all the same size, or set "
                f"{dataset.key}.size, such as [{images.shape[1]}, {images.shape[2]}], and "
                f"{dataset.key}.fit, crop or pad"
            )
        if channels > images.shape[3]:
            images = np.repeat(images, channels, axis=3)
        require_at_most(LARGEST_SPLIT, images.size, folder, REMEDY)
        images[position] = pixels
    require_one_scale(folder, dataset)
    return images, np.array([label for _, label in files], dtype=np.int64)


def list_files(folder: Path, dataset: Dataset) -> list[tuple[Path, int]]:
    """The pictures of a split, each with the index of its class."""
    files: list[tuple[Path, int]] = []
    for subfolder in (path for path in list_folder(folder) if path.is_dir()):
        try:
            label = dataset.names[normalize("NFC", subfolder.name)]
        except KeyError:
            raise InputError(
                f"{subfolder}: no such class; rename or remove it, or add it to "
                f"{dataset.key}.classes: {', '.join(dataset.classes)}"
            ) from None
        for path in list_folder(subfolder):
            if path.is_dir():
                raise InputError(
                    f"{path}: a folder in that of a class, which is to have only pictures; move "
                    "them up, or remove it"
                )
            files.append((path, label))
    if not files:
        raise InputError(f"{folder}: no pictures; expected one folder of them per class")
    return files


def require_one_scale(folder: Path, dataset: Dataset) -> None:
    """Refuses pictures of more than 8 bits of which some have another white than others.

    Each file alone says only what its lightest pixel is.
    """
    for word in ("floats", "32 bits"):
        scales = sorted(done for done in dataset.done if done.startswith(f"{word} scaled"))
        if len(scales) > 1:
            counts = " and ".join(f"{dataset.done[done]} {done}" for done in scales)
            raise InputError(
                f"{folder}: which value is white? {counts}; save all pictures with 8 or 16 bits"
            )


def read_picture(path: Path, dataset: Dataset) -> NDArray[np.uint8]:
    """The pixels of a picture, uint8 (h, w, 1 or 3), of the data set's size if it has one."""
    picture = open_picture(path, REMEDY)
    image = picture.image
    dataset.done.update(picture.done)
    if dataset.size and dataset.fit and image.size != dataset.size:
        require_at_most(LARGEST_SPLIT, math.prod(dataset.size), path, REMEDY)
        image = FITS[dataset.fit](image, dataset.size)
        dataset.done[f"resized: {WORDS[dataset.fit]}"] += 1
    pixels: NDArray[np.uint8] = np.asarray(image)
    return pixels.reshape(image.height, image.width, -1)
