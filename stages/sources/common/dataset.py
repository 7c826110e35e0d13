"""What a reader of a data set is told: the classes of its labels, and how pictures are resized."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from stages.runtime.errors import InputError

Size = tuple[int, int]  # width, height
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
LONGEST = 40  # characters of a number


@dataclass(frozen=True)
class Dataset:
    """What `data.NAME` in params.yaml says of a data set, and what was done to its pictures.

    `labels` are what the data call the classes. `numbers` and `names` give the index of a class by
    its label or name: the first for data whose labels are numbers, the second for those in folders
    named after the classes, in which a name goes before a label. A picture of another size than
    `size` is resized as `fit` says. `done` counts what was done to the pictures.
    """

    key: str
    folder: Path
    classes: list[str]
    labels: list[str]
    numbers: Mapping[str, int]
    names: Mapping[str, int]
    size: Size | None
    fit: str | None
    test_fraction: float | None
    validation_fraction: float
    folds: int | None
    training_images: int | None
    done: Counter[str] = field(default_factory=Counter)


def describe_dataset(key: str, parameters: dict[str, Any]) -> Dataset:
    """The data set whose `parameters` are under `key` in params.yaml.

    Its classes are a list, for labels 0, 1, ..., or a mapping from labels to names.
    """
    given, size = parameters["classes"], parameters.get("size")
    labeled = given if isinstance(given, dict) else dict(enumerate(given))
    by_label = {to_label(str(label)): index for index, label in enumerate(labeled)}
    by_name = {normalize("NFC", name): index for index, name in enumerate(labeled.values())}
    return Dataset(
        key=key,
        folder=Path(parameters["path"]),
        classes=list(labeled.values()),
        labels=list(by_label),
        numbers=by_name | by_label,
        names=by_label | by_name,
        size=(size[1], size[0]) if size else None,
        fit=parameters.get("fit"),
        test_fraction=parameters.get("test_fraction"),
        validation_fraction=parameters["validation_fraction"],
        folds=parameters.get("folds"),
        training_images=parameters.get("training_images"),
    )


def to_label(text: str) -> str:
    """A label in the form in which labels are compared: 7.0, 7e0 and 07 are 7."""
    text = normalize("NFC", text.strip())
    if NUMBER.fullmatch(text) and len(text) < LONGEST and float(text).is_integer():
        return str(int(float(text)))
    return text


def require_one_meaning(dataset: Dataset) -> None:
    """Refuses classes of which one has the label of another as its name, for numbered data.

    Raises:
        InputError: there is one, such as `[0, 1, 10, 2]` in quotes: is 2 the third or the fourth?
    """
    for index, (label, name) in enumerate(zip(dataset.labels, dataset.classes, strict=True)):
        if dataset.numbers.get(to_label(name), index) != index:
            raise InputError(
                f"{dataset.key}.classes: {name!r} is the name of label {label}, and the label of "
                "another class; choose other names, such as `class 1`"
            )


def index_labels(labels: NDArray[Any], dataset: Dataset, path: Path) -> NDArray[np.int64]:
    """The index of the class of each label, a whole number; int64 (n,).

    Raises:
        InputError: a label is not that of a class.
    """
    require_one_meaning(dataset)
    found, of_image = np.unique(labels, return_inverse=True)
    try:
        return np.array([dataset.numbers[str(label)] for label in found], dtype=np.int64)[of_image]
    except KeyError as error:
        (label,) = error.args
        image = int(np.flatnonzero(labels == int(label))[0])
        raise InputError(f"{path}: image {image}: {describe_unknown(label, dataset)}") from None


def describe_unknown(label: str, dataset: Dataset) -> str:
    """What is wrong with a label that no class has, and the remedy."""
    known = dataset.labels
    labels = ", ".join(known) if len(known) < 6 else f"{known[0]}, {known[1]}, ... {known[-1]}"
    return (
        f"{label[:40]!r} is not the label of a class ({labels}); correct it, or give "
        f"{dataset.key}.classes with their labels, such as {{1: A, 2: B, 4: D}}"
    )


def describe_classes(dataset: Dataset, without: set[int]) -> str:
    """The classes with their labels as params.yaml can have them, without some."""
    named = enumerate(zip(dataset.labels, dataset.classes, strict=True))
    left = [f"{label}: {name}" for index, (label, name) in named if index not in without]
    return f"{{{', '.join(left)}}}"
