"""Pushes everything that other clones need to train nothing that was trained here.

.venv/bin/python -m tools.push

`dvc push --run-cache` sends the files of dvc.lock and the records of all runs, but not the files of
those runs: neither models trained with other parameters nor outputs that are in git. In another
clone, `make repro PULL=1` then finds the record, lacks a file and trains again. This tool sends the
files too.
"""

from stages.runtime.command import run

import typer
from dvc.repo import Repo

from tools.engine.plan import open_repository
from tools.store.remote import one_line_errors, open_remote


def main() -> None:
    """Sends the run cache and the files of all runs in it to the default remote."""
    with open_repository() as repo, one_line_errors(repo.config):
        open_remote(repo)
        for name in set_verify(repo):
            typer.echo(f"`verify` is set for the remote {name}: commit .dvc/config")
        repo.push()
        records = repo.stage_cache.push(None)
        files = repo.stage_cache.get_used_objs(records)
        sent = [repo.cloud.push(hashes, odb=odb) for odb, hashes in files.items()]
    typer.echo(f"{len(records)} runs, {sum(len(result.transferred) for result in sent)} files")


def set_verify(repo: Repo) -> list[str]:
    """Makes plain `dvc pull` hash the files that it takes, too; returns the remotes this is new to.

    It still hashes no list of a folder's files, and does not look where these lead: `tools.pull`.
    """
    new = []
    for level in ("repo", "local"):
        with repo.config.edit(level) as config:
            for name, remote in config["remote"].items():
                if "verify" not in remote:
                    remote["verify"] = True
                    new.append(name)
    return new


if __name__ == "__main__":
    run(main)
