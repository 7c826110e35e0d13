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
