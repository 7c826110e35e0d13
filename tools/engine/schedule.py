"""Runs each stage when those that it depends on are done, several in parallel."""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo
from tqdm import tqdm

from stages.runtime.errors import InputError
from stages.runtime.files import atomic_write, write_json
from tools.engine import processes
from tools.engine.claims import claim
from tools.engine.order import expect_seconds, measure_urgency, next_stage, read_seconds
from tools.engine.places import Cluster, Here, Job, Place
from tools.engine.plan import Stage, is_redefined
from tools.engine.processes import LOGS, SECONDS, find_warnings, last_lines, log_of
from tools.engine.record import (
    forget_lists,
    hash_once,
    is_changed,
    read_inputs,
    record,
    restore,
    write_locks,
)
from tools.engine.signals import call_on_signals

LOOK = 1.0  # seconds between two looks at a cluster
WRITE = 5.0  # seconds between two writes of dvc.lock, in which many stages may have ended
RETRY = 0.5  # seconds, while another DVC process uses the files of a stage
RAN, FROM_CACHE, UP_TO_DATE = "ran", "from the cache", "up to date"
FAILED, NOT_RUN, INTERRUPTED = "failed", "not run", "interrupted"


@dataclass(frozen=True)
class Running:
    """A stage whose command runs at a place, with what it depended on when that started."""

    place: Place
    job: Job
    inputs: list[Any]
    started: float = field(default_factory=time.monotonic)

    @property
    def has_ended(self) -> bool:
        """Whether the command has ended."""
        return self.job.exitcode is not None


