"""Damages inputs at random, as disks, networks, editors and attackers do, and says what happens.

Each attempt runs in a process of its own, which may crash, hang or fill the memory.
"""

import json
import os
import random
import re
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from stages.runtime.errors import LONGEST, InputError

SECONDS = 20  # an attempt may take
MEMORY = 3_000_000_000  # bytes that it may take more than this process
READ, REFUSED = "read", "refused"  # the right outcomes; any other one says what went wrong

VALUES = [
    *(b"", b"0", b"-1", b"1.5", b"1e999", b"nan", b"9" * 5000, b"255", b"256", b"4294967296"),
    *(b"null", b"true", b"[]", b"{}", b'""', b"''", b"a", b"a: b: c", b"*a", b"&a [*a, *a]"),
    *(b"[" * 100_000, b'{"a":' * 2_000, b"- " * 3_000, b"!!python/name:os.system ''", b"<<: *a"),
    *(b"../../x", b"/dev/zero", b"a; touch pwned", b"$(touch pwned)", b"\x00", b"\xff\xfe", b"\r"),
    *(
        "\u202e".encode(),
        "\u00e9".encode(),
        b"\x1b[2J",
        b"\xed\xa0\x80",
        b",",
        b"\n\n",
        b"\t",
        b'"',
    ),
]


def damage(content: bytes, chance: random.Random) -> bytes:
    """A content with one to three faults."""
    changed = bytearray(content)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        chance.choice(FAULTS)(changed, chance)
    return bytes(changed)


def flip(content: bytearray, chance: random.Random) -> None:
    if content:
        content[place(content, chance)] ^= 1 << chance.randrange(8)


def set_bytes(content: bytearray, chance: random.Random) -> None:
    start, count = place(content, chance), chance.choice([1, 2, 4, 8, 300])
    fill = chance.choice([b"\x00", b"\xff", b"\x7f", b"\x80"])
    content[start : start + count] = fill * len(content[start : start + count])


def cut(content: bytearray, chance: random.Random) -> None:
    del content[place(content, chance) :]


def remove(content: bytearray, chance: random.Random) -> None:
    start = place(content, chance)
    del content[start : start + chance.choice([1, 3, 50, 2000])]


def repeat(content: bytearray, chance: random.Random) -> None:
    start, length = place(content, chance), chance.choice([1, 8, 100, 2000])
    content[start:start] = content[start : start + length] * chance.choice([1, 2, 50])


def insert(content: bytearray, chance: random.Random) -> None:
    start = place(content, chance)
    content[start:start] = chance.choice(VALUES)


def replace_word(content: bytearray, chance: random.Random) -> None:
    """Replaces a word or a number by another value."""
    if words := list(re.finditer(rb"[\w.-]+", content[:100_000])):
        word = chance.choice(words)
        content[word.start() : word.end()] = chance.choice(VALUES)


def place(content: bytearray, chance: random.Random) -> int:
    """A position, in the header as often as in all of it."""
    end = chance.choice([len(content), min(len(content), 64)])
    return chance.randrange(end) if end else 0


FAULTS = [flip, flip, set_bytes, cut, remove, repeat, insert, replace_word, replace_word]


def no_file(path: Path, chance: random.Random) -> None:
    """Puts something in the place of a file that is none, or is endless."""
    path.unlink()
    kind = chance.choice(["pipe", "folder", "loop", "nothing", "link", "sparse", "zeros", "empty"])
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind in ("loop", "link"):
        path.symlink_to(path.name if kind == "loop" else "/dev/zero")
    elif kind != "nothing":
        sizes = {"sparse": 100_000_000_000, "zeros": 50_000_000}
        with path.open("wb") as file:
            file.truncate(sizes.get(kind, 0))


class Outcome(NamedTuple):
    """Of reading an input: `READ`, `REFUSED` with the message, or what went wrong."""

    kind: str
    message: str = ""


def attempt(read: Callable[[], object]) -> Outcome:
    """What reading an input does, in a process of its own."""
    receiving, sending = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12, if there are threads
        process = os.fork()
    if process == 0:
        os.close(receiving)
        with open(sending, "w", encoding="utf-8", errors="backslashreplace") as answer:
            json.dump(outcome_of(read), answer)
        os._exit(0)
    os.close(sending)
    with open(receiving, encoding="utf-8") as answer:
        said = answer.read()
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        late = number == signal.SIGALRM
        return Outcome("takes too long" if late else signal.Signals(number).name)
    return Outcome(*json.loads(said)) if said else Outcome("ends without an outcome")


def outcome_of(read: Callable[[], object]) -> Outcome:
    """What `read` does in this process, which ends with it."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(SECONDS)
    used = re.search(r"VmData:\s+(\d+)", Path("/proc/self/status").read_text())
    limit = MEMORY + (int(used[1]) * 1024 if used else 0)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    started = time.process_time()
    try:
        read()
    except InputError as error:
        said = str(error)
        if len(said) > LONGEST or not said.isprintable():
            return Outcome(f"message of {len(said)} characters", said)
        return Outcome(REFUSED, said)
    except BaseException as error:
        return Outcome(f"{type(error).__name__}: {error!s:.200}")
    return Outcome(READ if time.process_time() - started < SECONDS else "takes too long")
