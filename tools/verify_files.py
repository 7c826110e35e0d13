"""Reads every byte that dvc.lock names, and mends what has changed unnoticed.

.venv/bin/python -m tools.verify_files [--dry-run]

DVC and `make repro` hash a file again only if its time or size has changed: a bit that a disk or a
program flips, with the time as before, is not noticed.
"""

from typing import Annotated

from stages.runtime.command import run

import typer


def main(
    dry_run: Annotated[bool, typer.Option(help="only say what is wrong; exit with 1")] = False,
) -> None:
    """Hashes all outputs and their copies in DVC's cache, and mends those with other content.

    They come from the cache, the remote or the workspace, or else their stages run again.
    """
    from dvc.repo import lock_repo  # 0.3 s

    from tools.engine.plan import open_repository, read_stages
    from tools.repro import run_pipeline
    from tools.store.outputs import read_outputs
    from tools.store.verify import find_changed, find_damaged, mend

    with open_repository() as repo, lock_repo(repo):
        stages = read_stages(repo)  # not those that only fetch what nobody uses
        outputs = [one for one in read_outputs(repo) if one.stage in stages]
        changed = find_changed(repo, outputs)
        for one in changed:
            typer.echo(f"{one.path}: its content is not what dvc.lock names")
        damaged = find_damaged(repo, outputs)
        for one in damaged:
            typer.echo(f"{one.path}: its copy in DVC's cache is damaged")
        typer.echo(
            f"{len(outputs)} outputs, {sum(one.size for one in outputs):,} bytes: "
            f"{len(changed)} changed, {len(damaged)} damaged in DVC's cache"
        )
        if dry_run:
            raise typer.Exit(1 if changed or damaged else 0)
        again = mend(repo, outputs, changed) if changed or damaged else []
    if again:
        names = ", ".join(dict.fromkeys(one.stage for one in again))
        typer.echo(f"made again: what {names} wrote")
        if not run_pipeline(None):
            raise typer.Exit(1)


if __name__ == "__main__":
    run(main)
