"""Runs stages of a commit again, on what dvc.lock says that they have read."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dvc.dependency import ParamsDependency

from stages.runtime.errors import InputError
from stages.runtime.parameters import name_change
from tools.cluster.runner import Watch, run_shipment
from tools.cluster.shipment import CANCELLED, DONE, LACKING, Shipment, Step
from tools.cluster.step import is_portable
from tools.engine.plan import command_of
from tools.engine.signals import call_on_signals
from tools.store.objects import hash_content
from tools.trials.chain import is_in
from tools.trials.contents import Files, describe, select
from tools.trials.results import find_reason
from tools.verification.commit import Commit

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Difference:
    """An output with other content than recorded; all but the path are MD5s.

    `committed` is that of the file in git, None if git has none.
    """

    path: str
    recorded: str
    committed: str | None
    made: str


@dataclass
class Again:
    """What was run again: the outputs of stages, by path, and those that are not as recorded."""

    stages: list[str] = field(default_factory=list)
    outs: dict[str, Files] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)


def run_again(commit: Commit, name: str, again: Again, tell: Tell) -> None:
    """Runs a stage, after those that write what it reads, if that is to be had nowhere.

    Adds what comes of it to `again`; `tell` is called with what its command prints.

    Raises:
        InputError: dvc.lock records other inputs than the commit has, one is missing, git lacks an
            output, or a command failed.
        KeyboardInterrupt: it was interrupted.
    """
    of_dvc = commit.stages[name].of_dvc
    if of_dvc.cmd_changed:
        raise refuse(commit, name, "its command")
    deps, parameters = dict[str, Files](), dict[str, Any]()
    for dep in of_dvc.deps:
        path, recorded = dep.def_path, dep.hash_info.value
        if isinstance(dep, ParamsDependency):
            parameters[path] = dep.get_hash().value
            if parameters[path] != recorded:
                changed = name_change("", recorded or {}, parameters[path])
                raise refuse(commit, name, f"{path}: {changed}")
        else:
            deps[path] = find_input(commit, dep, again, tell)
            md5 = describe(path, deps[path])["md5"]
            if md5 != recorded and not is_in(path, [one.path for one in again.differences]):
                raise refuse(commit, name, path, f": {recorded}, but {md5}")
    for out in of_dvc.outs:
        if not out.use_cache and not out.exists:
            raise refuse(commit, name, out.def_path, ": it is missing")
    outs = [out.def_path for out in of_dvc.outs]
    made = execute(commit, Step(name, command_of(of_dvc)[0], deps, parameters, outs), tell)
    again.stages.append(name)
    again.outs |= made
    again.differences += compare(of_dvc, made)


def refuse(commit: Commit, name: str, what: str, hashes: str = "") -> InputError:
    """What is wrong if a stage was not recorded with what the commit has."""
    return InputError(
        f"{name}: {what} of {commit.name} is not what dvc.lock records{hashes}; run `make repro` "
        "and commit what it changes"
    )


def find_input(commit: Commit, dep: Any, again: Again, tell: Tell) -> Files:
    """The files of a dependency, if need be made by its stage."""
    files = select(again.outs, dep.def_path) or commit.find_files(dep)
    if files is not None:
        return files
    writer = commit.find_out(dep).stage.addressing
    if not is_portable(commit.stages[writer]):
        raise InputError(
            f"{dep.def_path}: neither in DVC's cache nor in a remote; run `make pull` or "
            f"`dvc repro {writer}`, then this again"
        )
    run_again(commit, writer, again, tell)
    return find_input(commit, dep, again, tell)


def execute(commit: Commit, step: Step, tell: Tell) -> dict[str, Files]:
    """Runs a command in an empty folder with its inputs; the files of its outputs."""
    stopped = threading.Event()
    with call_on_signals(stopped.set):
        watch = Watch(stopped.is_set, tell)
        answer = run_shipment(Shipment([step], follows=True), commit.site, watch)
    if answer.state == CANCELLED:
        raise KeyboardInterrupt
    if answer.state == LACKING:
        raise InputError(f"{step.name}: an input changed while it was copied; run this again")
    if answer.state != DONE:
        raise InputError(f"{step.name}: {find_reason(answer.log, answer.reason)}")
    return answer.outs[0]


def compare(of_dvc: Any, made: dict[str, Files]) -> list[Difference]:
    """The outputs of a stage that are not as dvc.lock records them, or not as git has them."""
    found = []
    for out in of_dvc.outs:
        path, file = out.def_path, Path(out.fs_path)
        recorded = str(out.hash_info.value)
        committed = hash_content(file) if file.is_file() else None
        now = describe(path, made[path])["md5"]
        if {now, recorded, committed or now} != {now}:
            found.append(Difference(path, recorded, committed, now))
    return found
