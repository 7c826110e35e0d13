"""Runs trials side by side, each stage of theirs in a folder of its own."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

from dvc.exceptions import DvcException

from stages.runtime.errors import InputError
from stages.runtime.files import remove
from tools.engine import processes
from tools.engine.plan import command_of
from tools.engine.processes import LOGS, has_ended
from tools.engine.signals import call_on_signals
from tools.trials.lab import Lab
from tools.trials.progress import Need, Progress, advance, go_to_gates, open_gates
from tools.trials.results import find_reason, read_epochs, read_outcome
from tools.trials.rows import write_row
from tools.trials.trial import FAILED, STOPPED, Outcome, Trial

POLL = 0.3  # seconds between two looks at the epochs of a training
Row = Mapping[str, float]
Stop = Callable[[int, Sequence[Row]], bool]


@dataclass
class Running:
    """A stage that runs, in a folder, with a log, for some trials by number."""

    need: Need
    process: BaseProcess
    folder: Path
    log: Path
    trials: set[int]
    started: float = field(default_factory=time.monotonic)
    epochs: int = 0


@dataclass
class Trials:
    """Trials that are made, by number: those in progress, and what came of the others."""

    lab: Lab
    jobs: int
    report: Callable[[int, Outcome], None]
    stop: Stop | None = None
    progress: dict[int, Progress] = field(default_factory=dict)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    running: dict[str, Running] = field(default_factory=dict)  # by key
    failed: dict[str, str] = field(default_factory=dict)  # why, by key
    interrupted: bool = False

    def run(self) -> None:
        """Makes all trials; those that come first begin first.

        Raises:
            KeyboardInterrupt: it was interrupted.
        """
        with call_on_signals(self.interrupt) as signal_arrived:
            try:
                while self.progress and not self.interrupted:
                    for key in [key for key, one in self.running.items() if has_ended(one.process)]:
                        self.finish(key)
                    self.advance_all()
                    if self.running:
                        sentinels = [one.process.sentinel for one in self.running.values()]
                        processes.wait([signal_arrived, *sentinels], POLL if self.stop else None)
                        self.look_at_epochs()
            finally:
                processes.stop([one.process for one in self.running.values()])
        if self.interrupted:
            raise KeyboardInterrupt

    def interrupt(self) -> None:
        """Begins no more stages, and stops those that run; the second call ends it at once."""
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True

    def advance_all(self) -> None:
        """Takes each trial as far as it comes, and begins stages while jobs are free."""
        waiting = {number for one in self.running.values() for number in one.trials}
        for number, progress in list(self.progress.items()):
            if number in waiting:
                continue
            try:
                need = advance(self.lab, progress)
                if need is None:
                    self.succeed(number, progress)
                elif need.key in self.failed:
                    self.end(number, Outcome(FAILED, reason=self.failed[need.key]))
                elif need.key in self.running:
                    self.running[need.key].trials.add(number)
                elif len(self.running) < self.jobs:
                    self.running[need.key] = self.begin(need, number)
                else:
                    break
            except (InputError, DvcException, OSError) as error:
                self.end(number, Outcome(FAILED, reason=str(error)))

    def begin(self, need: Need, number: int) -> Running:
        """Starts the command of a stage in a folder of its own."""
        contents = self.progress[number].contents
        folder = self.lab.lay_out(need.link, need.entry, contents, need.key)
        commands, shell, _, environment = command_of(need.link.of_dvc)
        log = Path(f"{folder}.log").absolute()
        process = processes.start(commands, shell, str(folder.absolute()), environment, log)
        return Running(need, process, folder, log, {number})

    def finish(self, key: str) -> None:
        """Records a stage whose command has ended; its trials go on, or end if it failed."""
        one = self.running.pop(key)
        took = time.monotonic() - one.started
        try:
            if one.process.exitcode:
                raise InputError(find_reason(one.log, one.process.exitcode))
            self.lab.record(one.need.link, one.need.entry, key, one.folder)
        except (InputError, DvcException, OSError) as error:
            kept = LOGS / "trials" / f"{one.need.link.name.replace('@', '-')}-{key[:7]}.log"
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(one.log, kept)
            self.failed[key] = f"{error} ({kept})"
        for number in one.trials:
            self.progress[number].seconds = took
        remove(one.folder)
        one.log.unlink()

    def look_at_epochs(self) -> None:
        """Stops the trainings that `stop` finds hopeless, when they have ended another epoch."""
        for key, one in list(self.running.items()) if self.stop else ():
            rows = read_epochs(one.log)
            if len(rows) == one.epochs or has_ended(one.process):
                continue
            one.epochs = len(rows)
            if self.stop and all(self.stop(number, rows) for number in sorted(one.trials)):
                del self.running[key]
                processes.stop([one.process])
                remove(one.folder)
                for number in one.trials:
                    reason = f"stopped after epoch {len(rows)}"
                    self.end(number, Outcome(STOPPED, key, reason=reason, curve=tuple(rows)))

    def succeed(self, number: int, progress: Progress) -> None:
        """Reads what came of a trial whose last stage has its outputs."""
        if progress.for_gates:
            open_gates(self.lab, progress)
            del self.progress[number]
        else:
            self.end(number, read_outcome(self.lab, progress, progress.seconds))

    def end(self, number: int, outcome: Outcome) -> None:
        """Keeps what came of a trial, with a row in the table of trials, and reports it."""
        progress = self.progress.pop(number)
        if progress.for_gates:
            raise InputError(outcome.reason)
        self.outcomes[number] = outcome
        write_row(progress.trial, outcome)
        self.report(number, outcome)


def run_trials(
    lab: Lab,
    trials: Sequence[Trial],
    jobs: int | None = None,
    report: Callable[[int, Outcome], None] = lambda number, outcome: None,
    stop: Stop | None = None,
) -> list[Outcome]:
    """What comes of `trials`, made side by side, `jobs` at a time; by default, one per core.

    `report` is called with the number of each that has ended, in the order in which they end, and
    `stop` with that of each that has ended another epoch, and its learning curve: if it returns
    true, the trial is stopped. A stage that several trials need runs once, and not at all if it has
    ever run with the same inputs. A trial that fails does not end the others.

    Raises:
        InputError: the gates of the pipeline are not passed with the values of params.yaml.
        KeyboardInterrupt: it was interrupted; what had ended is recorded.
    """
    made = Trials(lab, jobs or processes.count_cores(), report, stop)
    if not lab.gates:
        made.progress = {-1: go_to_gates(lab)}
        made.run()
    for number, trial in enumerate(trials):
        made.progress[number] = Progress(trial, {}, {})
    for number, progress in list(made.progress.items()):
        try:
            progress.parameters = lab.find_parameters(progress.trial)
        except InputError as error:
            made.end(number, Outcome(FAILED, reason=str(error)))
    made.run()
    return [made.outcomes[number] for number in range(len(trials))]
