"""Tables in Markdown."""

from typing import Any

from tabulate import tabulate

LONG = 12  # rows; a longer table is folded


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
