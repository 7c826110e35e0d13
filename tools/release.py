"""Registers a version of a run's model: an annotated git tag, as GTO makes it.

.venv/bin/python -m tools.release RUN VERSION [--dry-run]
"""

import hashlib
from pathlib import Path
from typing import Annotated

from stages.runtime.command import run

import typer

from stages.runtime.errors import InputError
from stages.runtime.lock import find_hash
from stages.runtime.parameters import read_parameter
from stages.runtime.unchanged import is_recorded
from tools.check_lock import require_current
from tools.engine.plan import open_repository
from tools.engine.readable import require_readable
from tools.engine.repository import list_edited, require_commit
from tools.registry.artifacts import PIPELINE, check_artifact, path_of, read_artifacts
from tools.registry.quality import compare_with, describe_accuracy
from tools.registry.versions import (
    name_artifact,
    read_versions,
    register,
    require_next,
    require_unregistered,
    tag_of,
)
from tools.store.remote import one_line_errors, open_remote

GOT_WORSE = 3  # the exit code, as of `tools.review`


def main(
    name: Annotated[str, typer.Argument(metavar="RUN", help="a run in params.yaml")],
    version: Annotated[str, typer.Argument(help="a semantic version above the last, e.g. 1.2.0")],
    dry_run: Annotated[bool, typer.Option(help="only say what it would do")] = False,
) -> None:
    """Tags the current commit, and says how to share the tag and the model.

    Exits with 3 if the model is significantly worse than its last version, by the rule of
    `make review`.

    Raises:
        InputError: the files are not those of a commit, dvc.lock or the model is not current, or
            the version is not above the last.
    """
    require_readable()
    require_commit()
    require_registrable(name)
    artifact = name_artifact(name)
    known = read_versions(artifact)
    wanted = require_next(version, known)
    tag = tag_of(artifact, wanted)
    require_clean()
    require_unregistered(artifact, known)
    model = Path(path_of(name))
    sha256 = hash_model(model)
    require_current()
    # Its last line is what `sha256sum --check` reads.
    message = f"{name} {wanted}: {describe_accuracy(name)}\n\n{sha256}  {model.name}\n"
    if known.in_use:
        said, losses = compare_with(tag_of(artifact, known.in_use[-1]), name)
        typer.echo(f"{name}: {said}")
        if losses:
            typer.echo("\n".join(f"release: {line}" for line in losses), err=True)
            raise typer.Exit(GOT_WORSE)
    sharing = say_how_to_share(model, tag)
    if not dry_run:
        register(artifact, wanted, message)
    typer.echo(f"{'Would tag' if dry_run else 'Tagged'} this commit {tag}:\n\n{message}\n{sharing}")


def require_registrable(name: str) -> None:
    """Raises an InputError unless a run has its lines in `artifacts` of dvc.yaml."""
    runs = read_parameter("models")
    if name not in runs:
        raise InputError(f"RUN is {name!r}: choose one of {', '.join(runs)}")
    for what, _ in check_artifact(name, runs[name], read_artifacts()):
        raise InputError(
            f"{PIPELINE}: artifacts {what} {name}; run `.venv/bin/python -m "
            "tools.check_dependencies`, which prints the lines"
        )


def require_clean() -> None:
    """Raises an InputError if a file is not as it is in the current commit."""
    if edited := list_edited():
        more = f" and {len(edited) - 1} more" if edited[1:] else ""
        raise InputError(f"{edited[0]}{more}: not as in the last commit; commit or undo that")


def hash_model(path: Path) -> str:
    """The SHA-256 of a model, which is the one that dvc.lock names.

    Raises:
        InputError: it is missing or another one.
    """
    if not path.is_file() or not is_recorded(path):
        raise InputError(f"{path}: missing; run `make pull PATHS={path}` or `make repro`")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def say_how_to_share(model: Path, tag: str) -> str:
    """What is left to do until others can have a model, who read the remote from its commit."""
    push = f"git push origin {tag}"
    with open_repository() as repo, one_line_errors(repo.config):
        if not repo.config.load_one("repo")["core"].get("remote"):
            return (
                "This commit names no default remote, so nobody can get the model from it: see "
                f"docs/sharing.md before you push this version:\n  {push}"
            )
        remote = open_remote(repo)
        if remote.fs.exists(remote.oid_to_path(find_hash(model))):
            return f"The model is in the default remote. To share the version:\n  {push}"
    return f"The default remote lacks the model. To share the version:\n  make push && {push}"


if __name__ == "__main__":
    run(main, "pipeline")
