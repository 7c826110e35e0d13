"""Which split a file or folder belongs to, by its name."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from stages.runtime.inputs import reading

NAMES = {
    "train": {"train", "training"},
    "validation": {"val", "valid", "validation"},
    "test": {"test", "testing", "t10k"},
}
# What file managers, notebooks and archives leave behind, besides hidden files.
IGNORED = {
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "__macosx",
    "icon\r",
    "@eadir",
    "$recycle.bin",
}
IGNORED |= {"__pycache__"}


def words_of(name: str) -> set[str]:
    """The words in a name, in lower case: `fashion-mnist_train` has fashion, mnist and train."""
    return set(re.findall(r"[a-z0-9]+", name.lower()))


def split_of(name: str) -> str | None:
    """The split that a name says it belongs to: train, validation or test; or None."""
    words = words_of(name)
    return next((split for split, names in NAMES.items() if words & names), None)


def list_folder(folder: Path) -> Iterator[Path]:
    """What is in a folder, in order of names, without what is no part of a data set."""
    with reading(folder, "folder", "check its name"):
        for path in sorted(folder.iterdir()):
            if not path.name.startswith(".") and path.name.lower() not in IGNORED:
                yield path


def has_folders(folder: Path) -> bool:
    """Whether there is a folder in a folder."""
    return any(path.is_dir() for path in list_folder(folder))


def unwrap(folder: Path) -> Path:
    """A folder, or the one with folders in it that is all that it has, as in extracted archives."""
    while len(inner := [*list_folder(folder)]) == 1 and inner[0].is_dir() and has_folders(inner[0]):
        (folder,) = inner
    return folder


def list_others(folder: Path, read: Iterable[Path]) -> list[str]:
    """The names of what is in a folder, and in the folders in it that are read, but is not read."""
    read = {*read}
    around = {parent for path in read for parent in path.parents}
    names = []
    for place in [folder, *sorted(read & {path for path in read if path.is_dir()})]:
        for path in list_folder(place):
            inside = place in read and path.is_dir()  # the folder of a class
            if not (path in read or path in around or inside):
                names.append(str(path.relative_to(folder)))
    return names
