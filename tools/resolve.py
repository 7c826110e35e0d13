"""Resolves what a merge has left in conflict of what the pipeline writes, and trains nothing.

.venv/bin/python -m tools.resolve

People resolve params.yaml, dvc.yaml and code. dvc.lock, metrics and plots follow, stage by stage:
each is as on the side that has run the stage on what the merged files say.
"""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from stages.runtime.command import run

import typer
from dvc.exceptions import DvcException
from dvc.repo import lock_repo

from stages.runtime.errors import InputError
from stages.runtime.files import atomic_write
from stages.runtime.text import show
from stages.runtime.yaml_input import MARK
from tools.engine.lock_file import HEAD, write_entries
from tools.engine.plan import open_repository
from tools.engine.programs import attempt, call, show_file
from tools.engine.readable import LOCKS
from tools.engine.repository import require_git
from tools.revisions.sides import (
    Locks,
    choose_sides,
    entry_of,
    list_written,
    lock_of,
    read_locks,
)
from tools.store.bring import bring

HERE, OURS = Path(), "HEAD"
STOPPED = {  # by conflicts: the other side, and the command that goes on
    "MERGE_HEAD": ("MERGE_HEAD", "git commit"),
    "REBASE_HEAD": ("REBASE_HEAD", "git rebase --continue"),
    "CHERRY_PICK_HEAD": ("CHERRY_PICK_HEAD", "git cherry-pick --continue"),
    "REVERT_HEAD": ("REVERT_HEAD^", "git revert --continue"),
}


def main() -> None:
    """Resolves dvc.lock, metrics and plots, and adds them to git's index; commits nothing.

    Raises:
        InputError: nothing has stopped with conflicts, or a person must resolve others first.
    """
    require_git()
    theirs, go_on = find_other_side()
    if conflicts := diff("--name-only", "--diff-filter=U"):
        sides = {side: read_locks(side) for side in (OURS, theirs)}
        written = set().union(*map(list_written, sides.values()))
        require_resolved([name for name in conflicts if not find_above(name, written)])
        if missing := resolve(theirs, sides, conflicts):
            names = ", ".join(map(str, missing[:3])) + (", ..." if missing[3:] else "")
            typer.echo(
                f"Not in DVC's cache: {names}. `make pull` gets what a remote has; else `make "
                "repro` runs the stage that writes it."
            )
    typer.echo(f"No file is in conflict. Next: `make repro`, `git add -u`, `{go_on}`.")


def find_other_side() -> tuple[str, str]:
    """The revision that is merged into HEAD, and the command that goes on.

    Raises:
        InputError: there is none.
    """
    for name, (revision, go_on) in STOPPED.items():
        if attempt(HERE, "git", "rev-parse", "--verify", "--quiet", name).returncode == 0:
            return revision, go_on
    raise InputError(
        "no merge, rebase, cherry-pick or revert has stopped here; if dvc.lock has the marks of an "
        "earlier one, take it from a commit that has none: `git checkout COMMIT -- dvc.lock`"
    )


def diff(*options: str) -> list[str]:
    """What `git diff` says, by name or also status; names are relative to this folder."""
    return call(HERE, "git", "diff", "--relative", "--no-renames", "-z", *options).split("\0")[:-1]


def find_above(name: str, paths: Collection[str]) -> str | None:
    """The one of `paths` that a file is, or is in."""
    folders = (name, *map(str, Path(name).parents))
    return next((path for path in folders if path in paths), None)


def require_resolved(names: list[str]) -> None:
    """Refuses files in conflict that people write, with the place of the first mark.

    Raises:
        InputError: there is one.
    """
    for name in names:
        text = Path(name).read_text(errors="replace") if Path(name).is_file() else ""
        what, remedy = "in conflict", "make it what you want"
        if mark := MARK.search(text):
            line = text.count("\n", 0, mark.start()) + 1
            what = f"line {line}, column 1: a merge conflict ({mark[1]})"
            remedy = "choose one side and remove the marks"
        raise InputError(f"{name}: {what}; {remedy}, then `git add` it and run `make resolve`")


def resolve(theirs: str, sides: dict[str, Locks], conflicts: list[str]) -> list[Path]:
    """Gives what each stage has written the content that it has on the side chosen for the stage.

    Returns the outputs that DVC's cache lacks.
    """
    locks = [path for path in LOCKS if sides[OURS][path] != sides[theirs][path]]
    for path in locks:  # so that DVC can read the pipeline
        with atomic_write(path) as partial:
            partial.write_text(show_file(HERE, OURS, str(path)) or HEAD, encoding="utf-8")
    with open_repository() as repo:
        with lock_repo(repo):
            chosen = choose_sides(repo, sides)
            taken = {
                stage: entry
                for stage, side in chosen.items()
                if side == theirs and (entry := entry_of(stage, sides[side]))
            }
            for path in locks:
                entries = {one.name: entry for one, entry in taken.items() if lock_of(one) == path}
                write_entries(path, entries, [*sides[OURS][path], *sides[theirs][path]])
            take_files(theirs, chosen, conflicts)
            call(HERE, "git", "add", "--", *locks)
            names = ", ".join(stage.addressing for stage in taken) or "nothing"
            typer.echo(f"As on the other side: {names}. As in HEAD: all others.")
        with lock_repo(repo):  # it reads dvc.lock again
            try:
                return bring(repo, from_remote=False)[1]
            except (DvcException, InputError) as error:  # e.g. a file that only the workspace has
                typer.echo(f"Models and arrays stay as they are: {show(error)}")
                return []


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


if __name__ == "__main__":
    run(main)
