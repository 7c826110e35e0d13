"""Writes files and folders completely or not at all."""

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.runtime.errors import InputError
from stages.runtime.inputs import LARGEST_SPLIT, reading, require_file

LARGEST = LARGEST_SPLIT  # bytes of a file that is read as a whole, such as probabilities
NUMBER = int | float
REMEDY = "run `make repro` to recreate it"


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yields a temporary path next to `path`, for a file or folder; success renames it to `path`.

    While another process writes `path`, this one waits. A failure leaves `path` as it was and
    removes the temporary path; the next call removes one that a killed process left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.with_name(f".{path.name}.lock"), f"writes {path}") as killed:
        if killed is not None:
            remove(_partial_of(path, killed))
        partial = _partial_of(path, os.getpid())
        try:
            yield partial
            if partial.is_dir():
                remove(path)  # a folder cannot be renamed over one that is not empty
            partial.replace(path)
        finally:
            remove(partial)


def _partial_of(path: Path, process: int) -> Path:
    """Where a process writes what becomes `path`."""
    return path.with_name(f".{path.name}.{process}.partial")


@contextmanager
def locked(path: Path, activity: str) -> Iterator[int | None]:
    """Holds a lock that is the file `path`; if another process holds it, says so and waits.

    `activity` tells others what this process is doing: "writes data/models/RUN.onnx". The lock of a
    process ends with it, however it ends. Yields the number of the process that held it before, if
    that was killed.
    """
    while True:
        with path.open("a+", encoding="utf-8") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                print(f"waits for {file.read() or 'a process that starts'}", flush=True)
                fcntl.lockf(file, fcntl.LOCK_EX)
            if not _is_open(path, file.fileno()):
                continue  # the process that held it has removed it
            file.seek(0)
            killed = re.match(r"process (\d+),", file.read())
            file.truncate(0)
            file.write(f"process {os.getpid()}, which {activity}")
            file.flush()
            try:
                yield int(killed[1]) if killed else None
            finally:
                path.unlink(missing_ok=True)
            return


def _is_open(path: Path, descriptor: int) -> bool:
    """Whether an open file still is the one at `path`."""
    try:
        return os.path.samefile(path, descriptor)
    except FileNotFoundError:
        return False


def remove(path: Path) -> None:
    """Removes a file or folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Writes JSON that is easy to read and to diff, one line per value."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_json(path: Path, **kinds: Any) -> Any:
    """The content of a JSON file that a stage wrote, with values of these kinds, by their names.

    Raises:
        InputError: it is missing or not one.
    """
    text = read_text(path)
    with reading(path, "JSON file", REMEDY):
        content = json.loads(text)
    require_values(path, content, kinds, REMEDY)
    return content


def require_values(name: object, content: Any, kinds: dict[str, Any], remedy: str) -> None:
    """Raises an InputError if the content of a JSON file lacks a value, or has one of another kind.

    `kinds` are types, by the names of the values.
    """
    if kinds and not isinstance(content, dict):
        raise InputError(f"{name}: not a JSON object; {remedy}")
    for key, kind in kinds.items():
        if not isinstance(content.get(key), kind):
            found = f"{content[key]!r:.40}" if key in content else "missing"
            wanted = getattr(kind, "__name__", str(kind))
            raise InputError(f"{name}: {key} is {found}, and not of type {wanted}; {remedy}")


def read_text(path: Path) -> str:
    """The content of a text file that a stage wrote, its line ends as they are.

    Raises:
        InputError: it is missing or not one.
    """
    content = read_bytes(path)
    with reading(path, "text file", REMEDY):
        return content.decode()


def read_bytes(path: Path) -> bytes:
    """The content of a file that a stage wrote.

    Raises:
        InputError: it is missing or not one.
    """
    require_file(path, LARGEST, REMEDY)
    with reading(path, "file", REMEDY):
        return path.read_bytes()
