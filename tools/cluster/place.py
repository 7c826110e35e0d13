"""A cluster as a place where the commands of stages run."""

from dataclasses import dataclass
from pathlib import Path

from stages.runtime.errors import InputError
from tools.cluster.connection import Connection
from tools.cluster.delivery import Job, describe_place
from tools.cluster.shipment import DONE, Shipment
from tools.cluster.step import bring, is_portable, make_step
from tools.engine.places import Ended
from tools.engine.plan import Stage


@dataclass(frozen=True)
class ClusterPlace:
    """Stages go there one by one; what they write comes home at once."""

    connection: Connection

    @property
    def slots(self) -> int:
        """The number of stages that may run at a time; 1 while no machine is there."""
        return max(1, self.connection.machines.slots)

    @property
    def shares_machine(self) -> bool:
        """Whether one of the machines is this one."""
        return self.connection.machines.share_this_one

    def can_run(self, stage: Stage) -> bool:
        """Whether a stage may run there."""
        return is_portable(stage)

    def require_connection(self) -> None:
        """Raises an InputError if the scheduler, or for some time every machine, is lost."""
        self.connection.require()

    def start(self, stage: Stage, log: Path) -> Job:
        """Sends a stage as it is now."""
        step, paths = make_step(stage.of_dvc)
        return self.connection.start(Shipment([step]), paths, step.name, log)

    def collect(self, stage: Stage, job: Job, log: Path) -> Ended:
        """Writes the outputs of a stage to the workspace.

        Raises:
            InputError: it failed there, or its machines were lost.
        """
        try:
            answer = job.result()
            log.write_text(answer.log, encoding="utf-8")
            if answer.state != DONE:
                raise InputError(f"{answer.reason} on {answer.machine}")
            bring(stage.of_dvc, answer.outs[0], job.folder)
        finally:
            job.close()
        return Ended(answer.seconds[0], describe_place(job, answer))

    def stop(self, jobs: list[Job]) -> None:
        """Ends the commands of stages that are there."""
        self.connection.stop(jobs)
