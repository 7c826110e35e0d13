"""Running one stage by DVC in a process of its own, and ending all that it started."""

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
LAST_LINES = 15  # of a failed stage's log, shown
PATIENCE = 5.0  # seconds between asking a process to end and killing it
# Processes fork off one that has imported DVC, which takes half a second.
PROCESSES = multiprocessing.get_context("forkserver")

RAN, FROM_CACHE, UP_TO_DATE = "ran", "from the cache", "up to date"
FAILED, NOT_RUN = "failed", "not run"


@dataclass
class Processes:
    """The running DVC processes; none starts after `stop`."""

    running: dict[str, BaseProcess] = field(default_factory=dict)
    stopped: bool = False


def preload() -> None:
    """Has the process that the others fork off import what all of them need."""
    PROCESSES.set_forkserver_preload(["dvc.cli", "dvc.commands.repro", "tqdm", "typer"])


def reproduce(name: str, processes: Processes) -> tuple[str, float]:
    """Lets DVC reproduce one stage, and returns what became of it and the seconds it took."""
    start = time.monotonic()
    if processes.stopped:
        return NOT_RUN, 0.0
    process = PROCESSES.Process(target=run_dvc, args=(name,))
    process.start()
    processes.running[name] = process
    if processes.stopped:  # while it started
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
    """What the process of a stage does: `dvc repro` of it alone, its output in the stage's log."""
    os.setsid()  # a group of its own, to be stopped with all that it started
    with open(os.devnull, "rb") as nothing, log_of(name).open("wb") as log:
        os.dup2(nothing.fileno(), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    sys.exit(dvc(["--wait-for-lock", "repro", "--single-item", name]))


def log_of(name: str) -> Path:
    """Where the output of a stage goes."""
    return LOGS / f"{name.replace('/', '_').replace(':', '_')}.log"


def last_lines(name: str) -> str:
    """The end of a stage's log, indented, and where all of it stands."""
    lines = log_of(name).read_text(encoding="utf-8", errors="replace").splitlines()
    shown = [f"    {line}" for line in lines if line.strip()][-LAST_LINES:]
    return "\n".join([*shown, f"    all of it: {log_of(name)}"])


def stop(processes: Processes) -> None:
    """Ends all running stages with all processes that they started.

    While DVC's lock is held here, none of them is writing dvc.lock.
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
