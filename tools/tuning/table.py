"""The table of a search, in git: what was searched, and one row per recipe."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.runtime.files import atomic_write
from tools.tuning.rows import Row, show_values

TABLE = "metrics/tune/{run}.csv"
FIRST, LAST = ("trial", "state", "accuracy", "standard_error", "images"), ("reason",)


def write_table(path: Path, about: Mapping[str, Any], rows: Sequence[Row]) -> None:
    """Writes the table: lines with #, one for each key of `about`, then CSV.

    It has no times, so that it is the same for the same search.
    """
    names = [*show_values(rows[0].values)]
    with atomic_write(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        for key, value in about.items():
            file.write(f"# {key}: {json.dumps(value, ensure_ascii=False, default=str)}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*FIRST, *names, *LAST])
        for row in rows:
            shown = [f"{one:.6f}" if one is not None else "" for one in (row.accuracy, row.error)]
            images = len(row.right) or ""
            values = show_values(row.values).values()
            writer.writerow([row.number, row.state, *shown, images, *values, row.reason])
