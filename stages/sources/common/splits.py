"""Which split a file or folder belongs to, by its name."""

import re
from collections.abc import Iterator
from pathlib import Path

NAMES = {
    "train": {"train", "training"},
    "validation": {"val", "valid", "validation"},
    "test": {"test", "testing", "t10k"},
}
# What file managers, notebooks and archives leave behind, besides hidden files.
IGNORED = {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx"}


def words_of(name: str) -> set[str]:
    """The words in a name, in lower case: `fashion-mnist_train` has fashion, mnist and train."""
    return set(re.findall(r"[a-z0-9]+", name.lower()))


def split_of(name: str) -> str | None:
    """The split that a name says it belongs to: train, validation or test; or None."""
    words = words_of(name)
    return next((split for split, names in NAMES.items() if words & names), None)


def list_folder(folder: Path) -> Iterator[Path]:
    """What is in a folder, in order of names, without what is no part of a data set."""
    for path in sorted(folder.iterdir()):
        if not path.name.startswith(".") and path.name.lower() not in IGNORED:
            yield path
