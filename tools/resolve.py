"""Resolves what a merge has left in conflict of what the pipeline writes, and trains nothing.

.venv/bin/python -m tools.resolve

People resolve params.yaml, dvc.yaml and code. dvc.lock, metrics and plots follow, stage by stage:
each is as on the side that has run the stage on what the merged files say.
"""

from pathlib import Path

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
from tools.engine.readable import LOCKS, require_readable
from tools.engine.repository import require_git
from tools.revisions.sides import (
    OURS,
    Locks,
    choose_sides,
    diff,
    entry_of,
    find_above,
    list_written,
    lock_of,
    read_locks,
    take_files,
)
from tools.store.bring import bring

HERE = Path()
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
    conflicts = diff("--name-only", "--diff-filter=U")
    conflicts += [str(path) for path in LOCKS if MARK.search(read(path))]  # after `git add -A`
    if conflicts:
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


def require_resolved(names: list[str]) -> None:
    """Refuses files in conflict that people write, with the place of the first mark.

    Raises:
        InputError: there is one.
    """
    for name in names:
        text = read(Path(name))
        what, remedy = "in conflict", "make it what you want"
        if mark := MARK.search(text):
            line = text.count("\n", 0, mark.start()) + 1
            what = f"line {line}, column 1: a merge conflict ({mark[1]})"
            remedy = "choose one side and remove the marks"
        raise InputError(f"{name}: {what}; {remedy}, then `git add` it and run `make resolve`")


def read(path: Path) -> str:
    """The text of a file, empty if it is missing."""
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def resolve(theirs: str, sides: dict[str, Locks], conflicts: list[str]) -> list[Path]:
    """Gives what each stage has written the content that it has on the side chosen for the stage.

    Returns the outputs that DVC's cache lacks.
    """
    require_readable(locks=False)
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


if __name__ == "__main__":
    run(main)
