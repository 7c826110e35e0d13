"""Runs the stages of a shipment, each in a folder that has what it declares and nothing else.

It knows nothing of what brings shipments and files: see join.py.
"""

import os
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stages.runtime.errors import InputError
from stages.runtime.files import remove
from stages.runtime.starter import STAGE
from stages.runtime.unchanged import HASHED
from tools.cluster.shipment import CANCELLED, DONE, FAILED, LACKING, Answer, Shipment, Step
from tools.cluster.site import LackingError, Site, bring, copy, read_known, take, write_known
from tools.engine import processes
from tools.store.objects import require_confined
from tools.trials.contents import Files, select
from tools.trials.sandbox import write_values

POLL = 0.2  # seconds between two looks at a command
LOG_CHARACTERS = 1_000_000  # at most, of the end of a log, that an answer has
# Of this process's environment, a command sees only these: a worker of Dask has variables that
# change how many threads libraries use.
KEPT = ("HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")


class CancelledError(Exception):
    """Nobody waits for the answer."""


class CommandError(InputError):
    """A command failed, or has not written an output; `log` is what it has printed."""

    def __init__(self, reason: str, log: str) -> None:
        super().__init__(reason)
        self.log = log


@dataclass(frozen=True)
class Watch:
    """Who asked for a shipment: whether they still do, and how to tell them what is printed."""

    is_cancelled: Callable[[], bool]
    tell: Callable[[str], None]


def run_shipment(shipment: Shipment, site: Site, watch: Watch) -> Answer:
    """Runs steps, or takes what came of them when they ran here before; sends what is to come home.

    A step whose command fails is an answer, too.
    """
    outs, seconds = list[dict[str, Files]](), list[float]()
    known = dict[str, Files]()
    log = ""
    try:
        for step in shipment.steps:
            step = Step(**(step.__dict__ | {"deps": resolve(step.deps, known)}))
            follows = shipment.follows and step.name == shipment.steps[-1].name
            tell = watch.tell if follows else lambda text: None
            with site.lock(step.key):
                took, found, log = run_step(step, site, Watch(watch.is_cancelled, tell))
            outs.append(found)
            seconds.append(took)
            known |= found
            if step.comes_home:
                site.send([file.md5 for files in found.values() for file in files.values()])
    except CommandError as error:
        return Answer(FAILED, site.name, outs, seconds, error.log, str(error))
    except (InputError, OSError) as error:  # e.g. its disk is full
        return Answer(FAILED, site.name, outs, seconds, log, str(error))
    except LackingError as error:
        return Answer(LACKING, site.name, outs, seconds, lacking=list(error.args))
    except CancelledError:
        return Answer(CANCELLED, site.name, outs, seconds)
    return Answer(DONE, site.name, outs, seconds, log)


def resolve(deps: Mapping[str, Files | None], known: Mapping[str, Files]) -> dict[str, Files]:
    """The files of dependencies, with those that earlier steps have written."""
    found = {path: select(known, path) if files is None else files for path, files in deps.items()}
    missing = [path for path, files in found.items() if files is None]
    if missing:
        raise InputError(f"{missing[0]}: no step before writes it")
    return {path: files for path, files in found.items() if files is not None}


def run_step(step: Step, site: Site, watch: Watch) -> tuple[float, dict[str, Files], str]:
    """The seconds of a step, the files of its outputs, and its log.

    Raises:
        CommandError: its command failed, or has not written an output.
        LackingError: a file that it needs is nowhere.
        CancelledError: nobody waits for it any more.
    """
    if (found := read_known(step, site)) is not None:
        return 0.0, found, ""
    folder = site.folder / "sandboxes" / uuid.uuid4().hex
    folder.mkdir(parents=True)
    log = folder.with_suffix(".log")
    try:
        lay_out(step, site, folder)
        started = time.monotonic()
        status = execute(step, folder, log, watch)
        took = time.monotonic() - started
        said = log.read_text(encoding="utf-8", errors="replace")[-LOG_CHARACTERS:]
        if status:
            raise CommandError(f"its command ended with status {status}", said)
        try:
            found = {path: take(site, folder / path, path) for path in step.outs}
        except InputError as error:
            raise CommandError(str(error), said) from None
        write_known(step, site, found)
        return took, found, said
    finally:
        remove(folder)
        log.unlink(missing_ok=True)


def lay_out(step: Step, site: Site, folder: Path) -> None:
    """Fills an empty folder with what a step declares; copies, so that no command writes to them.

    Raises:
        LackingError: files that are nowhere.
    """
    places = [
        (folder / require_confined(path) / require_inner(inner), file)
        for path, files in step.deps.items()
        for inner, file in (files or {}).items()
    ]
    names = list(dict.fromkeys(file.md5 for _, file in places))
    absent = [md5 for md5 in site.depot.find_lacking(names) if not bring(site, md5)]
    if absent:
        raise LackingError(*absent)
    for path, files in step.deps.items():
        if files is not None and not files:
            (folder / path).mkdir(parents=True)
    for target, file in places:
        target.parent.mkdir(parents=True, exist_ok=True)
        copy(site, file, target)
    for path in step.outs:
        (folder / require_confined(path)).parent.mkdir(parents=True, exist_ok=True)
    write_values(folder, step.parameters)


def require_inner(inner: str) -> str:
    """The path of a file in a folder, empty for a file itself, if it leads to no other place."""
    return require_confined(inner) if inner else ""


def execute(step: Step, folder: Path, log: Path, watch: Watch) -> int:
    """Runs the commands of a step in a folder; their exit status.

    Raises:
        CancelledError: nobody waits for it any more; then it was stopped.
    """
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    environment |= {"PATH": path, STAGE: step.name, HASHED: "1"}
    process = processes.start(
        list(step.commands), ["/bin/sh", "-c"], str(folder.absolute()), environment, log.absolute()
    )
    told = 0
    while not processes.has_ended(process):
        process.join(POLL)
        if watch.is_cancelled():
            processes.stop([process])
            raise CancelledError
        told += tell_more(log, told, watch)
    return process.exitcode or 0


def tell_more(log: Path, told: int, watch: Watch) -> int:
    """Tells what is new in a log, after so many bytes; the number of new ones."""
    with log.open("rb") as file:
        file.seek(told)
        new = file.read()
    if new:
        watch.tell(new.decode(errors="replace"))
    return len(new)
