"""A folder for one worker alone, also where machines share a file system."""

import fcntl
from pathlib import Path
from typing import TextIO

from stages.runtime.errors import InputError

held: list[TextIO] = []  # locks of this process, which end with it


def claim(folder: Path) -> Path:
    """A folder, or FOLDER-2, FOLDER-3 ... if other workers have it, until this process ends.

    A worker removes what a killed one has left in its folder: it would take it from a live one.

    Raises:
        InputError: the file system has no locks.
    """
    number = 1
    while True:
        own = folder.with_name(f"{folder.name}-{number}") if number > 1 else folder
        own.mkdir(parents=True, exist_ok=True)
        lock = (own / "lock").open("w", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            number += 1
        except OSError as error:
            raise InputError(
                f"{own}: its file system has no locks ({error.strerror}); let the variable "
                "CLUSTER_FOLDER name a folder on this machine's own disk"
            ) from None
        else:
            held.append(lock)
            return own
