"""A stage ends with the DVC that started it: nobody would record what an orphan does."""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

STAGE = "DVC_STAGE"  # DVC and tools/repro.py set this variable to the name of the stage
SHORT = 0.5  # seconds; a stage that takes less need not know who started it
EVERY = 0.1  # seconds between two looks at the process that started a stage


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
