"""Which side of a merge has run a stage on what the merged files say, and what it wrote."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from dvc.repo import Repo
from dvc.repo.reproduce import plan_repro
from dvc.stage.loader import StageLoader
from dvc.utils.serialize import parse_yaml

from stages.runtime.lock import read_lock
from tools.engine.lock_file import HEAD
from tools.engine.programs import call, show_file
from tools.engine.readable import LOCKS
from tools.revisions.lock_changes import overlap

HERE, OURS = Path(), "HEAD"

Locks = dict[Path, dict[str, Any]]  # the stages in each lock file of a revision, by its path


def read_locks(revision: str) -> Locks:
    """What the lock files of a commit record, with values as DVC reads them.

    Raises:
        InputError: one is not valid.
    """
    locks: Locks = {}
    for path in LOCKS:
        text = show_file(HERE, revision, str(path)) or HEAD
        read_lock(text, f"{revision}: {path}", "correct it in that commit")
        locks[path] = parse_yaml(text, path).get("stages") or {}
    return locks


def list_written(locks: Locks) -> set[str]:
    """The paths of the lock files, and of all outputs in them."""
    outs = {
        str(path.parent / out["path"])
        for path, stages in locks.items()
        for entry in stages.values()
        for out in entry.get("outs", [])
    }
    return {*map(str, locks), *outs}


def choose_sides(repo: Repo, sides: dict[str, Locks]) -> dict[Any, str]:
    """For each stage that a side has run, that side; the first one, if both have or neither has."""
    chosen: dict[Any, str] = {}
    graph = repo.index.graph
    for stage in plan_repro(graph):  # a stage is after those that it depends on
        upstream = [one for one in graph.successors(stage) if one.cmd]
        known = [side for side, locks in sides.items() if entry_of(stage, locks)]
        fitting = [side for side in known if fits(stage, upstream, side, sides, chosen)]
        if known:
            chosen[stage] = (fitting or known)[0]
    return chosen


def entry_of(stage: Any, locks: Locks) -> dict[str, Any] | None:
    """What lock files record of a stage, if they do."""
    return locks.get(lock_of(stage), {}).get(stage.name) if stage.cmd else None


def lock_of(stage: Any) -> Path:
    """The lock file of a stage."""
    return Path(stage.path_in_repo).with_suffix(".lock")


def fits(
    stage: Any, upstream: list[Any], side: str, sides: dict[str, Locks], chosen: dict[Any, str]
) -> bool:
    """Whether a side has run a stage on what is here now.

    That is the command, the parameters and the files that are here, and what the `upstream` stages
    wrote, which are not here: as the sides `chosen` for these have it.
    """
    entry: Any = entry_of(stage, sides[side])
    StageLoader.fill_from_lock(stage, entry)
    written = [out.fs_path for one in upstream for out in one.outs]
    here = [dep for dep in stage.deps if not any(overlap(dep.fs_path, path) for path in written)]
    if entry["cmd"] != stage.cmd or any(dep.status() for dep in here):
        return False
    for one in upstream:
        before, own = (entry_of(one, sides[name]) for name in (chosen.get(one, side), side))
        if before is None or own is None or before["outs"] != own["outs"]:
            return False
    return True


def take_files(theirs: str, chosen: dict[Any, str], conflicts: list[str]) -> None:
    """Gives the files in git that stages write the content of the side chosen for each stage.

    What is in conflict and that no stage writes any more, e.g. of a run that is gone, is removed.
    """
    sides = {
        str(path_of(out)): side
        for stage, side in chosen.items()
        for out in stage.outs
        if not out.use_cache
    }
    fields = iter(diff("--name-status", OURS, theirs))
    files: dict[str, list[str]] = {OURS: [], theirs: [], "": []}
    for status, name in zip(fields, fields, strict=True):
        path = find_above(name, sides.keys())
        side = "" if path is None else sides[path]
        if path is None and (name not in conflicts or Path(name) in LOCKS):
            continue
        lacks = {"A": OURS, "D": theirs}.get(status)  # the side without the file
        files["" if side == lacks else side].append(name)
    for side in (OURS, theirs):
        if files[side]:
            call(HERE, "git", "checkout", side, "--", *files[side])
    if files[""]:
        call(HERE, "git", "rm", "--quiet", "--force", "--ignore-unmatch", "--", *files[""])


def path_of(out: Any) -> Path:
    """Where one of DVC's outputs is, from the root of the repository."""
    return Path(os.path.relpath(out.fs_path, out.repo.root_dir))


def diff(*options: str) -> list[str]:
    """What `git diff` says, by name or also status; names are relative to this folder."""
    return call(HERE, "git", "diff", "--relative", "--no-renames", "-z", *options).split("\0")[:-1]


def find_above(name: str, paths: Collection[str]) -> str | None:
    """The one of `paths` that a file is, or is in."""
    folders = (name, *map(str, Path(name).parents))
    return next((path for path in folders if path in paths), None)
