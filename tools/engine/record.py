"""Records a stage by DVC's own code, if all that it declares is as it was before its command.

All of this needs DVC's lock on the repository (`repo.lock`).
"""

import glob
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import fsspec
from dvc.dependency import ParamsDependency
from dvc.exceptions import OutputNotFoundError
from dvc.stage.cache import RunCacheNotFoundError
from dvc.stage.serialize import to_lockfile

from stages.runtime.errors import InputError
from stages.runtime.files import remove
from stages.runtime.lock import read_lock_file
from stages.runtime.parameters import name_change
from tools.engine.lock_file import write_entries
from tools.engine.plan import Stage, is_redefined
from tools.store.objects import hash_content
from tools.store.runs import CheckedStageCache

WEIGHTS = "data/weights/"  # of networks that `features` uses


@contextmanager
def hash_once(stage: Any) -> Iterator[None]:
    """Within it, DVC looks once at each file and folder that one of its stages depends on.

    It hashes them again in each of the five steps before a command, and of the four after it.
    """
    for dep in stage.deps:
        dep._build = cache(dep._build)
    try:
        yield
    finally:
        for dep in stage.deps:
            del dep._build  # the method is used again


def is_changed(stage: Any) -> bool:
    """Whether one of DVC's stages must run: as its own `changed`, but with no lock per call."""
    if stage.changed_stage():
        return True
    always = stage.is_callback or stage.always_changed
    if not stage.frozen and (always or any(dep.status() for dep in stage.deps)):
        return True
    return any(out.status() for out in stage.outs)


def read_inputs(stage: Any) -> list[Any]:
    """What `stage` depends on: for each dependency its hash, or the values of its parameters.

    Raises:
        DvcException: a file or parameter is missing.
        InputError: a model has changed, and its time has not.
    """
    for dep in stage.deps:
        if not dep.exists and str(dep).startswith(WEIGHTS):
            name = Path(str(dep)).stem
            raise InputError(
                f"{dep}: missing; add {name} to the list of `fetch_weights` in data/dvc.yaml, or "
                "put an ONNX file there"
            )
        if not dep.exists:
            raise dep.DoesNotExistError(dep)
        dep.update_legacy_hash_name()  # as `record` will: else a text is hashed as of old
    # Not saved in `stage`: DVC would take the outputs in dvc.lock for those of these inputs.
    inputs = [dep.get_hash().value for dep in stage.deps]
    for dep, oid in zip(stage.deps, inputs, strict=True):
        if is_model(dep) and hash_content(Path(dep.fs_path)) != oid:
            raise InputError(
                f"{dep} has other content than when it was recorded; run `make verify-files`"
            )
    return inputs


def is_model(dep: Any) -> bool:
    """Whether a dependency is a single file in DVC's cache, read each time: they are small."""
    try:
        (out,) = dep.repo.find_outs_by_path(dep.fs_path, strict=True)
    except OutputNotFoundError:
        return False
    return bool(out.use_cache) and os.path.isfile(dep.fs_path)


def restore(stage: Any, from_remote: bool) -> bool:
    """Takes the outputs of `stage` from DVC's run cache, or with `from_remote` also from a remote.

    Before, it removes the old ones, and what a killed process has left behind of new ones.
    """
    stage.remove_outs()
    for out in stage.outs:
        path = Path(out.fs_path)
        for left_behind in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
            remove(left_behind)
    try:
        CheckedStageCache(stage.repo, from_remote).restore(stage)
    except RunCacheNotFoundError:
        return False
    return True


def record(stage: Stage, before: list[Any], restored: bool) -> None:
    """Saves the hashes of a stage, and its outputs and a run-cache record in DVC's cache.

    `restored` says whether the outputs are those that `restore` took from the cache.

    Raises:
        InputError: its definition or what it depends on is not as `before`, or another DVC has
            checked out old outputs meanwhile.
        DvcException: an output is missing.
    """
    of_dvc = stage.of_dvc
    of_dvc.save(run_cache=False)
    if is_redefined(stage):
        raise InputError(f"{of_dvc.path_in_repo}: {of_dvc.name} changed while it ran; run again")
    for dep, then in zip(of_dvc.deps, before, strict=True):
        now = dep.hash_info.value
        if now != then:
            changed = dep.def_path
            if isinstance(dep, ParamsDependency):
                changed += f": {name_change('', then, now)}"
            raise InputError(f"{changed} changed while it ran; run again")
    for out in of_dvc.outs:
        if not restored and is_checked_out(out):
            raise InputError(f"{out} was checked out by another DVC while it ran; run again")
    if all(out.use_cache or out.is_metric or out.is_plot for out in of_dvc.outs):  # as DVC does
        of_dvc.repo.stage_cache.save(of_dvc)
    of_dvc.commit()


def is_checked_out(out: Any) -> bool:
    """Whether a file of an output, whose hash was just taken, already is a link into the cache."""
    if not out.use_cache:
        return False
    files = {(): out.hash_info.value}
    if out.hash_info.isdir:
        files = {key: hash_info.value for key, (_, hash_info) in out.obj._dict.items()}
    for key, value in files.items():
        with suppress(FileNotFoundError):
            if os.path.samefile(os.path.join(out.fs_path, *key), out.cache.oid_to_path(value)):
                return True
    return False


def forget_lists() -> None:
    """Drops the lists of folders that DVC has hashed; call it while none is to be committed.

    It keeps them all in memory, and looks at each when it hashes the next: with 200 stages a
    quarter of the processor time.
    """
    fsspec.filesystem("memory").store.clear()


def read_orders(stages: Iterable[Stage]) -> dict[Path, list[str]]:
    """For each dvc.lock, its stages as `dvc repro` would leave them: those in it, then the others.

    `stages` are in the order in which `dvc repro` runs them.
    """
    orders: dict[Path, list[str]] = {}
    for stage in stages:
        path = lock_of(stage)
        if path not in orders:
            orders[path] = list(read_lock_file(path))
        if stage.of_dvc.cmd and stage.of_dvc.name not in orders[path]:
            orders[path].append(stage.of_dvc.name)
    return orders


def write_locks(stages: list[Stage], orders: dict[Path, list[str]]) -> None:
    """Writes what was recorded of `stages` to their dvc.lock, in the order of `read_orders`."""
    for path, members in groupby(sorted(stages, key=lock_of), lock_of):
        entries: dict[str, Any] = {}
        for stage in members:
            entries |= to_lockfile(stage.of_dvc)
        write_entries(path, entries, orders[path])


def lock_of(stage: Stage) -> Path:
    """The dvc.lock of a stage."""
    return Path(stage.of_dvc.path).with_suffix(".lock")
