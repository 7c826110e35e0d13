"""A cluster as what runs trials: what one needs goes to one machine, as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stages.runtime.errors import InputError
from tools.cluster.connection import Connection
from tools.cluster.delivery import describe_place
from tools.cluster.shipment import DONE, Shipment, Step
from tools.engine.places import Ended
from tools.engine.stages import kind_of
from tools.store.objects import hash_bytes
from tools.trials.bench import Work
from tools.trials.chain import Link, find_parameters, is_in, make_entry
from tools.trials.contents import Files, is_here, require_intact, select
from tools.trials.lab import FOLDER, Lab
from tools.trials.progress import GATES, Need, Progress
from tools.trials.results import find_reason


@dataclass(frozen=True)
class Away:
    """The machines of a cluster. Of what runs there, only what the training writes comes home."""

    connection: Connection
    follows: bool = False

    @property
    def jobs(self) -> int:
        """The number of trials at a time; 1 while no machine is there."""
        return max(1, self.connection.machines.slots)

    def begin(self, lab: Lab, progress: Progress, need: Need) -> Work:
        """Sends the stages that a trial still needs."""
        links = find_links(lab, progress)
        steps, paths = list[Step](), dict[str, Path]()
        for link in links:
            written = [out for before in links[: len(steps)] for out in before.outs]
            deps = {path: find_files(lab, progress, path, written) for path in link.deps}
            for path, files in deps.items():
                paths |= {} if files is None else locate(lab, path, files)
            steps.append(make_step(lab, progress, link, deps))
        key = hash_bytes("".join(step.key for step in steps).encode())
        need = Need(links[-1], {}, key)
        log = (FOLDER / f"{key}.log").absolute()
        shipment = Shipment(steps, self.follows)
        job = self.connection.start(shipment, paths, f"{lab.run}-{key[:7]}", log)
        return Work(need, job, job.folder, log, set())

    def finish(self, lab: Lab, progress: Progress, work: Work) -> Ended:
        """Records all stages that ran, and brings home what the training has written."""
        try:
            answer = work.job.result()
            work.log.write_text(answer.log, encoding="utf-8")
            if answer.state != DONE:
                raise InputError(find_reason(answer.log, answer.reason))
            contents = {**lab.gates, **progress.contents}
            links = find_links(lab, progress)
            for link, outs in zip(links, answer.outs, strict=True):
                entry = make_entry(link, progress.parameters, lab.roots, contents)
                folder = work.folder if comes_home(lab, link) else None
                lab.adopt(link, entry, outs, folder)
                contents |= outs
            return Ended(answer.seconds[-1], describe_place(work.job, answer))
        finally:
            work.job.close()

    def stop(self, works: list[Work]) -> None:
        """Stops what runs on machines."""
        self.connection.stop([work.job for work in works])

    def check(self) -> None:
        """Raises an InputError if the scheduler, or for some time every machine, is lost."""
        self.connection.require()


def find_links(lab: Lab, progress: Progress) -> list[Link]:
    """The stages that a machine must run for a trial.

    All of them, from the images as they are on disk, if what the next one reads is not here; one
    that a machine has run before, it does not run again.
    """
    ahead = [link for link in lab.chain[progress.position :] if kind_of(link.name) not in GATES]
    read = [path for link in ahead for path in link.deps]
    before = {
        out: files
        for out, files in progress.contents.items()
        if any(is_in(path, [out]) for path in read)
    }
    if not all(is_here(lab.repo, files) for files in before.values()):
        ahead = [link for link in lab.chain if kind_of(link.name) not in GATES]
    if any(lab.raw in link.outs for link in ahead):
        ahead.insert(1, lab.held_out)
    return ahead


def comes_home(lab: Lab, link: Link) -> bool:
    """Whether the outputs of a stage are needed here."""
    return link is lab.chain[-1] or link is lab.held_out


def find_files(lab: Lab, progress: Progress, path: str, written: list[str]) -> Files | None:
    """The files of a dependency; None if a step before writes it.

    Raises:
        InputError: it is not in the project.
    """
    if is_in(path, written):
        return None
    if Path(path).is_absolute():
        raise InputError(
            f"{path} is outside of the project, where other machines do not have it; move it into "
            "data/ and set its path in params.yaml"
        )
    if path in lab.roots:
        return lab.roots[path].files
    return select({**lab.gates, **progress.contents}, path)


def locate(lab: Lab, path: str, files: Files) -> Mapping[str, Path]:
    """Where the files of a dependency are, by their MD5s."""
    copy = FOLDER / "copies" / path
    if path in lab.roots and (copy.exists() or copy.is_symlink()):
        return {file.md5: copy / inner if inner else copy for inner, file in files.items()}
    return {file.md5: require_intact(lab.repo, file, path, lab.checked) for file in files.values()}


def make_step(lab: Lab, progress: Progress, link: Link, deps: Mapping[str, Files | None]) -> Step:
    """A stage of a trial."""
    commands = link.of_dvc.cmd
    return Step(
        link.name,
        commands if isinstance(commands, list) else commands.splitlines(),
        deps,
        find_parameters(link, progress.parameters),
        link.outs,
        comes_home(lab, link),
    )
