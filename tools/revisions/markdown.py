"""Text and tables in Markdown."""

import re
from typing import Any

from tabulate import tabulate

LONG = 12  # rows; a longer table is folded


def code(text: str) -> str:
    """`text` as code: it appears as itself, whatever it contains, and on one line.

    A line break and what else has no shape is shown as in Python: `\\n`.
    """
    shown = "".join(one if one.isprintable() else repr(one)[1:-1] for one in text) or " "
    longest = max(map(len, re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""  # which Markdown takes away
    return f"{fence}{space}{shown}{space}{fence}"


def fold(table: str, rows: int) -> str:
    """The table, folded if it is long."""
    if rows <= LONG:
        return table
    return f"<details><summary>{rows} rows</summary>\n\n{table}\n\n</details>"


def tabulate_cells(rows: list[list[Any]], header: list[str]) -> str:
    """A Markdown table, its values unchanged; empty if there are no rows."""
    if not rows:
        return ""
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return tabulate(cells, header, tablefmt="github", disable_numparse=True)
