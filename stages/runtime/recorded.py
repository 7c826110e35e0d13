"""What DVC records of a stage must be what happened.

DVC hashes what a stage declares after its command has ended. So the stage itself makes sure that
this is what it has read, and ends if nobody is left to record it.
"""

import functools
import importlib.util
import os
import signal
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

State = tuple[int, int]  # of a file: when it was last written, in nanoseconds, and its bytes


def when_recorded(main: Callable[..., None]) -> Callable[..., None]:
    """`main`, with all that is in this module, if DVC records what it does.

    A person may run a stage by hand and close the terminal; then nothing is recorded.
    """
    if STAGE not in os.environ:
        return main
    threading.Thread(target=end_with_dvc, daemon=True).start()
    files = watch_files()

    @functools.wraps(main)
    def checked(*arguments: Any, **options: Any) -> None:
        main(*arguments, **options)
        require_unchanged(files)

    return checked


def watch_files() -> dict[str, State]:
    """The state of each file of the project that this process has imported; it grows.

    Whatever the process opens from now on for reading is added, whichever library opens it, if it
    does so through Python.
    """
    root, environment = os.getcwd() + os.sep, sys.prefix + os.sep
    apart = {os.path.abspath(path) for path in (PARAMETERS, PINS)}  # compared by their values
    files: dict[str, State] = {}
    written = os.O_WRONLY | os.O_RDWR | os.O_CREAT

    def note(name: str) -> None:
        path = os.path.abspath(name)
        if path.endswith(".pyc"):
            path = importlib.util.source_from_cache(path)
        if path.startswith(root) and not path.startswith(environment) and path not in apart:
            state = read_state(path)
            if state is not None:
                files.setdefault(path, state)

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str) and not arguments[2] & written:
            note(arguments[0])

    for module in list(sys.modules.values()):
        name = getattr(module, "__file__", None)
        if name is not None:
            note(name)
    sys.addaudithook(hear)
    return files


def read_state(path: str) -> State | None:
    """The state of a file; None if it is missing or a folder."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size)


def require_unchanged(files: dict[str, State]) -> None:
    """Compares the parameters that this process has read, and `files`, with what they are now.

    Raises:
        InputError: one of them has changed.
    """
    changed = find_changed_parameter()
    for path, before in list(files.items()):
        now = read_state(path)
        if now is not None and now != before:  # DVC itself reports what is missing
            changed = changed or os.path.relpath(path)
    if changed is not None:
        raise InputError(f"{changed} changed while it ran; run again")


def end_with_dvc() -> None:
    """Waits until the DVC that started this stage has ended, and then kills this process.

    Else an orphan would go on, and write its outputs over those of the next call.
    """
    time.sleep(SHORT)
    wait_for_end(find_starter())
    os.kill(os.getpid(), signal.SIGKILL)


def wait_for_end(process: Any) -> None:
    """Waits until a psutil.Process has ended; None has."""
    while process is not None and is_alive(process):
        time.sleep(EVERY)


def find_starter() -> Any:
    """The DVC that started this stage, as a psutil.Process; None if it has ended.

    There may be a shell between them, to which DVC has given the name of the stage, too.
    """
    import psutil  # 30 ms

    try:
        for process in psutil.Process().parents():
            with suppress(psutil.AccessDenied):  # another user's
                if STAGE in process.environ():
                    continue
                adopts_orphans = process.pid == 1 or process.name() == "systemd"
                if adopts_orphans and not is_python(process):
                    return None
            return process
    except psutil.NoSuchProcess:
        pass
    return None


def is_python(process: Any) -> bool:
    """Whether a psutil.Process may be DVC, which is the first process of some containers."""
    return Path(process.exe()).name.lower().startswith(("python", "dvc"))


def is_alive(process: Any) -> bool:
    """Whether a psutil.Process still runs; a zombie does not."""
    import psutil

    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
