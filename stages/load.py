"""Reads a data set in any known format and writes its splits as uint8 arrays."""

from pathlib import Path

from stages.runtime.command import run

import numpy as np
from numpy.typing import NDArray

from stages.datasets.arrays import SPLITS, write_folds, write_split
from stages.runtime.errors import InputError
from stages.runtime.files import atomic_write, write_json
from stages.runtime.parameters import read_parameter
from stages.runtime.text import cut
from stages.sources.common.dataset import Dataset, describe_classes, describe_dataset
from stages.sources.common.folds import sample_folds
from stages.sources.common.formats import find_source, list_unread
from stages.sources.common.hold_out import sample_test, sample_training, sample_validation

Labeled = tuple[NDArray[np.uint8], NDArray[np.int64]]  # images, and the index of each one's class
Part = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int64]]
Parts = dict[str, Part]


def main(name: str, out: Path) -> None:
    """Writes `out`/{train,validation,test}/{images,labels}.npy and `out`/about.json.

    If there are folds, all but the test images are in `train`, and `out`/folds.npy says which fold
    each is in: the search for near duplicates takes long, and is the same for each fold.
    """
    key = f"data.{name}"
    parameters = read_parameter(key)
    seed, near = read_parameter("seed"), read_parameter("audit.near")
    dataset = describe_dataset(key, parameters)
    parts = choose(read_splits(dataset), dataset, seed, near)
    folds = divide(parts["train"], dataset, seed, near)

    with atomic_write(out) as partial:
        for split, (images, labels, chosen) in parts.items():
            write_split(partial / split, images, labels, chosen)
        if folds is not None:
            write_folds(partial, folds)
        metadata = {"dataset": name, "classes": dataset.classes}
        write_json(partial / "about.json", metadata | ({"fit": dataset.fit} if dataset.fit else {}))
    for line in describe(parts, dataset, folds):
        print(f"{dataset.folder}: {line}")
    if unread := list_unread(dataset.folder, find_source(dataset.folder)[1]):
        print(f"{dataset.folder}: not read: {cut(unread)}")


def read_splits(dataset: Dataset) -> dict[str, Labeled]:
    """The images, uint8 (n, h, w, c), and labels of each split that the data set has.

    Raises:
        InputError: a split is missing that no parameter says to draw, or is not valid.
    """
    source, found = find_source(dataset.folder)
    if "train" not in found:
        raise InputError(f"{dataset.folder}: no training images; expected {source.EXPECTED}")
    for split, fraction in (
        ("test", dataset.test_fraction),
        ("validation", dataset.validation_fraction),
    ):
        require_fraction(dataset, split, in_data=split in found, drawn=bool(fraction))
    splits = {
        split: check(f"{dataset.folder}: {split}", source.read(found[split], dataset))
        for split in SPLITS
        if split in found
    }
    channels = max(images.shape[3] for images, _ in splits.values())
    for split, (images, labels) in splits.items():
        if images.shape[3] < channels:  # gray, beside color
            splits[split] = np.repeat(images, channels, axis=3), labels
        shape, expected = (part.shape[1:3] for part in (images, splits["train"][0]))
        if shape != expected:
            raise InputError(
                f"{dataset.folder}: training images have {'x'.join(map(str, expected))} pixels "
                f"(height x width), {split} images {'x'.join(map(str, shape))}; convert all to the "
                "same size"
            )
        if dataset.size and (shape[1], shape[0]) != dataset.size:
            raise InputError(
                f"{dataset.key}.size: only pictures are resized, and {dataset.folder} has other "
                "files; remove size and fit"
            )
    return splits


