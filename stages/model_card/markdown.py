"""Markdown in which the text of others, such as a class name or a parameter, appears as itself."""

import re

SPECIAL = re.compile(r"([\\`*_\[\]{}<>|&~$!:@#])")  # within a line, on GitHub and Hugging Face


def escape(text: str) -> str:
    """A text of one line, as text: it is no link, HTML, emphasis or end of a table's cell."""
    return SPECIAL.sub(r"\\\1", text)


def fence(text: str, language: str) -> str:
    """A block of code, which ends where it should even if the text has a fence itself."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    mark = "`" * max(3, longest + 1)
    return f"{mark}{language}\n{text.rstrip()}\n{mark}"


def tabulate_rows(header: list[str], rows: list[list[str]]) -> str:
    """A table; its cells are Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
