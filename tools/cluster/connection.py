"""Connects to a scheduler, in a thread of its own."""

import asyncio
import concurrent.futures
import logging
import os
import shutil
import threading
import uuid
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from distributed import Client

from stages.runtime.errors import InputError
from tools.cluster.address import (
    PATIENCE,
    find_security,
    is_of_this_machine,
    require_address,
    require_answer,
)
from tools.cluster.delivery import LOST, Delivery, Job
from tools.cluster.facts import find_facts
from tools.cluster.machines import Machines, describe
from tools.cluster.remote import Remote
from tools.cluster.shipment import Shipment

EVERY = 1.0  # seconds between two looks at the machines


@dataclass(frozen=True)
class Connection:
    """A scheduler that is connected; `loop` is that of the thread that talks to it."""

    client: Client
    loop: asyncio.AbstractEventLoop
    folder: Path
    machines: Machines
    delivery: Delivery

    def do(self, what: Coroutine[Any, Any, Any]) -> "concurrent.futures.Future[Any]":
        """Begins something in that thread."""
        return asyncio.run_coroutine_threadsafe(what, self.loop)

    def start(self, shipment: Shipment, paths: Mapping[str, Path], name: str, log: Path) -> Job:
        """Sends a shipment; `paths` says where its files are, by their MD5s."""
        sentinel, signal = os.pipe()
        key = f"{name}-{uuid.uuid4().hex}"
        job = Job(name, key, self.folder / key, log, sentinel, signal)
        job.folder.mkdir()
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        resource = self.machines.resource
        job.task = self.do(self.delivery.deliver(job, shipment, dict(paths), resource))
        job.task.add_done_callback(lambda _: os.write(signal, b"!"))
        return job

    def stop(self, jobs: list[Job]) -> None:
        """Stops shipments: their commands end on their machines."""
        for job in jobs:
            if job.task is not None:
                job.task.cancel()

    def require(self) -> None:
        """Raises an InputError if the scheduler, or for some time every machine, is lost."""
        if self.client.status not in ("running", "newly-created"):
            raise InputError(LOST)
        self.machines.require()

    async def look_at_machines(self) -> None:
        """Learns which machines are there."""
        self.machines.learn(await self.client.scheduler.list_machines())

    async def watch_machines(self) -> None:
        """Looks for machines that come and go."""
        while True:
            with suppress(OSError):
                await self.look_at_machines()
            await asyncio.sleep(EVERY)


@contextmanager
def connect(
    address: str, say: Callable[[str], None] = print, any_processor: bool = False
) -> Iterator[Connection]:
    """A cluster, with a line for what it has, and for each machine that is not used.

    Raises:
        InputError: the address is not safe, the scheduler does not answer or refuses, or it has no
            machine that computes as this one.
    """
    require_address(address)
    require_answer(address)
    for name in list(logging.root.manager.loggerDict):  # what is wrong is said here, in one line
        if name.partition(".")[0] in ("distributed", "tornado", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        with folder_of_jobs() as folder:
            connection = open_connection(address, loop, folder, say, any_processor)
            try:
                require_machines(address, connection)
                watching = connection.do(connection.watch_machines())
                yield connection
                watching.cancel()
            finally:
                connection.stop(list(connection.delivery.jobs.values()))
                with suppress(OSError, TimeoutError, concurrent.futures.CancelledError):
                    connection.do(close(connection.client)).result(PATIENCE)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)


@contextmanager
def folder_of_jobs() -> Iterator[Path]:
    """A folder for what comes home, until the end; that of a killed process goes."""
    folder = Path(f".dvc/tmp/cluster-{os.getpid()}").absolute()
    for left in folder.parent.glob("cluster-*"):
        if not psutil.pid_exists(int(left.name.rpartition("-")[2])):
            shutil.rmtree(left, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def open_connection(
    address: str,
    loop: asyncio.AbstractEventLoop,
    folder: Path,
    say: Callable[[str], None],
    any_processor: bool,
) -> Connection:
    """Connects to a scheduler."""

    async def open_client() -> Client:
        security = find_security(address)
        return await Client(address, asynchronous=True, security=security, timeout=PATIENCE)

    machines = Machines(find_facts(), any_processor, say)
    try:
        client = asyncio.run_coroutine_threadsafe(open_client(), loop).result(2 * PATIENCE)
    except (OSError, TimeoutError) as error:
        raise InputError(f"{address}: its scheduler does not answer ({error})") from None
    delivery = Delivery(client, Remote(say))
    delivery.listen()
    return Connection(client, loop, folder, machines, delivery)


def require_machines(address: str, connection: Connection) -> None:
    """Says which machines there are, and how to look at what they do.

    Raises:
        InputError: none computes as this one.
    """
    machines = connection.machines
    connection.do(connection.look_at_machines()).result(PATIENCE)
    if not machines.usable:
        reason = (
            "none of its machines computes as this one" if machines.refused else "run `make worker`"
        )
        raise InputError(f"{address} has no machine that could run a stage; {reason}")
    named = ", ".join(map(describe, machines.usable.values()))
    dashboard = describe_dashboard(connection.client.dashboard_link)
    machines.say(f"{address}: {named}; dashboard: {dashboard}")


def describe_dashboard(link: str) -> str:
    """How to look at the dashboard, which listens on the scheduler's own machine alone."""
    host, _, port = link.partition("://")[2].partition("/")[0].rpartition(":")
    own = f"http://127.0.0.1:{port}/status"
    return (
        own if is_of_this_machine(host) else f"{own} after `ssh -L {port}:127.0.0.1:{port} {host}`"
    )


async def close(client: Client) -> None:
    """Leaves the scheduler."""
    await client.close()
