"""Where the stages of trials run: here, each in a folder of its own, or on a cluster."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from stages.runtime.errors import InputError
from stages.runtime.files import remove
from tools.engine import processes
from tools.engine.places import Ended
from tools.engine.plan import command_of
from tools.trials.lab import Lab
from tools.trials.progress import Need, Progress
from tools.trials.results import find_reason


@dataclass
class Work:
    """What runs for some trials, by number: a stage, or those that follow it, too, with a log.

    `epochs` is the number of them that were seen to end.
    """

    need: Need
    job: Any  # as tools.engine.places.Job
    folder: Path
    log: Path
    trials: set[int]
    started: float = field(default_factory=time.monotonic)
    epochs: int = 0

    @property
    def has_ended(self) -> bool:
        """Whether its commands have ended."""
        return self.job.exitcode is not None


class Bench(Protocol):
    """What runs stages of trials, so many at a time."""

    @property
    def jobs(self) -> int: ...
    def begin(self, lab: Lab, progress: Progress, need: Need) -> Work:
        """Starts what a trial needs."""
        ...

    def finish(self, lab: Lab, progress: Progress, work: Work) -> Ended:
        """Records what has ended, and returns the seconds that it took, and where.

        Raises:
            InputError: it failed.
        """
        ...

    def stop(self, works: list[Work]) -> None:
        """Stops what runs."""
        ...

    def check(self) -> None:
        """Raises an InputError if nothing can run there any more."""
        ...


@dataclass(frozen=True)
class Here:
    """This machine: one stage at a time of each trial."""

    jobs: int

    def begin(self, lab: Lab, progress: Progress, need: Need) -> Work:
        folder = lab.lay_out(need.link, need.entry, progress.contents, need.key)
        commands, shell, _, environment = command_of(need.link.of_dvc)
        log = Path(f"{folder}.log").absolute()
        process = processes.start(commands, shell, str(folder.absolute()), environment, log)
        return Work(need, process, folder, log, set())

    def finish(self, lab: Lab, progress: Progress, work: Work) -> Ended:
        took = time.monotonic() - work.started
        if work.job.exitcode:
            text = work.log.read_text(encoding="utf-8", errors="replace")
            ended = f"its command ended with status {work.job.exitcode}"
            raise InputError(find_reason(text, ended))
        lab.record(work.need.link, work.need.entry, work.need.key, work.folder)
        return Ended(took)

    def stop(self, works: list[Work]) -> None:
        processes.stop([work.job for work in works])
        for work in works:
            remove(work.folder)

    def check(self) -> None:
        pass
