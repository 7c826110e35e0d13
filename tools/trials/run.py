"""Runs trials side by side, each stage of theirs in a folder of its own."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dvc.exceptions import DvcException

from stages.runtime.errors import InputError
from stages.runtime.files import remove
from tools.engine import processes
from tools.engine.places import Ended
from tools.engine.processes import LOGS
from tools.engine.signals import call_on_signals
from tools.trials.bench import Bench, Here, Work
from tools.trials.lab import Lab
from tools.trials.progress import Progress, advance, go_to_gates, open_gates
from tools.trials.results import read_epochs, read_outcome
from tools.trials.rows import write_row
from tools.trials.trial import FAILED, STOPPED, Outcome, Trial

POLL = 0.3  # seconds between two looks at the epochs of a training
LOOK = 1.0  # seconds between two looks at where the stages run
Row = Mapping[str, float]
Stop = Callable[[int, Sequence[Row]], bool]


@dataclass
class Trials:
    """Trials that are made, by number: those in progress, and what came of the others."""

    lab: Lab
    bench: Bench
    report: Callable[[int, Outcome], None]
    stop: Stop | None = None
    progress: dict[int, Progress] = field(default_factory=dict)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    running: dict[str, Work] = field(default_factory=dict)  # by key
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
                    self.bench.check()
                    for key in [key for key, work in self.running.items() if work.has_ended]:
                        self.finish(key)
                    self.advance_all()
                    if self.running:
                        sentinels = [work.job.sentinel for work in self.running.values()]
                        processes.wait([signal_arrived, *sentinels], POLL if self.stop else LOOK)
                        self.look_at_epochs()
            finally:
                self.bench.stop(list(self.running.values()))
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
                elif len(self.running) < self.bench.jobs:
                    self.running[need.key] = self.bench.begin(self.lab, progress, need)
                    self.running[need.key].trials.add(number)
                else:
                    break
            except (InputError, DvcException, OSError) as error:
                self.end(number, Outcome(FAILED, reason=str(error)))

    def finish(self, key: str) -> None:
        """Records a stage whose command has ended; its trials go on, or end if it failed."""
        one = self.running.pop(key)
        ended = Ended(0.0)
        try:
            ended = self.bench.finish(self.lab, self.progress[min(one.trials)], one)
        except (InputError, DvcException, OSError) as error:
            kept = LOGS / "trials" / f"{one.need.link.name.replace('@', '-')}-{key[:7]}.log"
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(one.log, kept)
            self.failed[key] = f"{error} ({kept})"
        for number in one.trials:
            self.progress[number].ended = ended
        remove(one.folder)
        one.log.unlink()

    def look_at_epochs(self) -> None:
        """Stops the trainings that `stop` finds hopeless, when they have ended another epoch."""
        for key, one in list(self.running.items()) if self.stop else ():
            rows = read_epochs(one.log)
            if len(rows) == one.epochs or one.has_ended:
                continue
            one.epochs = len(rows)
            if self.stop and all(self.stop(number, rows) for number in sorted(one.trials)):
                del self.running[key]
                self.bench.stop([one])
                for number in one.trials:
                    reason = f"stopped after epoch {len(rows)}"
                    self.end(number, Outcome(STOPPED, key, reason=reason, curve=tuple(rows)))

    def succeed(self, number: int, progress: Progress) -> None:
        """Reads what came of a trial whose last stage has its outputs."""
        if progress.for_gates:
            open_gates(self.lab, progress)
            del self.progress[number]
        else:
            outcome = read_outcome(self.lab, progress, progress.ended.seconds or 0.0)
            self.end(number, replace(outcome, where=progress.ended.where))

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
    cluster: Bench | None = None,
) -> list[Outcome]:
    """What comes of `trials`, made side by side, `jobs` at a time; by default, one per core.

    With a `cluster`, they are made there, and what is done before the first one, here.

    `report` is called with the number of each that has ended, in the order in which they end, and
    `stop` with that of each that has ended another epoch, and its learning curve: if it returns
    true, the trial is stopped. A stage that several trials need runs once, and not at all if it has
    ever run with the same inputs. A trial that fails does not end the others.

    Raises:
        InputError: the gates of the pipeline are not passed with the values of params.yaml.
        KeyboardInterrupt: it was interrupted; what had ended is recorded.
    """
    made = Trials(lab, Here(jobs or processes.count_cores()), report, stop)
    if not lab.gates:
        made.progress = {-1: go_to_gates(lab)}
        made.run()
    made.bench = cluster or made.bench
    for number, trial in enumerate(trials):
        made.progress[number] = Progress(trial, {}, {})
    for number, progress in list(made.progress.items()):
        try:
            progress.parameters = lab.find_parameters(progress.trial)
        except InputError as error:
            made.end(number, Outcome(FAILED, reason=str(error)))
    made.run()
    return [made.outcomes[number] for number in range(len(trials))]
