"""Reproduces the pipeline like `dvc repro`, but runs independent stages side by side.

.venv/bin/python -m tools.repro [--jobs 2]
"""

import multiprocessing
import os
import signal
import sys
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from dvc.cli import main as dvc
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
from dvc.utils.serialize import modify_yaml
from tqdm import tqdm

from stages.runtime.command import run
from stages.runtime.errors import InputError
from stages.runtime.files import read_json, write_json, written_whole
from tools.revisions.stages import read_lock

LOGS = Path("logs")
SECONDS = LOGS / "seconds.json"  # of each stage when it last ran
UNKNOWN_SECONDS = 10.0
LAST_LINES = 15  # of a failed stage's log, shown
PATIENCE = 5.0  # seconds between asking a process to end and killing it
# Processes fork off one that has imported DVC, which takes half a second.
PROCESSES = multiprocessing.get_context("forkserver")

RAN, FROM_CACHE, UP_TO_DATE = "ran", "from the cache", "up to date"
FAILED, NOT_RUN, INTERRUPTED = "failed", "not run", "interrupted"


@dataclass
class Stage:
    """A stage: those right before it, and whether nothing may run beside it (`meta.alone`)."""

    upstream: list[str]
    alone: bool
    stale: bool  # something that it reads or writes is not as in dvc.lock


@dataclass
class Processes:
    """The running DVC processes; none starts after `stop`."""

    running: dict[str, BaseProcess] = field(default_factory=dict)
    stopped: bool = False


def main(
    jobs: Annotated[
        int | None, typer.Option(min=1, help="stages at once; left out: the cores")
    ] = None,
) -> None:
    """Runs the stages of dvc.yaml that changed, and those they need, as many at once as `jobs`.

    A line a stage; what it prints goes to logs/STAGE.log. After a failure the stages that do not
    depend on it still run, and the exit code is 1. Ctrl-C stops all; the next call goes on.
    """
    signal.signal(signal.SIGTERM, raise_interrupt)
    PROCESSES.set_forkserver_preload(["dvc.cli", "dvc.commands.repro", "tqdm", "typer"])
    try:
        stages = read_stages()
    except DvcException as error:
        raise InputError(f"dvc.yaml: {error}") from None
    lock_order = read_lock_order()
    states: dict[str, str] = {}
    try:
        work_off(stages, jobs or count_cores(), states)
    finally:
        if set(states.values()) != {UP_TO_DATE}:
            sort_lock(lock_order, list(stages))
    counts = [
        f"{list(states.values()).count(state)} {state}" for state in dict.fromkeys(states.values())
    ]
    typer.echo(f"{len(stages)} stages: {', '.join(counts)}")
    if INTERRUPTED in states.values():
        raise typer.Exit(130)
    if FAILED in states.values():
        raise typer.Exit(1)


def raise_interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Lets SIGTERM stop the stages as Ctrl-C does."""
    raise KeyboardInterrupt


def count_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_stages() -> dict[str, Stage]:
    """The stages of dvc.yaml and those of other files that they need, as DVC sees them.

    In the order in which `dvc repro` goes through them.
    """
    with Repo(_wait_for_lock=True) as repo:
        graph = get_active_graph(repo.index.graph)
        plan = plan_repro(graph, collect_stages(repo, ["dvc.yaml"]))
        status = repo.status(targets=["dvc.yaml"], with_deps=True)
        return {
            stage.addressing: Stage(
                upstream=[before.addressing for before in graph.successors(stage)],
                alone=bool((stage.meta or {}).get("alone")),
                stale=stage.addressing in status,
            )
            for stage in plan
        }


def work_off(stages: dict[str, Stage], jobs: int, states: dict[str, str]) -> None:
    """Runs the stages, each once those before it are done, and notes in `states` what became of it.

    Of those that are ready, the one first that most time depends on, going by when it last ran.
    """
    seconds = read_json(SECONDS) if SECONDS.exists() else {}
    urgency = measure_urgency(stages, seconds)
    waiting = sorted(stages, key=lambda name: -urgency[name])
    processes = Processes()
    futures: dict[Future[tuple[str, float]], str] = {}
    LOGS.mkdir(exist_ok=True)
    with (
        ThreadPoolExecutor(jobs) as pool,
        tqdm(total=len(stages), unit="stage", leave=False, disable=None) as bar,
    ):

        def note(name: str, state: str, took: float | None = None) -> None:
            states[name] = state
            time_taken = "" if took is None else f"{took:8.1f} s"
            if state != UP_TO_DATE:
                bar.write(f"{name:40} {state:15} {time_taken}".rstrip(), file=sys.stdout)
            bar.update()

        try:
            while waiting or futures:
                while name := next_stage(stages, waiting, states, list(futures.values()), jobs):
                    waiting.remove(name)
                    upstream = [states[before] for before in stages[name].upstream]
                    if any(state in (FAILED, NOT_RUN) for state in upstream):
                        note(name, NOT_RUN)
                    elif stages[name].stale or any(s in (RAN, FROM_CACHE) for s in upstream):
                        futures[pool.submit(reproduce, name, processes)] = name
                    else:
                        note(name, UP_TO_DATE)
                bar.set_postfix_str(", ".join(futures.values()))
                for future in wait(futures, return_when=FIRST_COMPLETED).done:
                    name = futures.pop(future)
                    state, took = future.result()
                    note(name, state, took)
                    if state == RAN:
                        seconds[name] = round(took, 1)
                    if state == FAILED:
                        bar.write(last_lines(name), file=sys.stdout)
        except KeyboardInterrupt:
            stop(processes)
            for name in futures.values():
                note(name, INTERRUPTED)
    with written_whole(SECONDS) as path:
        write_json(path, seconds)


def measure_urgency(stages: dict[str, Stage], seconds: dict[str, float]) -> dict[str, float]:
    """Of each stage, the seconds of the longest chain that starts with it."""
    urgency = {name: seconds.get(name, UNKNOWN_SECONDS) for name in stages}
    for name in reversed(stages):  # a stage stands after those before it
        for before in stages[name].upstream:
            own = seconds.get(before, UNKNOWN_SECONDS)
            urgency[before] = max(urgency[before], own + urgency[name])
    return urgency


def next_stage(
    stages: dict[str, Stage],
    waiting: list[str],
    states: dict[str, str],
    running: list[str],
    jobs: int,
) -> str | None:
    """The first that waits of those whose upstream is done, if it may run beside the others.

    For a stage that runs alone the others end first, and none starts meanwhile.
    """
    if len(running) >= jobs or any(stages[name].alone for name in running):
        return None
    ready = (name for name in waiting if all(b in states for b in stages[name].upstream))
    name = next(ready, None)
    return None if name and stages[name].alone and running else name


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


def read_lock_order() -> list[str]:
    """The names of the stages in dvc.lock, in their order there."""
    if not Path("dvc.lock").exists():
        return []
    return list(read_lock(Path("dvc.lock").read_text(encoding="utf-8")))


def sort_lock(before: list[str], plan: list[str]) -> None:
    """Orders dvc.lock as `dvc repro` would have: what stood there stays, the rest follows `plan`.

    DVC itself appends a stage when it is done, so side by side the order is one of chance.
    """
    order = [*before, *(name for name in plan if name not in before)]
    present = read_lock_order()
    if present == [name for name in order if name in present]:
        return
    with Repo(_wait_for_lock=True) as repo, repo.lock, modify_yaml("dvc.lock") as lock:
        stages = lock["stages"]
        for name in order:
            if name in stages:
                stages[name] = stages.pop(name)


if __name__ == "__main__":
    run(main, "pipeline")
