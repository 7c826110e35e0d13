"""Runs the client of a package manager."""

import subprocess
from pathlib import Path

from stages.runtime.errors import InputError


def call(command: list[str], folder: Path) -> None:
    """Runs a package manager's client in `folder`."""
    try:
        subprocess.run(command, cwd=folder, check=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise InputError(f"{command[0]} is not installed") from None
    except subprocess.CalledProcessError as error:
        raise InputError(f"`{' '.join(command)}` failed, exit code {error.returncode}") from None
