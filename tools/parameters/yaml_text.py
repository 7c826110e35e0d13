"""Replaces and adds single values in the text of a YAML file; all else stays as it is."""

import io
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from ruamel.yaml import YAML, FlowEntryToken, ScalarNode, ScalarToken
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, SingleQuotedScalarString

from stages.runtime.parameters import parse

QUOTED = {'"': DoubleQuotedScalarString, "'": SingleQuotedScalarString}
COMMENT = re.compile(r"(?<!\S)#.*\S")  # in what is between values


def replace_value(text: str, key: Any, node: Any, value: Any) -> str:
    """The text with another value for `key`, whose value so far is `node`.

    Comments on the entries of a longer value are moved to lines of their own after it.
    """
    spans = [*find_spans(text, node)]
    start = end = text.index(":", key.end_mark.index) + 1
    written = format_value(value, quote_of(node))
    in_place = bool(spans) and (isinstance(node, ScalarNode) or node.flow_style)
    if in_place:
        start, end = spans[0][0], spans[-1][1]
    else:
        written = f" {written}"
    if spans and not in_place:  # on lines of its own
        end = end_of_line(text, spans[-1][1])
    line, comments = end_of_line(text, start), []
    for at, comment in find_comments(text, start, end, spans):
        if at < line and not in_place:
            written += f" {comment}"
        else:
            comments.append(comment)
    behind = end_of_line(text, end)
    rest = text[end:behind]
    if re.match(r" +#", rest):
        gap = find_gap(text, start, end, len(written))
        rest = " " * gap + rest.lstrip(" ")
    indent = line_break(text) + " " * (key.start_mark.column + 2)
    moved = "".join(indent + comment for comment in comments)
    return text[:start] + written + rest + moved + text[behind:]


def add_key(text: str, mapping: Any, key: Any, value: Any) -> str:
    """The text with one more key in a mapping, after its last."""
    last = mapping.value[-1][0] if mapping.value else None
    added = f"{format_value(key, quote_of(last))}: {format_value(value)}"
    if not mapping.flow_style:
        return add_lines(text, mapping, [added])
    if last is None:
        at = mapping.end_mark.index - 1
    else:
        at = [*find_spans(text, mapping)][-2][1]  # the last one is the brace
        added = f", {added}"
    return text[:at] + added + text[at:]


def add_lines(text: str, mapping: Any, lines: list[str]) -> str:
    """The text with more lines in a mapping, after the last and what comments are on it."""
    column, end = mapping.value[0][0].start_mark.column, line_break(text)
    at = end_of_line(text, [*find_spans(text, mapping)][-1][1])
    while more := re.compile(rf"\r?\n {{{column + 1},}}#[^\r\n]*").match(text, at):
        at = more.end()
    return text[:at] + "".join(f"{end}{' ' * column}{line}" for line in lines) + text[at:]


def format_value(value: Any, quote: str = "") -> str:
    """A value in one line of YAML as DVC reads it, also between braces; a text in such quotes."""
    if isinstance(value, dict):
        pairs = (f"{format_value(key)}: {format_value(inner)}" for key, inner in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(format_value, value))}]"
    yaml, text = YAML(), io.StringIO()
    yaml.default_flow_style, yaml.allow_unicode, yaml.width = True, True, 10**6
    in_quotes = quote and isinstance(value, str) and value.isprintable()
    yaml.dump([QUOTED[quote](value) if in_quotes else value], text)
    written = text.getvalue().strip()
    return written[1:-1] if reads_as(written, [value]) else json.dumps(value, ensure_ascii=False)


def quote_of(node: Any) -> str:
    """The quotes around a value; empty if there are none."""
    return str(node.style) if isinstance(node, ScalarNode) and node.style in QUOTED else ""


def reads_as(text: str, value: Any) -> bool:
    """Whether a text is YAML with this content."""
    try:
        return is_same(parse(text), value)
    except (YAMLError, ValueError):
        return False


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are equal and of the same types: 1 is not 1.0."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return type(one) is type(other) and repr(one) == repr(other)


def find_spans(text: str, node: Any) -> Iterator[tuple[int, int]]:
    """Where each token of a node starts and ends, without comments and commas."""
    for token in YAML(typ="safe", pure=True).scan(text):
        start, end = token.start_mark.index, token.end_mark.index
        if start < node.start_mark.index or end == start or isinstance(token, FlowEntryToken):
            continue
        if start >= node.end_mark.index:
            break
        if isinstance(token, ScalarToken) and token.style in ("|", ">"):
            yield start, start + 1
            start = end_of_line(text, start)  # between them may be a comment
        yield start, start + len(text[start:end].rstrip())


def find_comments(
    text: str, start: int, end: int, spans: list[tuple[int, int]]
) -> Iterator[tuple[int, str]]:
    """Where each comment between these spans is, and the comment."""
    edges = [start, *(edge for span in spans for edge in span), end]
    for left, right in [*pairwise(edges)][::2]:
        yield from ((found.start(), found[0]) for found in COMMENT.finditer(text, left, right))


def find_gap(text: str, start: int, end: int, length: int) -> int:
    """How many spaces are before the comment behind a value that gets another length.

    A comment that is aligned with that of a line above or below stays so, if there is room.
    """
    begin = text.rfind("\n", 0, start) + 1
    column, gap = text.index("#", end) - begin, text.index("#", end) - end
    before = text[:begin].splitlines()[-1:]
    after = text[end_of_line(text, end) :].splitlines()[1:2]
    for line in [*before, *after]:
        beside = len(line[:column]) - len(line[:column].rstrip(" "))
        if line[column : column + 1] == "#" and beside and max(beside, gap) > 1:
            return max(1, column - (start - begin) - length)
    return gap


def end_of_line(text: str, index: int) -> int:
    """Where the line ends that has this index, before its line break."""
    found = re.compile(r"\r?\n|\Z").search(text, index)
    return found.start() if found else len(text)


def line_break(text: str) -> str:
    """The line break of a text."""
    return "\r\n" if "\r\n" in text else "\n"
