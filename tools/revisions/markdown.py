"""Text and tables in Markdown."""

import html
import re
from typing import Any

from tabulate import tabulate

from tools.revisions.parts import Lines, Part, Rows

LONG = 12  # rows; a longer table is folded
# Of what is no code; a | is taken care of where it is in a table.
MARKUP = re.compile(r"[\\`*\[\]@$~]|<(?=[A-Za-z/!?])|&(?=#?\w+;)|(?<!\w)_|_(?!\w)")
CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")  # as in CommonMark


def code(text: str) -> str:
    """`text` as code: it appears as itself, whatever it contains, and on one line."""
    shown = show_shapeless(text) or " "
    longest = max(map(len, re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    is_padded = shown.strip(" ") and shown.startswith(" ") and shown.endswith(" ")
    space = " " if longest or is_padded else ""  # which Markdown takes away
    return f"{fence}{space}{shown}{space}{fence}"


def code_in_html(text: str) -> str:
    """`text` as `code` shows it, where Markdown has HTML."""
    return f"<code>{html.escape(show_shapeless(text), quote=False)}</code>"


def show_shapeless(text: str) -> str:
    """`text` with line breaks and what else has no shape as in Python: `\\n`."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def write_text(text: str) -> str:
    """A text in which backticks mark code: all else appears as itself, such as `<b>` or `@team`."""
    pieces = split_code(text)
    return "".join(code(one) if is_code else MARKUP.sub(r"\\\g<0>", one) for one, is_code in pieces)


def split_code(text: str) -> list[tuple[str, bool]]:
    """The pieces of a text, each with whether it is what `code` was given."""
    pieces = []
    end = 0
    for found in CODE.finditer(text):
        inner = found[2]
        if inner.strip(" ") and inner.startswith(" ") and inner.endswith(" "):
            inner = inner[1:-1]
        pieces += [(text[end : found.start()], False), (inner, True)]
        end = found.end()
    return [piece for piece in (*pieces, (text[end:], False)) if piece[0]]


def write_part(part: Part) -> str:
    """A paragraph, table or list in Markdown."""
    if isinstance(part, Lines):
        return "\n".join(f"- {write_text(line)}" for line in part.lines)
    if isinstance(part, Rows):
        table = tabulate_cells([[*map(write_text, row)] for row in part.rows], part.header)
        return fold(table, len(part.rows)) if part.folds else table
    return write_text(part)


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
