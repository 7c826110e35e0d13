"""Takes from the default remote what dvc.lock names, and checks every byte before it is used.

.venv/bin/python -m tools.pull [PATH ...]

`dvc pull` believes the remote: whoever writes there can make it write files anywhere.
"""

from pathlib import Path
from typing import Annotated

from stages.runtime.command import run

import typer

INCOMPLETE = 1  # exit status: all that could be had is there, but not all is


def main(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="outputs to take; default: all that DVC keeps"),
    ] = None,
) -> None:
    """Brings the outputs at PATHs, or all, into the workspace as dvc.lock names them.

    What is in DVC's cache is checked too. Exits with 1 if neither the cache nor the remote has all.
    """
    from dvc.repo import lock_repo  # 0.3 s

    from tools.engine.plan import open_repository
    from tools.store.bring import bring

    with open_repository() as repo, lock_repo(repo):
        brought, missing = bring(repo, paths or [])
    typer.echo(f"{count(brought)} as in dvc.lock")
    if missing:
        names = ", ".join(str(path) for path in missing[:3]) + (", ..." if missing[3:] else "")
        typer.echo(
            f"pull: {count(len(missing))} neither in DVC's cache nor in a remote: {names}; run "
            "`make repro` to make them, or `make push` in a clone that has them",
            err=True,
        )
        raise typer.Exit(INCOMPLETE)


def count(outputs: int) -> str:
    """A number of outputs, with its verb."""
    return "1 output is" if outputs == 1 else f"{outputs} outputs are"


if __name__ == "__main__":
    run(main)
