"""Runs git, or the DVC of this .venv."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.runtime.errors import InputError

# What is read from git's output must not depend on a person's settings of git.
SETTINGS = {
    "column.ui": "never",
    "core.quotePath": "false",
    "i18n.logOutputEncoding": "UTF-8",
    "log.showSignature": "false",
    "status.showUntrackedFiles": "normal",
}
PLAIN = [part for key, value in SETTINGS.items() for part in ("-c", f"{key}={value}")]


def call(folder: Path, program: str, *arguments: str | Path) -> str:
    """Runs a program in a folder, and returns what it printed.

    Raises:
        InputError: it failed; the message ends with the last line of its output.
    """
    result = attempt(folder, program, *arguments)
    if result.returncode:
        said = (result.stderr or result.stdout).strip().splitlines() or ["no message"]
        raise InputError(f"{program} {' '.join(map(str, arguments))}: {said[-1]}")
    return result.stdout


def attempt(
    folder: Path, program: str, *arguments: str | Path, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Runs a program in a folder to its end, ignoring its exit status.

    What it prints may name files that are not UTF-8: their bytes are as Python has them in paths.
    """
    settings = PLAIN if program == "git" else []
    with starting(program) as path:
        return subprocess.run(
            [path, *settings, *arguments],
            cwd=folder,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
        )


def show_file(folder: Path, revision: str, path: str) -> str | None:
    """The text of a file at a git revision, `path` being relative to `folder`; None if missing.

    Raises:
        UnicodeDecodeError: it is not UTF-8.
    """
    result = attempt(folder, "git", "show", f"{revision}:./{path}")
    return None if result.returncode else os.fsencode(result.stdout).decode("utf-8")


@contextmanager
def starting(name: str) -> Iterator[Path | str]:
    """Yields the program of this name in this .venv, or else in PATH, to be started in the block.

    Raises:
        InputError: it does not start.
    """
    path = Path(sys.executable).with_name(name)
    try:
        yield path if path.exists() else name
    except OSError as error:
        if path.exists():  # its first line names a Python that is gone
            why = "was made in another folder, or by a Python that is gone; run `make setup`"
            raise InputError(f"{path} does not start: its .venv {why}") from None
        raise InputError(f"{name} does not start ({error.strerror}); install it") from None