@dataclass
class Schedule:
    """The stages to run, and how far they are."""

    repo: Repo
    stages: dict[str, Stage]
    jobs: int
    lock_orders: dict[Path, list[str]]  # of the stages, in each dvc.lock
    from_remote: bool = False  # whether what DVC's cache lacks may come from the default remote
    here: Place = field(default_factory=Here)
    cluster: Cluster | None = None
    states: dict[str, str] = field(default_factory=dict)
    running: dict[str, Running] = field(default_factory=dict)
    recorded: list[Stage] = field(default_factory=list)  # and not yet in dvc.lock
    written: float = 0.0  # when dvc.lock was
    seconds: dict[str, float] = field(default_factory=dict)
    messages: set[str] = field(default_factory=set)  # about waiting, each printed once
    interrupted: bool = False
    bar: Any = None

    def run(self) -> None:
        """Runs the stages; of those that are ready, the one with the longest chain goes first.

        The chain is that of the stages that depend on it, in the seconds that they will take.
        """
        self.seconds = read_seconds()
        urgency = measure_urgency(self.stages, expect_seconds(self.stages, self.seconds))
        waiting = sorted(self.stages, key=lambda name: -urgency[name])
        self.bar = tqdm(total=len(waiting), unit="stage", leave=False, disable=None)
        with self.bar, call_on_signals(self.interrupt) as signal_arrived:
            try:
                while (waiting or self.running) and not self.interrupted:
                    forget_lists()
                    if self.cluster is not None:
                        self.cluster.require_connection()
                    for name in [n for n, one in self.running.items() if one.has_ended]:
                        self.finish(name)
                    busy = self.begin_ready(waiting)
                    self.write_locks(at_once=not self.running)
                    self.bar.set_postfix_str(", ".join(self.running))
                    if self.running or busy:
                        self.wait(signal_arrived, RETRY if busy else None)
            finally:
                self.stop()
        with atomic_write(SECONDS) as path:
            write_json(path, self.seconds)

    def interrupt(self) -> None:
        """Begins no more stages, and stops those that run; the second call ends it at once."""
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True

    def begin_ready(self, waiting: list[str]) -> set[str]:
        """Begins stages while some are ready and jobs are free; returns those put off as busy."""
        busy: set[str] = set()
        while not self.interrupted:
            ready = [name for name in waiting if name not in busy]
            name = self.find_next(ready)
            if name is None:
                break
            try:
                with self.repo.lock, hash_once(self.stages[name].of_dvc):
                    self.begin(name)
            except LockError as error:
                busy.add(name)
                message = f"{name} waits: {error}"
                if message not in self.messages:
                    self.bar.write(message, file=sys.stdout)
                    self.messages.add(message)
                continue
            except (DvcException, InputError, OSError) as error:
                self.fail(name, str(error))
            waiting.remove(name)
        return busy

    def find_next(self, waiting: list[str]) -> str | None:
        """The next stage to begin, if one may."""
        running = list(self.running)
        if self.cluster is None:
            return next_stage(self.stages, waiting, self.states, running, self.jobs)
        if self.cluster.shares_machine:  # what is timed here waits until all others have ended
            return next_stage(self.stages, waiting, self.states, running, self.cluster.slots)
        for place, jobs in ((self.cluster, self.cluster.slots), (self.here, self.jobs)):
            own = [name for name in waiting if self.place_of(name) is place]
            busy = [name for name in running if self.running[name].place is place]
            name = next_stage(self.stages, own, self.states, busy, jobs)
            if name is not None:
                return name
        return None

    def place_of(self, name: str) -> Place:
        """Where a stage runs."""
        if self.cluster is not None and self.cluster.can_run(self.stages[name]):
            return self.cluster
        return self.here

    def begin(self, name: str) -> None:
        """Starts the command of a stage, unless it need not or cannot run."""
        stage = self.stages[name]
        if any(self.states[before] in (FAILED, NOT_RUN) for before in stage.upstream):
            self.note(name, NOT_RUN)
        elif not is_changed(stage.of_dvc):
            self.note(name, UP_TO_DATE)
        elif is_redefined(stage):
            raise InputError("its definition in dvc.yaml has changed; run again")
        elif stage.of_dvc.frozen or not stage.of_dvc.cmd:  # nothing to run: DVC alone knows
            self.note(name, RAN if self.let_dvc_reproduce(stage) else UP_TO_DATE)
        else:
            self.claim(stage)
            inputs = read_inputs(stage.of_dvc)
            if restore(stage.of_dvc, self.from_remote):
                record(stage, inputs, restored=True)
                self.recorded.append(stage)
                self.note(name, FROM_CACHE)
            else:
                place = self.place_of(name)
                self.running[name] = Running(place, place.start(stage, log_of(name)), inputs)

    def let_dvc_reproduce(self, stage: Stage) -> bool:
        """Reproduces a stage without a command, or that is frozen; whether there was work."""
        if not stage.of_dvc.reproduce():
            return False
        if stage.of_dvc.cmd:
            self.recorded.append(stage)
        else:
            stage.of_dvc.dump()
        return True

    def finish(self, name: str) -> None:
        """Records a stage whose command has ended."""
        one = self.running.pop(name)
        took, where = time.monotonic() - one.started, ""
        try:
            with self.repo.lock, hash_once(self.stages[name].of_dvc):
                self.claim(self.stages[name])
                ended = one.place.collect(self.stages[name], one.job, log_of(name))
                took, where = ended.seconds or took, ended.where
                record(self.stages[name], one.inputs, restored=False)
                self.claim()
        except (DvcException, InputError, OSError) as error:
            self.fail(name, str(error), took)
            return
        self.recorded.append(self.stages[name])
        self.seconds[name] = round(took, 1)
        self.note(name, RAN, took, where)
        for line in find_warnings(name):
            self.bar.write(line, file=sys.stdout)

    def claim(self, *more: Stage) -> None:
        """Claims the files of the stages that run, and of `more`."""
        stages = [*(self.stages[name] for name in self.running), *more]
        claim(self.repo, [stage.of_dvc for stage in stages])

    def wait(self, signal_arrived: int, seconds: float | None) -> None:
        """Waits until a command ends or a signal arrives, at most for so long."""
        if self.cluster is not None:
            seconds = min(seconds or LOOK, LOOK)
        sentinels = [one.job.sentinel for one in self.running.values()]
        processes.wait([signal_arrived, *sentinels], seconds)

    def write_locks(self, at_once: bool = True) -> None:
        """Writes what was recorded to dvc.lock; for a cluster not more often than every WRITE.

        Each takes 10 ms per stage that is in it. What is missing in it is in DVC's run cache.
        """
        late = self.cluster is None or time.monotonic() - self.written > WRITE
        if self.recorded and (at_once or late):
            self.written = time.monotonic()
            with self.repo.lock:
                write_locks(self.recorded, self.lock_orders)
            self.recorded = []

    def fail(self, name: str, reason: str, took: float | None = None) -> None:
        """Says why a stage failed, in the output and at the end of its log."""
        LOGS.mkdir(exist_ok=True)
        with log_of(name).open("a" if took else "w", encoding="utf-8") as log:
            log.write(f"{name}: {reason}\n")
        self.note(name, FAILED, took)
        self.bar.write(last_lines(name), file=sys.stdout)

    def note(self, name: str, state: str, took: float | None = None, where: str = "") -> None:
        """Keeps and prints the outcome of a stage, and on which other machine it ran."""
        self.states[name] = state
        time_taken = "" if took is None else f"{took:8.1f} s"
        if state != UP_TO_DATE:
            line = f"{name:40} {state:15} {time_taken}   {where}"
            self.bar.write(line.rstrip(), file=sys.stdout)
        self.bar.update()

    def stop(self) -> None:
        """Ends the commands that still run, after an interruption, and writes what is recorded."""
        for place in dict.fromkeys(id(one.place) for one in self.running.values()):
            own = [one for one in self.running.values() if id(one.place) == place]
            own[0].place.stop([one.job for one in own])
        for name in self.running:
            self.note(name, INTERRUPTED)
        self.running = {}
        self.write_locks()
        with self.repo.lock:
            self.claim()
