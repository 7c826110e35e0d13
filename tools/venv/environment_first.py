"""Imports what the environment has from there, whatever lies in the working folder.

`python -m` looks in the working folder first: a file `typer.py` there, which a remote or an archive
may have brought, would run in the place of the package. Only the project's own packages come from
there. `make setup` copies this module into .venv, and venv.pth imports it when Python starts.
"""

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

OWN = ("stages", "tools", "benchmarks")


class EnvironmentFirst:
    """Finds top-level modules outside of the working folder; for others it leaves it to Python."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The specification of a module, or None."""
        if path is not None or name in OWN:
            return None
        try:
            here = ("", os.getcwd())
        except OSError:  # somebody has removed it
            return None
        return PathFinder.find_spec(name, [entry for entry in sys.path if entry not in here])


sys.meta_path.insert(sys.meta_path.index(PathFinder), EnvironmentFirst)  # type: ignore[arg-type]
