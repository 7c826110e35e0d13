"""The boundary of the program: whatever a file contains, it is read, or refused in one line."""

import resource
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.runtime.errors import InputError

DEEPEST = 50  # levels of YAML
ACCESS = "check its name and permissions"
REASON = 120  # characters of what a library says
MB = 1_000_000
SPLIT = 8_000 * MB  # bytes of a split's images, which memory must hold


@contextmanager
def reading(name: Path | str, kind: str, remedy: str) -> Iterator[None]:
    """For a block that reads one input: whatever its content causes becomes one `InputError`.

    `kind` says what was expected, such as "PNG file". The block's own InputErrors pass.
    """
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{name}: missing; {remedy}") from None
    except Exception as error:  # of any library that reads a format
        if isinstance(error, OSError) and error.errno:
            raise InputError(f"{name}: {error.strerror}; {ACCESS}") from None
        raise InputError(f"{name}: not a valid {kind} ({reason_of(error)}); {remedy}") from error


def require_file(path: Path, largest: int, remedy: str) -> None:
    """Refuses what is no regular file of at most `largest` bytes; one may wait for a pipe forever.

    Raises:
        InputError: it is missing, or is not one.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        raise InputError(f"{path}: missing; {remedy}") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; {ACCESS}") from None
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path}: not a file; {remedy}")
    if found.st_size > largest:
        raise InputError(
            f"{path}: {found.st_size / MB:,.0f} MB; at most {largest / MB:,.0f} MB are read; "
            f"{remedy}"
        )


def require_small(events: Iterable[Any], most: int) -> None:
    """Refuses YAML that would take the parser's stack, or become more than `most` values.

    `events` are those of its parser, from ruamel.yaml or PyYAML, before it makes anything of them:
    each * repeats all that its & names, so that a few lines can become billions of values.

    Raises:
        ValueError: it is deeper than `DEEPEST`, or has too many values.
    """
    values = 0
    sizes: dict[str, int] = {}  # of what has an &, in values
    waiting: list[tuple[str | None, int]] = []  # the collections around: their & and first value
    for event in events:
        kind = type(event).__name__
        if kind == "AliasEvent":
            values += sizes.get(event.anchor, most + 1)  # unknown: it is in itself
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            anchor, before = waiting.pop()
            sizes |= {anchor: values - before} if anchor else {}
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            waiting.append((event.anchor, values))
            values += 1
        elif kind == "ScalarEvent":
            values += 1
            sizes |= {event.anchor: 1} if event.anchor else {}
        if len(waiting) > DEEPEST or values > most:
            raise ValueError(f"more than {DEEPEST} levels or {most:,} values")


def reason_of(error: Exception) -> str:
    """What an error says, in a few words."""
    said = " ".join(str(error).split())
    if not said or isinstance(error, LookupError | AttributeError):  # `'x'` alone says nothing
        said = f"{type(error).__name__} {said}".strip()
    return said if len(said) <= REASON else f"{said[:REASON]}..."


@contextmanager
def limit_memory(more: int) -> Iterator[None]:
    """For a block that computes what an input asks for: at most `more` bytes than now.

    Then a library that allocates fails as when there is none left, long before the system must end
    processes. Only on Linux.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        yield
        return
    used = next(line for line in status.read_text().splitlines() if line.startswith("VmData:"))
    before, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = int(used.split()[1]) * 1024 + more
    within = [one for one in (limit, before, hard) if one != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(within), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, hard))
