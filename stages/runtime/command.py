"""How a stage starts and reports: arguments, pinned packages, one-line errors, times."""

import functools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import typer

from stages.runtime.errors import InputError
from stages.runtime.parameters import read_pins
from stages.runtime.starter import STAGE, end_with_dvc
from stages.runtime.unchanged import require_unchanged, watch_files


def run(main: Callable[..., None], *groups: str) -> None:
    """Calls `main` with the command line's arguments, if the packages of `groups` are as pinned.

    An `InputError` or `OSError` ends the process with its message on one line and exit code 2.
    """
    try:
        main = when_recorded(main)
        require_pins(*groups)
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command()(main)
        app()
    except (InputError, OSError) as error:
        stage = Path(sys.argv[0]).stem
        line = " ".join(str(error).split())
        shown = "".join(one if one.isprintable() else repr(one)[1:-1] for one in line)
        print(f"{stage}: error: {shown}", file=sys.stderr)
        sys.exit(2)


def when_recorded(main: Callable[..., None]) -> Callable[..., None]:
    """`main` as a stage that DVC records: it ends with DVC, and fails if what it read changes.

    A person may run a stage by hand and close the terminal: then it is `main` itself.
    """
    if STAGE not in os.environ:
        return main
    threading.Thread(target=end_with_dvc, args=(os.getppid(),), daemon=True).start()
    files = watch_files()

    @functools.wraps(main)
    def checked(*arguments: Any, **options: Any) -> None:
        main(*arguments, **options)
        require_unchanged(files)

    return checked


@contextmanager
def report_time(what: str) -> Iterator[None]:
    """Prints the wall-clock and processor seconds that the block takes, after `what`."""
    wall, processor = time.perf_counter(), time.process_time()
    yield
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    print(f"{what} in {wall:.2f} s, CPU {processor:.2f} s", flush=True)


def require_pins(*groups: str) -> None:
    """Checks the installed packages against `dependency-groups` of `pyproject.toml`.

    Raises:
        InputError: a package is missing or its version differs from its pin.
    """
    for pin in read_pins(*groups):
        if pin.marker is not None and not pin.marker.evaluate():
            continue
        try:
            installed = version(pin.name)
        except PackageNotFoundError:
            installed = "not installed"
        if not pin.specifier.contains(installed):
            raise InputError(
                f"{pin.name} is {installed} in {sys.prefix}, but pyproject.toml pins "
                f"{pin.specifier}; run `make setup` (after editing the pin: `make lock setup`)"
            )
