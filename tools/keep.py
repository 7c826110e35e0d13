"""Writes the values of a trial or of one of DVC's experiments into params.yaml.

.venv/bin/python -m tools.keep TRIAL
"""

import difflib
from typing import Annotated, Any

from stages.runtime.command import run

import typer

from stages.runtime.errors import InputError
from stages.runtime.files import read_text
from stages.runtime.parameters import PARAMETERS
from tools.engine.programs import call
from tools.engine.repository import HERE
from tools.parameters.edit import set_values, write_text
from tools.revisions.definitions import read_definitions
from tools.revisions.revision import find_commit
from tools.trials.rows import read_rows
from tools.trials.trial import FAILED


def main(
    name: Annotated[
        str, typer.Argument(metavar="TRIAL", help="a name in the table of `make experiments`")
    ],
) -> None:
    """Prints what changes: the lines of these values, and no others."""
    before = read_text(PARAMETERS)
    after = set_values(before, find_values(name))
    if after == before:
        typer.echo(f"{PARAMETERS} has these values already")
        return
    write_text(after)
    old, new = (text.splitlines(keepends=True) for text in (before, after))
    typer.echo("".join(difflib.unified_diff(old, new, str(PARAMETERS), str(PARAMETERS), n=0)))
    typer.echo(
        "Run `make repro`: what a trial has trained comes from the cache; then the test images"
    )
    typer.echo("are scored, once.")


def find_values(name: str) -> dict[str, Any]:
    """The values of the trial of this name, by their dotted names, or of an experiment.

    Raises:
        InputError: there is neither.
    """
    for row in reversed(read_rows()):
        if row.trial.name == name and row.state != FAILED:
            return row.trial.chosen
    refs = call(HERE, "git", "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps")
    commits = [line.split()[0] for line in refs.splitlines() if line.split("/")[4:] == [name]]
    if not commits:
        raise InputError(
            f"{name!r}: no trial or experiment has this name; `make experiments` lists them"
        )
    before, after = (
        read_definitions(title, find_commit(title))[0]
        for title in (f"{commits[-1]}~1", commits[-1])
    )
    return dict(list_changes(before, after))


def list_changes(before: Any, after: Any, at: str = "") -> list[tuple[str, Any]]:
    """The values in which two versions of params.yaml differ, by their dotted names.

    Raises:
        InputError: a key was removed, which is not a value to set.
    """
    changes = list[tuple[str, Any]]()
    if removed := before.keys() - after.keys():
        raise InputError(f"{at}{sorted(removed)[0]} was removed; remove it in {PARAMETERS} by hand")
    for key, value in after.items():
        old = before.get(key)
        if isinstance(value, dict) and isinstance(old, dict) and value:
            changes += list_changes(old, value, f"{at}{key}.")
        elif key not in before or value != old or type(value) is not type(old):
            changes.append((f"{at}{key}", value))
    return changes


if __name__ == "__main__":
    run(main, "pipeline")
