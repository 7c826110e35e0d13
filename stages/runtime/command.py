"""How a stage starts and reports: arguments, pinned packages, one-line errors, times."""

import functools
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import typer

from stages.runtime import explain, is_own
from stages.runtime.errors import InputError
from stages.runtime.inputs import reason_of
from stages.runtime.pins import require_pins
from stages.runtime.starter import STAGE, end_with_dvc
from stages.runtime.unchanged import require_unchanged, watch_files

OWN = [Path(__file__).parents[2] / name for name in ("stages", "tools")]


def run(main: Callable[..., None], *groups: str) -> None:
    """Calls `main` with the command line's arguments, if the packages of `groups` are as pinned.

    Any error ends the process with one line and exit code 2; `python -X dev` shows the traceback.
    """
    try:
        main = when_recorded(main)
        require_pins(*groups)
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command()(main)
        app()
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        program = Path(sys.argv[0]).stem
        print(f"{program}: error: {describe(error, program)}", file=sys.stderr)
        sys.exit(2)


def describe(error: Exception, program: str) -> str:
    """An error in one line; the traceback of what a library raised is kept in `logs`."""
    path = Path("logs", f"{program}.traceback")
    if not isinstance(error, InputError) or error.__cause__:
        with suppress(OSError):
            path.parent.mkdir(exist_ok=True)
            path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError):
        return str(InputError(error))
    if isinstance(error, ImportError) and not is_own(error):
        return explain(error)
    frames = traceback.extract_tb(error.__traceback__)
    own = [one for one in frames if any(Path(one.filename).is_relative_to(code) for code in OWN)]
    at = own[-1] if len(own) > 1 else frames[-1]  # the first one is `run`
    return str(
        InputError(
            f"unexpected {type(error).__name__}: {reason_of(error)} ({Path(at.filename).name}, "
            f"line {at.lineno}); please report it with {path}"
        )
    )


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
