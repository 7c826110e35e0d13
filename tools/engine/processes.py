"""Runs one stage with DVC in its own process, and ends all processes that it started."""

import multiprocessing
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

from dvc.cli import main as dvc
from dvc.repo import Repo

LOGS = Path("logs")
LAST_LINES = 15  # shown of a failed stage's log
PATIENCE = 5.0  # seconds between asking a process to end and killing it
# Processes are forked from one that has imported DVC: that takes half a second.
PROCESSES = multiprocessing.get_context("forkserver")

RAN, FROM_CACHE, UP_TO_DATE = "ran", "from the cache", "up to date"
FAILED, NOT_RUN = "failed", "not run"


@dataclass
class Processes:
    """The running DVC processes; none starts after `stop`."""

    running: dict[str, BaseProcess] = field(default_factory=dict)
    stopped: bool = False


def preload() -> None:
    """Makes the process that the others are forked from import what all of them need."""
    PROCESSES.set_forkserver_preload(["dvc.cli", "dvc.commands.repro", "tqdm", "typer"])


def reproduce(name: str, processes: Processes) -> tuple[str, float]:
    """Reproduces one stage with DVC, and returns its outcome and the seconds it took."""
    start = time.monotonic()
    if processes.stopped:
        return NOT_RUN, 0.0
    process = PROCESSES.Process(target=run_dvc, args=(name,))
    process.start()
    processes.running[name] = process
    if processes.stopped:  # `stop` ran while it started
        process.terminate()
    process.join()
    del processes.running[name]
    took = time.monotonic() - start
    if process.exitcode:
        return FAILED, took
    said = log_of(name).read_text(encoding="utf-8", errors="replace")
    if "is cached - skipping run" in said:
        return FROM_CACHE, took
    return (RAN if f"Running stage '{name}'" in said else UP_TO_DATE), took


def run_dvc(name: str) -> None:
    """The body of a stage's process: `dvc repro` for it alone, with its output in its log."""
    os.setsid()  # its own process group, to be stopped with all that it started
    with open(os.devnull, "rb") as nothing, log_of(name).open("wb") as log:
        os.dup2(nothing.fileno(), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    sys.exit(dvc(["--wait-for-lock", "repro", "--single-item", name]))


def log_of(name: str) -> Path:
    """The log file of a stage."""
    return LOGS / f"{name.replace('/', '_').replace(':', '_')}.log"


def last_lines(name: str) -> str:
    """The end of a stage's log, indented, and the path of the full log."""
    lines = log_of(name).read_text(encoding="utf-8", errors="replace").splitlines()
    shown = [f"    {line}" for line in lines if line.strip()][-LAST_LINES:]
    return "\n".join([*shown, f"    full log: {log_of(name)}"])


def stop(processes: Processes) -> None:
    """Ends all running stages with all processes that they started.

    It holds DVC's lock, so that none of them is killed while it writes dvc.lock.
    """
    processes.stopped = True
    with Repo(_wait_for_lock=True) as repo, repo.lock:
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            for process in list(processes.running.values()):
                if process.pid:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal_number)
            deadline = time.monotonic() + PATIENCE
            while processes.running and time.monotonic() < deadline:
                time.sleep(0.05)
