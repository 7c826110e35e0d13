"""Which format the data set in a folder has, and what else is there."""

from importlib import import_module
from pathlib import Path
from typing import Any

from stages.runtime.errors import InputError
from stages.sources.common.splits import list_others, split_of

SOURCES = Path(__file__).parents[1]


def find_source(folder: Path) -> tuple[Any, dict[str, Any]]:
    """The module in `stages/sources/` that knows the format, and what it found, by split.

    Raises:
        InputError: no module does.
    """
    sources = [
        import_module(f"stages.sources.{path.stem}") for path in sorted(SOURCES.glob("*.py"))
    ]
    found = [(source, source.find(folder)) for source in sources] if folder.is_dir() else []
    found = [(source, splits) for source, splits in found if splits]
    if not found:
        expected = ", ".join(source.EXPECTED for source in sources)
        raise InputError(f"{folder}: no data set of a known format; expected one of {expected}")
    ranks = [rank(folder, list_paths(splits)) for _, splits in found]
    found = [one for one, its_rank in zip(found, ranks, strict=True) if its_rank == max(ranks)]
    if len(found) > 1:
        formats = " and ".join(source.EXPECTED for source, _ in found)
        raise InputError(f"{folder}: has several data sets, such as {formats}; leave one there")
    return found[0]


def rank(folder: Path, paths: list[Path]) -> int:
    """How sure it is that these files or folders are the data set, not something beside it.

    Names that say the split are surest; a lone table may be about the pictures in folders.
    """
    if all(any(map(split_of, path.relative_to(folder).parts)) for path in paths):
        return 2
    return int(all(path.is_dir() for path in paths))


def list_paths(found: dict[str, Any]) -> list[Path]:
    """The files or folders of all splits that `find_source` found."""
    paths: list[Path] = []
    for files in found.values():
        of_split = files.values() if isinstance(files, dict) else files
        paths += [of_split] if isinstance(of_split, Path) else of_split
    return paths


def list_unread(folder: Path, found: dict[str, Any]) -> list[str]:
    """The names of what is in a folder beside what `find_source` found."""
    return list_others(folder, list_paths(found))
