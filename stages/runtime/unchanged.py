"""What a stage reads must be what is recorded of it, when it begins and when it ends.

DVC hashes what a stage declares after its command has ended, and would record an edit as what made
the outputs. It hashes a file again only if its size or time has changed.
"""

import hashlib
import importlib.util
import os
import stat
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any

from stages.runtime.errors import InputError
from stages.runtime.lock import LOCK, find_hash
from stages.runtime.parameters import PARAMETERS, PINS, find_changed_parameter

HASHED = "INPUTS_HASHED"  # `make repro` sets this variable: it has hashed what the stage reads
SMALL = 1_000_000  # bytes; larger files are compared by size and time alone

State = tuple[int, int, bytes]  # of a file: its bytes, its time in ns, and its hash if it is small


def watch_files() -> dict[str, State]:
    """The state of each file of the project that this process has imported; it grows.

    Whatever the process opens for reading from now on is added, and the folders that it lists but
    for those of code, which imports list. What is in DVC's scratch folder does not count, as no
    stage has an input there, and what it removes or renames itself no longer counts.
    """
    root = os.getcwd() + os.sep
    outside = (sys.prefix + os.sep, os.path.join(root, ".dvc", "tmp", ""))
    apart = {os.path.abspath(path) for path in (PARAMETERS, PINS, LOCK)}  # only by values
    files: dict[str, State] = {}
    code = os.path.join(root, "stages", "")
    written = os.O_WRONLY | os.O_RDWR | os.O_CREAT

    looking = threading.local()  # what `note` itself opens does not count

    def note(name: str) -> None:
        path = os.path.abspath(name)
        inside = path.startswith(root) and not path.startswith(outside)
        if not inside or hasattr(looking, "now"):
            return
        looking.now = True
        try:
            source = find_source(path)
            if source is not None:
                refuse_old_bytecode(source, path)
                path = source
            own = any(part.endswith(".partial") for part in path.split(os.sep))
            if path not in apart and path not in files and not own:
                state = read_state(path)
                if state is not None:
                    files[path] = state
        finally:
            del looking.now

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        # Without a mode it is os.open, whose name may be relative to another folder.
        if event == "open":
            name, mode, flags = arguments
            if isinstance(name, str) and mode is not None:
                if flags & written:
                    apart.add(os.path.abspath(name))  # its own
                else:
                    note(name)
        elif event in ("os.listdir", "os.scandir") and isinstance(arguments[0], str):
            if not os.path.join(os.path.abspath(arguments[0]), "").startswith(code):
                note(arguments[0])
        elif event in ("os.remove", "os.rename"):
            for name in arguments[: 2 if event == "os.rename" else 1]:
                path = os.path.abspath(os.fsdecode(name))
                files.pop(path, None)
                files.pop(os.path.dirname(path), None)

    for module in list(sys.modules.values()):
        for name in (getattr(module, "__file__", None), getattr(module, "__cached__", None)):
            if name is not None:
                note(name)
    sys.addaudithook(hear)
    return files


def find_source(path: str) -> str | None:
    """The source of a file in a __pycache__; None for any other file."""
    try:
        return importlib.util.source_from_cache(path)
    except ValueError:
        return None


def refuse_old_bytecode(source: str, bytecode: str) -> None:
    """Removes bytecode that is older than its source, although Python takes it for current.

    It does if the source has the same size and was edited again within the same second.

    Raises:
        InputError: there was such bytecode.
    """
    try:
        edited, compiled = os.stat(source), os.stat(bytecode)
        header = struct.unpack("<8x2I", Path(bytecode).read_bytes()[:16])  # PEP 552: time and size
    except (OSError, struct.error):
        return
    is_current = header == (int(edited.st_mtime) & 0xFFFFFFFF, edited.st_size & 0xFFFFFFFF)
    if is_current and compiled.st_mtime_ns < edited.st_mtime_ns < time.time_ns():
        os.unlink(bytecode)
        raise InputError(f"{os.path.relpath(source)} changed while it was compiled; run again")


def read_state(path: str) -> State | None:
    """The state of a file, or of the names in a folder; None if it is missing."""
    try:
        found = os.stat(path)
        if stat.S_ISDIR(found.st_mode):
            names = (name for name in os.listdir(path) if not name.startswith((".", "__pycache__")))
            return (0, 0, hashlib.sha256("/".join(sorted(names)).encode()).digest())
        small = found.st_size < SMALL
        digest = hashlib.sha256(Path(path).read_bytes()).digest() if small else b""
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns, digest)


def is_recorded(path: Path) -> bool:
    """Whether dvc.lock names a file as an output, with the content that it has now.

    Raises:
        InputError: it names it with other content.
    """
    recorded = find_hash(path)
    if recorded is None:
        return False
    with path.open("rb") as file:
        if hashlib.file_digest(file, "md5").hexdigest() == recorded:
            return True
    raise InputError(
        f"{path}: not the one that dvc.lock names; if it was made after that was written, run "
        "`make repro`, else `make verify-files`"
    )


def require_unchanged(files: dict[str, State]) -> None:
    """Compares the parameters that this process has read, and `files`, with what they are now.

    Raises:
        InputError: one of them has changed.
    """
    changed = find_changed_parameter()
    for path, before in list(files.items()):
        now = read_state(path)
        if now == before:
            continue
        if now is None or now[0] != before[0] or now[2] != before[2] or not now[2]:
            changed = changed or os.path.relpath(path)
    if changed is not None:
        raise InputError(f"{changed} changed while it ran; run again")
