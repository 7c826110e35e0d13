"""Reproduces the pipeline like `dvc repro`, but runs independent stages in parallel.

.venv/bin/python -m tools.repro [--jobs 2]
"""

import os
import signal
import sys
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import FrameType
from typing import Annotated

import typer
from dvc.exceptions import DvcException
from tqdm import tqdm

from stages.runtime.command import run
from stages.runtime.errors import InputError
from stages.runtime.files import atomic_write, read_json, write_json
from tools.engine.lock_order import read_lock_order, sort_lock
from tools.engine.plan import Stage, read_stages
from tools.engine.processes import (
    FAILED,
    FROM_CACHE,
    LOGS,
    NOT_RUN,
    RAN,
    UP_TO_DATE,
    Processes,
    last_lines,
    preload,
    reproduce,
    stop,
)

SECONDS = LOGS / "seconds.json"  # that each stage took when it last ran
UNKNOWN_SECONDS = 10.0
INTERRUPTED = "interrupted"


def main(
    jobs: Annotated[
        int | None, typer.Option(min=1, help="stages in parallel; default: one per core")
    ] = None,
) -> None:
    """Runs the stages of dvc.yaml that changed, and those they need, up to `jobs` in parallel.

    Prints one line per stage; its output goes to logs/STAGE.log. After a failure, the stages that
    do not depend on it still run, and the exit code is 1. Ctrl-C stops all; the next call goes on.
    """
    signal.signal(signal.SIGTERM, raise_interrupt)
    preload()
    try:
        stages = read_stages()
    except DvcException as error:
        raise InputError(f"dvc.yaml: {error}") from None
    lock_order = read_lock_order()
    states: dict[str, str] = {}
    try:
        run_stages(stages, jobs or count_cores(), states)
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
    """Makes SIGTERM stop the stages as Ctrl-C does."""
    raise KeyboardInterrupt


def count_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_stages(stages: dict[str, Stage], jobs: int, states: dict[str, str]) -> None:
    """Runs each stage when those that it depends on are done, and writes its outcome to `states`.

    Of the ready stages, it starts the one whose chain of dependent stages took longest last time.
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
    with atomic_write(SECONDS) as path:
        write_json(path, seconds)


def measure_urgency(stages: dict[str, Stage], seconds: dict[str, float]) -> dict[str, float]:
    """For each stage, the seconds of the longest chain that starts with it."""
    urgency = {name: seconds.get(name, UNKNOWN_SECONDS) for name in stages}
    for name in reversed(stages):  # a stage is after those that it depends on
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
    """The first waiting stage whose upstream is done, if it may run in parallel with the others.

    A stage that runs alone waits until the others end, and no other starts meanwhile.
    """
    if len(running) >= jobs or any(stages[name].alone for name in running):
        return None
    ready = (name for name in waiting if all(b in states for b in stages[name].upstream))
    name = next(ready, None)
    return None if name and stages[name].alone and running else name


if __name__ == "__main__":
    run(main, "pipeline")
