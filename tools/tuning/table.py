"""The table of a search, in git: what was searched, and one row per recipe."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.trials.table import write_csv
from tools.tuning.rows import Row, show_values

TABLE = "metrics/tune/{run}.csv"
FIRST, LAST = ("trial", "state", "accuracy", "standard_error", "images"), ("reason",)


def write_table(path: Path, about: Mapping[str, Any], rows: Sequence[Row]) -> None:
    """Writes the table. It has no times, so that it is the same for the same search."""
    lines = list[list[Any]]()
    for row in rows:
        shown = [f"{one:.6f}" if one is not None else "" for one in (row.accuracy, row.error)]
        values = show_values(row.values).values()
        lines.append([row.number, row.state, *shown, len(row.right) or "", *values, row.reason])
    write_csv(path, about, [*FIRST, *show_values(rows[0].values), *LAST], lines)
