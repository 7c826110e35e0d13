"""What a report consists of, before it is Markdown or HTML. Backticks in a text mark code."""

from typing import NamedTuple


class Rows(NamedTuple):
    """A table of texts; one that `folds` is folded where it is long."""

    header: list[str]
    rows: list[list[str]]
    folds: bool = False


class Lines(NamedTuple):
    """A list of texts."""

    lines: list[str]


Part = str | Rows | Lines  # a str is a paragraph
