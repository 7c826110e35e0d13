"""Where the commands of stages run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from stages.runtime.errors import InputError
from tools.engine import processes
from tools.engine.plan import Stage, command_of


class Job(Protocol):
    """A command that runs; `exitcode` is None until it has ended, when `sentinel` can be read."""

    @property
    def sentinel(self) -> int: ...
    @property
    def exitcode(self) -> int | None: ...


@dataclass(frozen=True)
class Ended:
    """A command that has ended well: how long it took if others were timed, and where it ran."""

    seconds: float | None = None
    where: str = ""


class Place(Protocol):
    """This machine, or a cluster."""

    def start(self, stage: Stage, log: Path) -> Job:
        """Starts the command of a stage, with what it prints in `log`."""
        ...

    def collect(self, stage: Stage, job: Any, log: Path) -> Ended:
        """Brings the outputs of a command that has ended into the workspace, and its log.

        Raises:
            InputError: it failed.
        """
        ...

    def stop(self, jobs: list[Any]) -> None:
        """Ends commands that run."""
        ...


class Cluster(Place, Protocol):
    """Other machines, each with some slots; they may come and go."""

    @property
    def slots(self) -> int: ...
    @property
    def shares_machine(self) -> bool:
        """Whether one of them is this one."""
        ...

    def can_run(self, stage: Stage) -> bool:
        """Whether a stage may run there."""
        ...

    def require_connection(self) -> None:
        """Raises an InputError if they are lost."""
        ...


class Here:
    """This machine, whose commands write their outputs into the workspace."""

    def start(self, stage: Stage, log: Path) -> Job:
        return processes.start(*command_of(stage.of_dvc), log)

    def collect(self, stage: Stage, job: Any, log: Path) -> Ended:
        if job.exitcode:
            raise InputError(f"its command ended with status {job.exitcode}")
        return Ended()

    def stop(self, jobs: list[Any]) -> None:
        processes.stop(jobs)
