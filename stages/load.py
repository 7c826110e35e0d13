"""Reads a data set in any known format and writes its splits as uint8 arrays."""

from importlib import import_module
from pathlib import Path
from typing import Any

from stages.runtime.command import run

import numpy as np
from numpy.typing import NDArray

from stages.datasets.arrays import Split, write_split
from stages.runtime.errors import InputError
from stages.runtime.files import atomic_write, write_json
from stages.runtime.parameters import read_parameter

SOURCES = Path(__file__).with_name("sources")


def main(dataset: str, out: Path) -> None:
    """Writes `out`/{train,validation,test}/{images,labels}.npy and `out`/about.json."""
    parameters = read_parameter(f"data.{dataset}")
    folder, classes = Path(parameters["path"]), parameters["classes"]
    read = find_source(folder)
    train = check(f"{folder}: train", read(folder, "train", classes), classes)
    test = check(f"{folder}: test", read(folder, "test", classes), classes)
    if train[0].shape[1:] != test[0].shape[1:]:
        raise InputError(
            f"{folder}: training images have shape {train[0].shape[1:]}, test images "
            f"{test[0].shape[1:]} (height, width, channels); convert all to the same shape"
        )
    held = sample_validation(train[1], parameters["validation_fraction"], read_parameter("seed"))
    splits = {
        "train": (*train, np.flatnonzero(~held)),
        "validation": (*train, np.flatnonzero(held)),
        "test": (*test, np.arange(len(test[1]))),
    }
    missing = set(range(len(classes))) - set(train[1][~held].tolist())
    if missing:
        names = ", ".join(classes[label] for label in sorted(missing))
        raise InputError(f"{folder}: no training image of {names}; add some or remove the class")

    with atomic_write(out) as partial:
        for split, (images, labels, chosen) in splits.items():
            write_split(partial / split, images, labels, chosen)
        metadata = {"dataset": dataset, "classes": classes}
        write_json(partial / "about.json", metadata)
    shape = "x".join(map(str, train[0].shape[1:]))
    counts = ", ".join(f"{len(chosen)} {split}" for split, (_, _, chosen) in splits.items())
    print(f"{folder}: {shape} images: {counts}")


def find_source(folder: Path) -> Any:
    """The `read` function of the module in `stages/sources/` whose marker file is in `folder`."""
    markers = {}
    for path in sorted(SOURCES.glob("*.py")):
        source = import_module(f"stages.sources.{path.stem}")
        markers[source.MARKER] = source.read
    known = ", ".join(markers)
    for marker, read in markers.items():
        if any(folder.glob(marker)):
            return read
    raise InputError(f"{folder}: no data set of a known format; expected one of {known}")


def check(name: str, split: tuple[Any, Any], classes: list[str]) -> Split:
    """The same images and labels, the labels as uint8.

    Raises:
        InputError: there are no images, the counts differ, or a label is not that of a class.
    """
    images, labels = split
    if len(images) != len(labels):
        raise InputError(f"{name}: {len(images)} images but {len(labels)} labels")
    if not images.size:
        raise InputError(f"{name}: no images")
    if images.shape[-1] not in (1, 3):
        raise InputError(f"{name}: {images.shape[-1]} channels; expected 1, gray, or 3, RGB")
    bad = np.flatnonzero((labels < 0) | (labels >= len(classes)))
    if len(bad):
        raise InputError(
            f"{name}: image {bad[0]} has label {labels[bad[0]]}, but params.yaml names "
            f"{len(classes)} classes, 0 to {len(classes) - 1} ({len(bad)} labels are out of range)"
        )
    return images, labels.astype(np.uint8)


def sample_validation(labels: NDArray[np.uint8], fraction: float, seed: int) -> NDArray[np.bool_]:
    """Which images to hold out: `fraction` of each class, sampled at random; bool (n,)."""
    random = np.random.default_rng(seed)
    held = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        held[random.permutation(of_class)[: round(fraction * len(of_class))]] = True
    return held


if __name__ == "__main__":
    run(main, "arrays", "pictures")
