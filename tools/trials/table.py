"""A table in git of what trials found, below lines that say of what it is."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.runtime.files import atomic_write


def write_csv(
    path: Path, about: Mapping[str, Any], names: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Writes lines with #, one for each key of `about`, then CSV with the columns `names`."""
    with atomic_write(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        for key, value in about.items():
            file.write(f"# {key}: {json.dumps(value, ensure_ascii=False, default=str)}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)


def read_csv(text: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The metadata of a table, and its rows, from the text that `write_csv` has written.

    Raises:
        ValueError: it is not such a table.
    """
    lines = text.splitlines()
    heads = [line.removeprefix("# ").partition(": ") for line in lines if line.startswith("# ")]
    about = {key: json.loads(value) for key, _, value in heads}
    rows = list(csv.DictReader(lines[len(heads) :], strict=True))
    if not rows or any(None in row or None in row.values() for row in rows):
        raise ValueError("a row has more or fewer cells than there are columns, or there is none")
    return about, rows
