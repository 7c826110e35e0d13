"""YAML that people edit and git merges: it is read, or refused with the line and the column."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from stages.runtime.errors import InputError
from stages.runtime.inputs import reading, reason_of

DEEPEST = 50  # levels of YAML
MARK = re.compile(r"^(<{7}|\|{7}|={7}|>{7})(?= |\r?$)", re.M)  # of git, at the start of a line
BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # between two lines of YAML
CHOOSE = "choose one side and remove the marks (docs/merging.md)"
RESOLVE = "run `make resolve` (docs/merging.md)"  # for a file that no person writes


class MistakeError(ValueError):
    """What is wrong, at a line and a column from 1, and what a person who edits the file can do.

    `remedy` is empty if it need not be the mistake of a person.
    """

    def __init__(self, line: int, column: int, what: str, remedy: str = "") -> None:
        self.at, self.what, self.remedy = f"line {line}, column {column}", what, remedy
        super().__init__(f"{self.at}: {what}")


@contextmanager
def reading_yaml(
    name: object, content: str | bytes, kind: str, remedy: str, can_edit: bool = True
) -> Iterator[None]:
    """For a block that parses `content`: as `reading`, and an error says where the mistake is.

    `can_edit` is False for what is in a commit: then `remedy` is the only one.
    """
    with reading(str(name), kind, remedy):
        try:
            require_no_conflict(content, str(name))
            yield
        except Exception as error:
            found = find_mistake(content, error)
            if found is None:
                raise
            what = found.what if found.remedy else f"not a valid {kind} ({found.what})"
            advice = (can_edit and found.remedy) or remedy
            raise InputError(f"{name}: {found.at}: {what}; {advice}") from None


def require_no_conflict(content: str | bytes, name: str) -> None:
    """Raises MistakeError if a merge has left its marks in a file."""
    text = content if isinstance(content, str) else content.decode(errors="replace")
    if mark := MARK.search(text):
        line = text.count("\n", 0, mark.start()) + 1
        remedy = RESOLVE if name.endswith(".lock") else CHOOSE
        raise MistakeError(line, 1, f"a merge conflict ({mark[1]})", remedy)


def find_mistake(content: str | bytes, error: Exception) -> MistakeError | None:
    """Where a parser found an error, and what a person can do about it; None if it does not say."""
    if isinstance(error, MistakeError):
        return error
    if isinstance(error, UnicodeDecodeError):
        lines = error.object[: error.start].decode(errors="replace").split("\n")
        return MistakeError(len(lines), len(lines[-1]) + 1, "not UTF-8")
    text = content if isinstance(content, str) else content.decode(errors="replace")
    if position := getattr(error, "position", None):  # in bytes, of a character
        lines = text.encode()[:position].decode(errors="replace").split("\n")
        return MistakeError(len(lines), len(lines[-1]) + 1, reason_of(error))
    mark, problem = getattr(error, "problem_mark", None), str(getattr(error, "problem", error))
    if mark is None:
        return None
    lines = BREAK.split(text.rstrip())
    if mark.line >= len(lines):  # it expected more
        return MistakeError(len(lines), len(lines[-1]) + 1, problem)
    line = lines[mark.line]
    indentation = line[: len(line) - len(line.lstrip())]
    if "\t" in indentation:
        return MistakeError(
            mark.line + 1, indentation.index("\t") + 1, "a tab", "indent with spaces"
        )
    if line[mark.column : mark.column + 1] == "\t":
        return MistakeError(mark.line + 1, mark.column + 1, "a tab", "put spaces in its place")
    return MistakeError(mark.line + 1, mark.column + 1, problem)


class Collection(NamedTuple):
    """One that the parser is in: its &, the values before it, the places of a mapping's keys."""

    anchor: str | None
    before: int
    keys: dict[tuple[str, bool], Any] | None


def require_small_yaml(events: Iterable[Any], most: int) -> None:
    """Refuses YAML that would take the parser's stack, or become more than `most` values.

    `events` are those of its parser, from ruamel.yaml or PyYAML, before it makes anything of them:
    each * repeats all that its & names, so that a few lines can become billions of values.

    Raises:
        MistakeError: a mapping has a key twice; PyYAML would take the last.
        ValueError: it is deeper than `DEEPEST`, or has too many values.
    """
    values = 0
    sizes: dict[str, int] = {}  # of what has an &, in values
    waiting: list[Collection] = []
    is_key = [False]  # whether the next node of each collection around is a key of a mapping
    for event in events:
        kind = type(event).__name__
        if kind in ("MappingEndEvent", "SequenceEndEvent"):
            anchor, before, _ = waiting.pop()
            is_key.pop()
            sizes |= {anchor: values - before} if anchor else {}
            continue
        if kind not in ("AliasEvent", "ScalarEvent", "MappingStartEvent", "SequenceStartEvent"):
            continue
        if waiting and (keys := waiting[-1].keys) is not None:
            if is_key[-1] and kind == "ScalarEvent":
                key = event.value, event.implicit[0]  # 1 and "1" are two keys
                if key in keys and key[0] != "<<":
                    first, mark = keys[key].line + 1, event.start_mark
                    what = f"key {event.value} is there twice (first in line {first})"
                    raise MistakeError(mark.line + 1, mark.column + 1, what, "remove one")
                keys[key] = event.start_mark
            is_key[-1] = not is_key[-1]
        if kind == "AliasEvent":
            if event.anchor not in sizes:
                raise ValueError(f"*{event.anchor} names nothing that ends before it")
            values += sizes[event.anchor]
        elif kind == "ScalarEvent":
            values += 1
            sizes |= {event.anchor: 1} if event.anchor else {}
        else:
            is_mapping = kind == "MappingStartEvent"
            waiting.append(Collection(event.anchor, values, {} if is_mapping else None))
            is_key.append(is_mapping)
            values += 1
        if len(waiting) > DEEPEST:
            raise ValueError(f"more than {DEEPEST} levels")
        if values > most:
            raise ValueError(f"more than {most:,} values")