def require_fraction(dataset: Dataset, split: str, in_data: bool, drawn: bool) -> None:
    """Refuses a split that is in the data and is to be drawn, or a missing test split."""
    if in_data and drawn:
        raise InputError(
            f"{dataset.key}.{split}_fraction: {dataset.folder} has a {split} split; "
            + ("set it to 0" if split == "validation" else "remove the parameter")
        )
    if split == "test" and not in_data and not drawn:
        raise InputError(
            f"{dataset.folder}: no test images with labels; add some, or set "
            f"{dataset.key}.test_fraction, such as 0.2, to draw them from the training images"
        )


def check(name: str, split: Labeled) -> Labeled:
    """The same images and labels.

    Raises:
        InputError: there are no images, or the counts differ.
    """
    images, labels = split
    if len(images) != len(labels):
        raise InputError(f"{name}: {len(images)} images but {len(labels)} labels")
    if not images.size:
        raise InputError(f"{name}: no images")
    if images.shape[-1] not in (1, 3):
        raise InputError(f"{name}: {images.shape[-1]} channels; expected 1, gray, or 3, RGB")
    return split


def choose(splits: dict[str, Labeled], dataset: Dataset, seed: int, near: float) -> Parts:
    """The images and labels of each split, with the indices of those that belong to it.

    If there are folds, all images but those for the test are to be divided, also those of a
    validation split, and `validation_fraction` is not used.

    Raises:
        InputError: a class has no training image.
    """
    of_file = {
        split: (images, labels.astype(np.uint8)) for split, (images, labels) in splits.items()
    }
    images, labels = of_file["train"]
    test = np.zeros(len(labels), dtype=bool)
    if dataset.test_fraction:
        test = sample_test(images, labels, dataset.test_fraction, near, seed)
    if dataset.folds and "validation" in of_file:
        more, of_more = of_file.pop("validation")
        images, labels = np.concatenate([images, more]), np.concatenate([labels, of_more])
        test = np.concatenate([test, np.zeros(len(of_more), dtype=bool)])
    rest = np.flatnonzero(~test)
    fraction = 0 if dataset.folds else dataset.validation_fraction
    held = sample_validation(labels[rest], fraction, seed)
    train = rest[~held]
    if dataset.training_images:
        train = train[sample_training(labels[train], dataset.training_images, seed)]
    parts: Parts = {
        "train": (images, labels, train),
        "validation": (images, labels, rest[held]),
        "test": (images, labels, np.flatnonzero(test)),
    }
    for split in ("validation", "test"):
        if split in of_file:
            parts[split] = (*of_file[split], np.arange(len(of_file[split][1])))
    missing = set(range(len(dataset.classes))) - set(labels[rest[~held]].tolist())
    if missing:
        names = ", ".join(dataset.classes[label] for label in sorted(missing))
        raise InputError(
            f"{dataset.folder}: no training image of {names}; add some, or leave the class out: "
            f"{dataset.key}.classes: {describe_classes(dataset, without=missing)}"
        )
    return parts


def divide(train: Part, dataset: Dataset, seed: int, near: float) -> NDArray[np.uint8] | None:
    """The fold of each training image, (n,), from 1; None if there are no folds."""
    images, labels, chosen = train
    if not dataset.folds:
        return None
    return sample_folds(images[chosen], labels[chosen], dataset.folds, near, seed)


def describe(parts: Parts, dataset: Dataset, folds: NDArray[np.uint8] | None) -> list[str]:
    """What was read, and what was done to pictures, in lines."""
    shape = "x".join(map(str, parts["train"][0].shape[1:]))
    counts = ", ".join(f"{len(chosen)} {split}" for split, (_, _, chosen) in parts.items())
    total = sum(len(chosen) for _, _, chosen in parts.values())
    done = sorted(dataset.done.items())
    sizes = [] if folds is None else np.bincount(folds)[1:].tolist()
    divided = [f"{len(sizes)} folds of {', '.join(map(str, sizes))} images"] if sizes else []
    return [
        f"{shape} images: {counts}",
        *divided,
        *(f"{count} of {total} pictures: {what}" for what, count in done),
    ]


if __name__ == "__main__":
    run(main, "arrays", "pictures")
