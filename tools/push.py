"""Pushes everything that other clones need to train nothing that was trained here.

.venv/bin/python -m tools.push

`dvc push --run-cache` sends the files of dvc.lock and the records of all runs, but not the files of
those runs: neither models trained with other parameters nor outputs that are in git. In another
clone, `make repro PULL=1` then finds the record, lacks a file and trains again. This tool sends the
files too.
"""

from stages.runtime.command import run

import typer
from dvc.cachemgr import LEGACY_HASH_NAMES
from dvc.repo import Repo
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.tree import Tree

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
        here = {odb: {one for one in hashes if is_here(repo, one)} for odb, hashes in files.items()}
        sent = [repo.cloud.push(hashes, odb=odb) for odb, hashes in here.items()]
    typer.echo(f"{len(records)} runs, {sum(len(result.transferred) for result in sent)} files")
    if missing := sum(len(hashes - here[odb]) for odb, hashes in files.items()):
        typer.echo(
            f"{missing} files of runs that are not committed are not in DVC's cache, as those on "
            "the machines of a cluster: a clone that needs one makes it again"
        )


def is_here(repo: Repo, one: HashInfo) -> bool:
    """Whether DVC's cache has a file, or a folder with all files in it."""
    cache = repo.cache.legacy if one.name in LEGACY_HASH_NAMES else repo.cache.local
    if not cache.exists(one.value):
        return False
    return not one.isdir or all(cache.exists(file.value) for _, _, file in Tree.load(cache, one))


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
