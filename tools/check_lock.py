"""Fails if dvc.lock is not what `dvc repro` would leave; needs neither data nor cache.

.venv/bin/python -m tools.check_lock
"""

import re
from pathlib import Path

from stages.runtime.command import run

import typer

from stages.runtime.errors import InputError
from stages.runtime.lock import read_lock_file
from tools.engine.programs import attempt
from tools.engine.readable import require_readable
from tools.engine.repository import require_git


def main() -> None:
    """Says that dvc.lock is current, or which stages would run again."""
    typer.echo(f"dvc.lock is current, in all {require_current()} stages.\n")


def require_current() -> int:
    """The number of stages, all of which dvc.lock has as `dvc repro` would leave them.

    Raises:
        InputError: a stage would run again, a file is not in git, or DVC cannot read the pipeline.
    """
    require_readable()
    require_git()
    command = ["repro", "--dry", "--allow-missing", "--keep-going"]
    dry = attempt(Path.cwd(), "dvc", *command)
    if stale := stale_stages(dry.stdout, dry.stderr):
        raise InputError(
            f"dvc.lock is not current: {', '.join(stale)} would run again, and the stages after; "
            "run `dvc repro` and commit dvc.lock, metrics and plots"
        )
    if dry.returncode != 0:
        raise InputError(f"dvc {' '.join(command)}: {dry.stderr or dry.stdout}")
    current = re.findall(r"^Stage '(.+)' didn't change", dry.stdout, re.M)
    if absent := absent_files(current):
        raise InputError(
            f"dvc.lock names {', '.join(absent)}, which git does not have; "
            "commit it, or run `dvc repro` without it and commit dvc.lock"
        )
    return len(current)


def stale_stages(output: str, errors: str) -> list[str]:
    """The stages that a dry run would run, in order.

    If all inputs of a stage exist, DVC names it on standard output and exits with 0, so the exit
    status alone is not enough. If an input is missing, DVC fails and names the stage in an error.
    """
    failed = [line for line in errors.splitlines() if "failed to reproduce" in line]
    return [
        *re.findall(r"^Running stage '(.+)':$", output, re.M),
        *re.findall(r"'([^']+)'", " ".join(failed)),
    ]


def absent_files(stages: list[str]) -> list[str]:
    """The paths that dvc.lock names for `stages`, if they are missing and not ignored by git.

    `dvc repro --allow-missing` does not report them: it takes them for data not yet pulled.
    """
    lock = read_lock_file()
    known = [lock[name] for name in stages if name in lock]  # data/dvc.yaml has its own lock
    paths = {entry["path"] for stage in known for entry in stage["deps"] + stage["outs"]}
    absent = sorted(path for path in paths if not Path(path).exists())
    names = "\n".join(f"{path}\n{path}/" for path in absent)  # a file or a folder
    ignored = attempt(Path.cwd(), "git", "check-ignore", "--stdin", stdin=names).stdout.splitlines()
    return [path for path in absent if path not in ignored and f"{path}/" not in ignored]


if __name__ == "__main__":
    run(main)
