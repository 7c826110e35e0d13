"""The boundary of the program: whatever a file contains, it is read, or refused in one line."""

import errno
import resource
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from stages.runtime.errors import InputError

ACCESS = {errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}
REASON = 120  # characters of what a library says
MB = 1_000_000
LARGEST_SPLIT = 8_000 * MB  # bytes of a split's images, which memory must hold


@contextmanager
def reading(name: Path | str, kind: str, remedy: str) -> Iterator[None]:
    """For a block that reads one input: whatever its content causes becomes one `InputError`.

    `kind` says what was expected, such as "PNG file". The block's own InputErrors pass, and so does
    a NameError, which no input causes.
    """
    try:
        yield
    except (InputError, NameError):
        raise
    except MemoryError as error:
        raise InputError(f"{name}: takes more memory than there is ({reason_of(error)})") from error
    except Exception as error:  # of any library that reads a format
        if isinstance(error, OSError) and error.errno:
            raise InputError(describe(name, error, remedy)) from None
        raise InputError(f"{name}: not a valid {kind} ({reason_of(error)}); {remedy}") from error


def describe(name: Path | str, error: OSError, remedy: str) -> str:
    """What the system says of a file, in one line."""
    if isinstance(error, FileNotFoundError) and str(error.filename) == str(name):
        return f"{name}: missing; {remedy}"
    other = "" if str(error.filename) in (str(name), "None") else f": {error.filename}"
    hint = "check its name and permissions" if error.errno in ACCESS else remedy
    return f"{name}: {error.strerror}{other}; {hint}"


def require_file(path: Path, largest: int, remedy: str) -> None:
    """Refuses anything but a regular file of at most `largest` bytes: a pipe may never end.

    Raises:
        InputError: it is missing, or is not one.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise InputError(describe(path, error, remedy)) from None
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path}: not a file; {remedy}")
    require_at_most(largest, found.st_size, path, remedy)


def require_at_most(largest: int, size: int, name: Path | str, remedy: str) -> None:
    """Raises InputError if an input has a `size` of more than `largest` bytes."""
    if size > largest:
        raise InputError(
            f"{name}: {size / MB:,.0f} MB; at most {largest / MB:,.0f} MB are read; {remedy}"
        )


def reason_of(error: Exception) -> str:
    """What an error says, in a few words."""
    text = " ".join(str(error).rpartition("Status Message: ")[2].split())  # of ONNX Runtime
    if not text or isinstance(error, LookupError | AttributeError):  # `'x'` alone says nothing
        text = f"{type(error).__name__} {text}".strip()
    return text if len(text) <= REASON else f"{text[:REASON]}..."


@contextmanager
def limit_memory(more: int) -> Iterator[None]:
    """For a block that computes what an input asks for: at most `more` bytes than now.

    Then a library that allocates fails as when there is none left, long before the system must end
    processes. Only on Linux.
    """
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    used = next((line.split()[1] for line in lines if line.startswith("VmData:")), None)
    if used is None:
        yield
        return
    before, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limits = [before, hard, int(used) * 1024 + more]
    lowest = min(limit for limit in limits if limit != resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_DATA, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, hard))


@contextmanager
def limit_time(seconds: float) -> Iterator[None]:
    """For a block that reads an input: a TimeoutError if it takes longer.

    Python raises it between two calls of a library, and only in the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"takes more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
