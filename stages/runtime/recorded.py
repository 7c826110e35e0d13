"""What DVC records of a stage must be what happened.

DVC hashes what a stage declares after its command has ended. So the stage itself makes sure that
this is what it has read, and ends if nobody is left to record it.
"""

import functools
import hashlib
import importlib.util
import os
import signal
import stat
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from stages.runtime.errors import InputError
from stages.runtime.parameters import PARAMETERS, PINS, find_changed_parameter

STAGE = "DVC_STAGE"  # DVC and tools/repro.py set this variable to the name of the stage
SHORT = 0.5  # seconds; a stage that takes less need not know who started it
EVERY = 0.1  # seconds between two looks at the process that started a stage

SMALL = 1_000_000  # bytes; larger files are compared by size and time alone

State = tuple[int, int, bytes]  # of a file: its bytes, its time in ns, and its hash if it is small


def when_recorded(main: Callable[..., None]) -> Callable[..., None]:
    """`main`, with all that is in this module, if DVC records what it does.

    A person may run a stage by hand and close the terminal; then nothing is recorded.
    """
    if STAGE not in os.environ:
        return main
    threading.Thread(target=end_with_dvc, args=(os.getppid(),), daemon=True).start()
    files = watch_files()

    @functools.wraps(main)
    def checked(*arguments: Any, **options: Any) -> None:
        main(*arguments, **options)
        require_unchanged(files)

    return checked


def watch_files() -> dict[str, State]:
    """The state of each file of the project that this process has imported; it grows.

    Whatever the process opens for reading from now on is added, and the folders that it lists but
    for those of code, which imports list. What it removes or renames itself no longer counts.
    """
    root, environment = os.getcwd() + os.sep, sys.prefix + os.sep
    apart = {os.path.abspath(path) for path in (PARAMETERS, PINS)}  # compared by their values
    files: dict[str, State] = {}
    code = os.path.join(root, "stages")
    written = os.O_WRONLY | os.O_RDWR | os.O_CREAT

    looking = threading.local()  # what `note` itself opens does not count

    def note(name: str) -> None:
        path = os.path.abspath(name)
        inside = path.startswith(root) and not path.startswith(environment)
        if not inside or hasattr(looking, "now"):
            return
        looking.now = True
        try:
            if path.endswith(".pyc"):
                with suppress(ValueError):  # not in a __pycache__
                    bytecode, path = path, importlib.util.source_from_cache(path)
                    refuse_old_bytecode(path, bytecode)
            if path not in apart and path not in files and ".partial" not in path:
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
            if not os.path.abspath(arguments[0]).startswith(code):
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


def end_with_dvc(parent: int) -> None:
    """Waits until the DVC that started this stage has ended, and then kills this process.

    Else an orphan would go on, and write its outputs over those of the next call. `parent` is the
    number of the parent process when the stage began: DVC, or a shell between them.
    """
    time.sleep(SHORT)
    starter = find_starter()
    while starter is not None and is_alive(starter) and os.getppid() == parent:
        time.sleep(EVERY)
    print("DVC, which started this stage, has ended", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def find_starter() -> Any:
    """The DVC that started this stage, as a psutil.Process; None if it has ended.

    There may be a shell between them, to which DVC has given the name of the stage, too.
    """
    import psutil  # 30 ms

    try:
        for process in psutil.Process().parents():
            if process.pid == 1 or process.name() == "systemd":  # these adopt orphans
                return process if is_python(process) else None
            with suppress(psutil.AccessDenied):  # another user's
                if STAGE in process.environ():
                    continue
            return process
    except psutil.NoSuchProcess:
        pass
    return None


def is_python(process: Any) -> bool:
    """Whether a psutil.Process may be DVC, which is the first process of some containers."""
    import psutil

    try:
        return Path(process.exe()).name.lower().startswith(("python", "dvc"))
    except psutil.AccessDenied:
        return False


def is_alive(process: Any) -> bool:
    """Whether a psutil.Process still runs; a zombie does not."""
    import psutil

    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
