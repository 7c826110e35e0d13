"""The options of commands that can run on a cluster, which most people do without."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from tools.cluster.address import require_dask

if TYPE_CHECKING:  # it imports Dask, in 1 s
    from tools.cluster.bench import Away
    from tools.cluster.connection import Connection

SCHEDULER = "DASK_SCHEDULER_ADDRESS"  # Dask's own variable for an address
ClusterAddress = Annotated[
    str, typer.Option(metavar="tls://HOST:8786", envvar=SCHEDULER, help="run on its machines")
]
AnyProcessor = Annotated[bool, typer.Option(help="also on machines with other processors")]


@contextmanager
def connect(address: str, any_cpu: bool) -> Iterator["Connection | None"]:
    """The machines of a scheduler; none without an address.

    Raises:
        InputError: they cannot be used.
    """
    if not address:
        yield None
        return
    require_dask()
    from tools.cluster import connection

    with connection.connect(address, typer.echo, any_cpu) as connected:
        yield connected


@contextmanager
def open_bench(address: str, any_cpu: bool, follows: bool = False) -> Iterator["Away | None"]:
    """The machines of a scheduler, as what runs trials; none without an address.

    With `follows`, the epochs of trainings are heard of as they end.
    """
    with connect(address, any_cpu) as connection:
        if connection is None:
            yield None
            return
        from tools.cluster.bench import Away

        yield Away(connection, follows)
