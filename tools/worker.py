"""Makes this machine one of a cluster: it runs the stages that others ask for.

.venv/bin/python -m tools.worker tls://HOST:8786 [--slots 8]
"""

import os
import signal
import socket
import subprocess
import sys
import time
from types import FrameType
from typing import Annotated

from stages.runtime.command import run

import typer

from stages.runtime.errors import InputError
from tools.cluster.address import (
    ENDS_WITH,
    name_options,
    require_address,
    require_answer,
    require_dask,
)
from tools.engine.processes import PATIENCE, count_cores, require_sockets

PAUSE = 2.0  # seconds between the end of a worker and the next


def main(
    address: Annotated[str, typer.Argument(metavar="CLUSTER", help="the scheduler's address")],
    slots: Annotated[
        int | None, typer.Option(min=1, help="stages at a time; default: one per core")
    ] = None,
    name: Annotated[str, typer.Option(help="of this machine; default: its host name")] = "",
) -> None:
    """Runs until Ctrl-C. If the scheduler is lost, or not yet there, it is looked for again."""
    require_dask()
    require_address(address)
    require_sockets()
    signal.signal(signal.SIGTERM, raise_interrupt)
    slots = slots or count_cores()
    name = name or socket.gethostname()
    options = ["--nthreads", str(slots), "--name", name, *name_options(address)]
    options += ["--no-nanny", "--no-dashboard", "--memory-limit", "0", "--death-timeout", "60"]
    # What is measured of it can be read there without certificates.
    options += ["--dashboard-address", "127.0.0.1:0"]
    options += ["--local-directory", ".cluster/dask"]
    program = [sys.executable, "-m", "distributed.cli.dask_worker", address, *options]
    environment = os.environ | {
        "DASK_LOGGING__DISTRIBUTED": "critical",
        ENDS_WITH: str(os.getpid()),
    }
    try:
        said = ""
        while True:
            reason = find_reason(address)
            if reason:
                if reason != said:
                    typer.echo(f"{name}: {reason}; it is tried again")
                said = reason
                time.sleep(PAUSE)
                continue
            said = ""
            with subprocess.Popen(program, env=environment, start_new_session=True) as worker:
                try:
                    status = worker.wait()
                except KeyboardInterrupt:
                    stop(worker)
                    raise
            typer.echo(f"{name}: its worker ended with status {status}; another is started")
            time.sleep(PAUSE)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def find_reason(address: str) -> str:
    """Why a worker could not join the scheduler now; empty if it could."""
    try:
        require_answer(address)
    except InputError as error:
        return str(error)
    return ""


def stop(worker: subprocess.Popen[bytes]) -> None:
    """Ends a worker, with the stages that it runs."""
    worker.terminate()
    try:
        worker.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        worker.kill()


def raise_interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Makes SIGTERM end it as Ctrl-C does."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    run(main, "pipeline")
