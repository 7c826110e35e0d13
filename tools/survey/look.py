"""Reads a folder of images without knowing its classes, as `load` would."""

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from stages.runtime.errors import InputError
from stages.sources import pictures
from stages.sources.common.dataset import Dataset, describe_dataset
from stages.sources.common.formats import find_source, list_unread
from stages.sources.common.picture import open_picture

MOST_CLASSES = 256  # a label is a uint8


@dataclass
class Survey:
    """What is in a folder: its images by split and label, and by height and width.

    `done` counts what the reader does to pictures, `unusable` says which it cannot read and why,
    `unread` names what it does not look at.
    """

    folder: Path
    form: str
    of_pictures: bool
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    color: bool = False
    done: Counter[str] = field(default_factory=Counter)
    unusable: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


class Learned(dict[str, int]):
    """The index of each label, in the order in which they are first asked for."""

    def __missing__(self, label: str) -> int:
        if len(self) == MOST_CLASSES:
            raise InputError(
                f"more than {MOST_CLASSES} labels, such as {label[:40]!r}; is it one of a class?"
            )
        return self.setdefault(label, len(self))


def look_at(folder: Path) -> Survey:
    """What is in a folder.

    Raises:
        InputError: it has no images of a known format, or only pictures that cannot be read.
    """
    source, found = find_source(folder)
    labels = Learned()
    described = describe_dataset(
        "data.NAME", {"path": folder, "classes": [], "validation_fraction": 0}
    )
    dataset = replace(described, names=labels, numbers=labels)
    form = source.__doc__.partition("\n")[0].rstrip(".")
    survey = Survey(folder, form, source is pictures, done=dataset.done)
    for split, files in found.items():
        look = look_at_pictures if survey.of_pictures else look_at_arrays
        survey.counts[split] = Counter()
        look(survey, split, files, source, dataset)
    survey.unread = list_unread(folder, found)
    if not survey.sizes:
        raise InputError(survey.unusable[0])
    return survey


def look_at_pictures(
    survey: Survey, split: str, folder: Path, source: Any, dataset: Dataset
) -> None:
    """Adds the pictures of a split to a survey."""
    files = source.list_files(folder, dataset)
    names = list(dataset.names)
    for path, index in tqdm(files, desc=split, unit="picture", delay=2, disable=None):
        try:
            picture = open_picture(path, source.REMEDY)
        except InputError as error:
            survey.unusable.append(str(error))
            continue
        survey.counts[split][names[index]] += 1
        survey.sizes[picture.image.height, picture.image.width] += 1
        survey.color |= picture.image.mode == "RGB"
        survey.done.update(picture.done)


def look_at_arrays(survey: Survey, split: str, files: Any, source: Any, dataset: Dataset) -> None:
    """Adds the images of a split to a survey, if all have one size."""
    images, indices = source.read(files, dataset)
    if len(images) != len(indices):
        raise InputError(f"{survey.folder}: {split}: {len(images)} images, {len(indices)} labels")
    names = list(dataset.numbers)
    counts = np.bincount(indices, minlength=len(names)).tolist()
    survey.counts[split].update({name: n for name, n in zip(names, counts, strict=True) if n})
    survey.sizes[images.shape[1], images.shape[2]] += len(images)
    survey.color |= images.shape[3] == 3
