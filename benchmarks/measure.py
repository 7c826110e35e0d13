"""Wall and CPU seconds, and peak memory, of a command and all processes that it starts."""

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import psutil
import typer

from benchmarks import supervise
from stages.runtime.errors import InputError

EVERY = 0.5  # seconds between two samples of the memory: a shorter peak may be missed
MORE = 1.02  # times as much memory: what the peak may be off by
LAST_LINES = 10  # shown of a failed command's output
PATIENCE = 5.0  # seconds for the processes that a command leaves behind, to end


@dataclass(frozen=True)
class Measured:
    """What a command took, in seconds and megabytes (a million bytes), and what it printed."""

    seconds: float
    cpu_seconds: float
    output: str
    peak_mb: float | None = None  # if it was watched

    def numbers(self) -> dict[str, float]:
        """Seconds and peak memory, rounded."""
        seconds = {"seconds": round(self.seconds, 3), "cpu_seconds": round(self.cpu_seconds, 3)}
        return seconds if self.peak_mb is None else seconds | {"peak_mb": round(self.peak_mb, 1)}


def announce(
    title: str, command: list[str | Path], cwd: Path, watch_memory: bool = True
) -> Measured:
    """Measures a command; prints `title` before, and time and memory after."""
    typer.echo(f"{title:66}", nl=False)
    took = measure(command, cwd, watch_memory)
    memory = "" if took.peak_mb is None else f" {took.peak_mb:8,.0f} MB"
    typer.echo(f"{took.seconds:7.1f} s, CPU {took.cpu_seconds:7.1f} s{memory}")
    return took


def measure(command: list[str | Path], cwd: Path, watch_memory: bool = True) -> Measured:
    """Runs a command until it and all processes that it started have ended.

    Raises:
        InputError: it failed; the message ends with the last lines that it printed. Or one of its
            processes ran on for `PATIENCE` seconds.
    """
    with TemporaryDirectory() as name, ThreadPoolExecutor(1) as pool:
        output, errors, report = (Path(name) / part for part in ("output", "errors", "report"))
        supervised = [sys.executable, "-IS", supervise.__file__, report, str(PATIENCE), *command]
        with output.open("wb") as out, errors.open("wb") as err:
            process = subprocess.Popen(
                supervised, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )
        ended = Event()
        watched = pool.submit(watch, process.pid, ended) if watch_memory else None
        try:
            status = process.wait()
        finally:
            process.terminate()  # it has ended, unless this is interrupted
            process.wait()
            ended.set()
        if status == -signal.SIGALRM:
            raise InputError(f"`{join(command)}` ended, but left a process running: stop it")
        said = [file.read_text(encoding="utf-8", errors="replace") for file in (output, errors)]
        if status:
            last = "".join(said).splitlines()[-LAST_LINES:]
            raise InputError(f"`{join(command)}` failed: {' / '.join(last)}")
        times = json.loads(report.read_text(encoding="utf-8"))
        peak_mb = watched.result() / 1e6 if watched else None
        return Measured(**times, output=said[0], peak_mb=peak_mb)


def join(command: list[str | Path]) -> str:
    """A command as a person types it."""
    return " ".join(map(str, command))


def watch(pid: int, ended: Event) -> int:
    """The most bytes that the descendants of a process used at a time, until `ended` is set.

    Dividing shared memory takes 15 ms for a process with TensorFlow, for which a core that the
    command needs is busy. So it is divided only when clearly more than before is in use, undivided.
    """
    peak = most = 0
    while True:
        try:
            descendants = psutil.Process(pid).children(recursive=True)
        except psutil.Error:
            return peak
        undivided = sum(count_bytes(process, divided=False) for process in descendants)
        if undivided > MORE * most:
            most = undivided
            peak = max(peak, sum(count_bytes(process, divided=True) for process in descendants))
        if ended.wait(EVERY):
            return peak


def count_bytes(process: psutil.Process, divided: bool) -> int:
    """The memory of one process; `divided`, as Linux can: shared memory among its processes."""
    try:
        memory = process.memory_full_info() if divided else process.memory_info()
    except psutil.Error:  # it has just ended
        return 0
    return int(getattr(memory, "pss", memory.rss))
