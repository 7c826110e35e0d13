"""Starts the scheduler of a cluster, which hands out stages and keeps their files.

.venv/bin/python -m tools.scheduler [tls://0.0.0.0:8786]
"""

import os
import sys
from typing import Annotated

from stages.runtime.command import run

import typer

from tools.cluster.address import name_options, require_address, require_dask

DASHBOARD = 8787


def main(
    address: Annotated[str, typer.Argument(metavar="CLUSTER")] = "tls://0.0.0.0:8786",
    dashboard: Annotated[int, typer.Option(help="port, on this machine alone")] = DASHBOARD,
) -> None:
    """Runs until Ctrl-C; its machines and what they do then end, too."""
    require_dask()
    require_address(address)
    host, _, port = address.partition("://")[2].rpartition(":")
    typer.echo(
        f"scheduler: {address}; dashboard: http://127.0.0.1:{dashboard}/status, from elsewhere "
        f"after `ssh -L {dashboard}:127.0.0.1:{dashboard} THIS_MACHINE`",
    )
    sys.stdout.flush()
    options = ["--host", host.strip("[]"), "--port", port, *name_options(address)]
    options += ["--dashboard-address", f"127.0.0.1:{dashboard}"]
    os.environ |= {"DASK_LOGGING__DISTRIBUTED": "warning"}
    program = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    os.execv(sys.executable, program + options)


if __name__ == "__main__":
    run(main, "pipeline")
