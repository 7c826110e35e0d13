"""Wall time and peak memory of a command and all processes that it starts."""

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from threading import Event

import psutil
import typer

from stages.runtime.errors import InputError

EVERY = 0.2  # seconds between two samples of the memory: a shorter peak may be missed
LAST_LINES = 10  # shown of a failed command's output


@dataclass(frozen=True)
class Measured:
    """What a command took, in seconds and megabytes (a million bytes), and what it printed."""

    seconds: float
    peak_mb: float
    output: str

    def numbers(self) -> dict[str, float]:
        """Seconds and peak memory, rounded."""
        return {"seconds": round(self.seconds, 3), "peak_mb": round(self.peak_mb, 1)}


def announce(title: str, command: list[str | Path], cwd: Path) -> Measured:
    """Measures a command; prints `title` before, and time and memory after."""
    typer.echo(f"{title:60}", nl=False)
    measured = measure(command, cwd)
    typer.echo(f"{measured.seconds:9.1f} s {measured.peak_mb:8,.0f} MB")
    return measured


def measure(command: list[str | Path], cwd: Path) -> Measured:
    """Runs a command to its end.

    Raises:
        InputError: it failed; the message ends with the last lines that it printed.
    """
    with TemporaryFile() as output, TemporaryFile() as errors, ThreadPoolExecutor(1) as pool:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=errors
        )
        ended = Event()
        watched = pool.submit(watch, process.pid, ended)
        try:
            status = process.wait()  # blocks: with a timeout it would poll
            seconds = time.perf_counter() - start
        finally:
            process.terminate()  # it has ended, unless this is interrupted
            process.wait()
            ended.set()
        said = []
        for file in (output, errors):
            file.seek(0)
            said.append(file.read().decode(errors="replace"))
        if status:
            last = "".join(said).splitlines()[-LAST_LINES:]
            raise InputError(f"`{' '.join(map(str, command))}` failed: {' / '.join(last)}")
        return Measured(seconds, watched.result() / 1e6, said[0])


def watch(pid: int, ended: Event) -> int:
    """The most bytes that a process and its descendants used at a time, until `ended` is set."""
    peak = 0
    while True:
        try:
            process = psutil.Process(pid)
            tree = [process, *process.children(recursive=True)]
        except psutil.Error:
            return peak
        peak = max(peak, sum(map(count_bytes, tree)))
        if ended.wait(EVERY):
            return peak


def count_bytes(process: psutil.Process) -> int:
    """The memory of one process; on Linux, shared memory is divided among its processes."""
    try:
        memory = process.memory_full_info()
    except psutil.Error:  # it has just ended
        return 0
    return int(getattr(memory, "pss", memory.rss))
