"""Tables and numbers of a page, before they are HTML."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from tools.revisions.markdown import split_code

UNITS = ("bytes", "kB", "MB", "GB", "TB")


class Cell(NamedTuple):
    """A cell: its text, the number to sort by if the text is none, and the id that it links to."""

    text: str
    value: float | None = None
    link: str = ""


class Table(NamedTuple):
    """A table that can be sorted; the first cell of a row names it.

    `keys` are those of what the rows show in the charts beside it, one per row; empty without any.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    keys: Sequence[str] = ()


def show_code(text: str) -> Markup:
    """A text in which backticks mark code as HTML."""
    pieces = (
        Markup("<code>{}</code>").format(piece) if is_code else Markup.escape(piece)
        for piece, is_code in split_code(text)
    )
    return Markup("").join(pieces)


def to_cell(value: float | None, digits: int = 4, unit: str = "") -> Cell:
    """The cell of a number, empty if there is none."""
    return Cell("") if value is None else Cell(f"{value:,.{digits}f}{unit}", value)


def count_bytes(number: float) -> str:
    """A number of bytes with three digits: 350 kB."""
    for unit in UNITS[:-1]:
        if number < 999.5:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} {UNITS[-1]}"
