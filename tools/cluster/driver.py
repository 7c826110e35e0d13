"""This machine's side of a cluster: sends shipments, and brings home what comes of them."""

import asyncio
import concurrent.futures
import logging
import os
import shutil
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from distributed import Client, Future, wait
from distributed.client import FuturesCancelledError
from distributed.scheduler import KilledWorker

from stages.runtime.errors import InputError
from tools.cluster import transfer
from tools.cluster.address import (
    PATIENCE,
    find_security,
    is_of_this_machine,
    require_address,
    require_answer,
)
from tools.cluster.facts import Facts, explain_difference, find_facts
from tools.cluster.join import run_text
from tools.cluster.remote import Remote
from tools.cluster.shipment import (
    CANCELLED,
    LACKING,
    Answer,
    Shipment,
    read_answer,
    write_shipment,
)
from tools.store.objects import hash_content

WITHOUT_MACHINES = 30.0  # seconds without any machine, after which it is given up
CUT = 60.0  # seconds without an answer of the scheduler; a cut connection is noticed after 30
EVERY = 1.0  # seconds between two looks at the machines
LOST = "the scheduler was lost; what had ended is recorded; run again when it is back"
TRIES = 3  # of a shipment whose files were lost


@dataclass
class Job:
    """A shipment on its way: as a process, it has a `sentinel` to wait for and an `exitcode`.

    `folder` gets the files that come home, by their MD5s; `log`, what is printed.
    """

    name: str
    folder: Path
    log: Path
    sentinel: int
    signal: int
    machines: list[str] = field(default_factory=list)  # on which it began
    task: "concurrent.futures.Future[Answer] | None" = None

    @property
    def exitcode(self) -> int | None:
        """0 when it has ended, however."""
        return 0 if self.task is not None and self.task.done() else None

    def result(self) -> Answer:
        """What came of it.

        Raises:
            InputError: its files or machines were lost, again and again.
        """
        assert self.task is not None
        return self.task.result()

    def close(self) -> None:
        """Gives up what it holds."""
        for descriptor in (self.sentinel, self.signal):
            with suppress(OSError):
                os.close(descriptor)
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass
class Connection:
    """A scheduler that is connected, and the machines that stages go to."""

    client: Client
    loop: asyncio.AbstractEventLoop
    here: Facts
    any_processor: bool
    folder: Path
    say: Callable[[str], None]
    remote: Remote
    usable: dict[str, Facts] = field(default_factory=dict)  # by address
    refused: dict[str, str] = field(default_factory=dict)  # why, by address
    sent: set[str] = field(default_factory=set)  # MD5s of files that the scheduler has
    jobs: dict[str, Job] = field(default_factory=dict)  # by the keys of their tasks
    sending: dict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    answered: float = field(default_factory=time.monotonic)  # when the scheduler last has
    seen: float = field(default_factory=time.monotonic)  # when a machine was last there

    @property
    def slots(self) -> int:
        """The number of stages that may run at a time."""
        return sum(facts.slots for facts in self.usable.values())

    @property
    def shares_machine(self) -> bool:
        """Whether a worker runs on this machine, and would slow what is timed here."""
        return any(facts.host == self.here.host for facts in self.usable.values())

    @property
    def resource(self) -> str:
        """What a machine must offer."""
        return f"stage-{self.here.fingerprint(self.any_processor)}"

    def do(self, what: Coroutine[Any, Any, Any]) -> "concurrent.futures.Future[Any]":
        """Begins something in the thread that talks to the scheduler."""
        return asyncio.run_coroutine_threadsafe(what, self.loop)

    def start(self, shipment: Shipment, paths: Mapping[str, Path], name: str, log: Path) -> Job:
        """Sends a shipment; `paths` says where its files are, by their MD5s."""
        sentinel, signal = os.pipe()
        key = f"{name}-{uuid.uuid4().hex}"
        job = Job(name, self.folder / key, log, sentinel, signal)
        job.folder.mkdir()
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        self.jobs[key] = job
        job.task = self.do(self.deliver(key, shipment, dict(paths)))
        job.task.add_done_callback(lambda _: os.write(signal, b"!"))
        return job

    async def deliver(self, key: str, shipment: Shipment, paths: dict[str, Path]) -> Answer:
        """What came of a shipment, once the files that come home are here.

        Raises:
            InputError: a file has changed, or was lost again and again.
        """
        job = self.jobs[key]
        text = write_shipment(shipment)
        remote: Remote | None = self.remote
        if shipment.follows:
            self.client.subscribe_topic(f"log-{key}", lambda event: self.hear(job, event))
        try:
            for _ in range(TRIES):
                await asyncio.gather(
                    *(self.upload(md5, path, remote) for md5, path in paths.items())
                )
                future = self.client.submit(
                    run_text, text, key=key, pure=False, resources={self.resource: 1}
                )
                answer = await self.wait_for(future, job)
                if answer.state == LACKING:  # the scheduler has them not, or damaged
                    self.sent -= set(answer.lacking)
                    for md5 in answer.lacking:
                        await self.call("drop_damaged", [md5])
                    remote = None  # that machine has another, or none
                    job.machines = [one for one in job.machines if one != answer.machine]
                elif answer.state == CANCELLED:  # by a machine that is going away
                    job.machines.append(answer.machine)
                elif not (lost := await self.bring_home(shipment, answer, job)):
                    return answer
                else:
                    self.sent -= set(lost)
                key += "'"  # a task of the same name would have the same answer
                self.jobs[key] = job
            raise InputError(f"{job.name}: its files were lost {TRIES} times on the way; run again")
        finally:
            self.jobs.pop(key, None)
            if shipment.follows:
                self.client.unsubscribe_topic(f"log-{key}")

    async def wait_for(self, future: Future, job: Job) -> Answer:
        """The answer to a shipment.

        Raises:
            InputError: the machines that ran it were lost, one after the other.
        """
        try:
            await wait(future)
            if future.status == "error":
                raise await future.exception()
            text = await self.client.scheduler.take_answer(key=future.key)
            return read_answer(text) if text else Answer(CANCELLED, "")
        except FuturesCancelledError:
            raise InputError(LOST) from None
        except KilledWorker:
            machines = ", ".join(dict.fromkeys(job.machines))
            raise InputError(
                f"{job.name}: {machines} was lost while it ran, again and again, e.g. since it "
                "needs more memory than is there; start fewer SLOTS there"
            ) from None
        finally:
            if not future.done():
                await future.cancel()
            future.release()

    async def upload(self, md5: str, path: Path, remote: Remote | None) -> None:
        """Sends a file to the scheduler, unless it has it or machines can take it elsewhere."""
        async with self.sending[md5]:
            if md5 in self.sent:
                return
            if remote is None or not await asyncio.to_thread(remote.holds, md5, path):
                await transfer.upload(self.call, {md5: path})
                self.sent.add(md5)

    async def bring_home(self, shipment: Shipment, answer: Answer, job: Job) -> list[str]:
        """Brings the outputs of an answer into the folder of a job; those that were damaged."""
        ended = zip(shipment.steps, answer.outs, strict=False)
        names = {
            file.md5
            for step, outs in ended
            if step.comes_home
            for files in outs.values()
            for file in files.values()
        }
        lost = []
        for md5 in names:
            target = job.folder / md5
            found = await transfer.download(self.call, md5, target)
            if found and await asyncio.to_thread(hash_content, target) == md5:
                self.sent.add(md5)
                continue
            lost.append(md5)
            await self.call("drop_damaged", [md5])
        return lost

    async def call(self, what: str, arguments: list[Any]) -> Any:
        """Asks the scheduler for one of its operations on files."""
        return await self.client.scheduler.depot(what=what, arguments=arguments)

    async def watch_machines(self) -> None:
        """Looks for machines that come and go."""
        while True:
            with suppress(OSError):
                await self.look_at_machines()
            await asyncio.sleep(EVERY)

    async def look_at_machines(self) -> None:
        """Learns which machines are there, and says of new ones why they are not used."""
        found = await self.client.scheduler.list_machines()
        if found is None:
            raise InputError(
                "its scheduler is not one of this project; run `make scheduler`, or give Dask's "
                "own `--preload tools.cluster.join`"
            )
        self.answered = time.monotonic()
        facts = {address: Facts(**one) for address, one in found.items()}
        reasons = {
            address: explain_difference(one, self.here, self.any_processor)
            for address, one in facts.items()
        }
        self.usable = {address: one for address, one in facts.items() if not reasons[address]}
        for address, reason in reasons.items():
            if reason and address not in self.refused:
                one = facts[address]
                self.say(f"{describe(one)} is not used: {reason}")
        self.refused = {address: reason for address, reason in reasons.items() if reason}
        if self.usable:
            self.seen = time.monotonic()

    def note_begin(self, event: tuple[float, Mapping[str, str]]) -> None:
        """Learns on which machine a shipment began."""
        if job := self.jobs.get(event[1]["key"]):
            job.machines.append(event[1]["machine"])

    def hear(self, job: Job, event: tuple[float, Mapping[str, str]]) -> None:
        """Writes what a command prints to the log of its job."""
        with job.log.open("a", encoding="utf-8") as log:
            log.write(event[1]["text"])

    def require(self) -> None:
        """Raises an InputError if the scheduler, or for some time every machine, is lost."""
        if self.client.status not in ("running", "newly-created"):
            raise InputError(LOST)
        if time.monotonic() - self.answered > CUT:
            raise InputError(LOST)
        if self.answered - self.seen > WITHOUT_MACHINES:
            raise InputError(f"no machine has been there for {WITHOUT_MACHINES:.0f} seconds")

    def stop(self, jobs: list[Job]) -> None:
        """Stops shipments: their commands end on their machines."""
        for job in jobs:
            if job.task is not None:
                job.task.cancel()


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
    folder = Path(f".dvc/tmp/cluster-{os.getpid()}").absolute()
    for left in folder.parent.glob("cluster-*"):  # by a killed process
        if not psutil.pid_exists(int(left.name.rpartition("-")[2])):
            shutil.rmtree(left, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        cluster = open_cluster(address, loop, folder, say, any_processor)
        try:
            yield cluster
        finally:
            cluster.stop(list(cluster.jobs.values()))
            with suppress(OSError, TimeoutError, concurrent.futures.CancelledError):
                cluster.do(close(cluster.client)).result(5)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        shutil.rmtree(folder, ignore_errors=True)


def open_cluster(
    address: str,
    loop: asyncio.AbstractEventLoop,
    folder: Path,
    say: Callable[[str], None],
    any_processor: bool,
) -> Connection:
    """Connects to a scheduler, and looks at its machines."""

    async def open_client() -> Client:
        return await Client(
            address,
            asynchronous=True,
            security=find_security(address),
            timeout=PATIENCE,
        )

    here = find_facts()
    try:
        client = asyncio.run_coroutine_threadsafe(open_client(), loop).result(PATIENCE + 5)
    except (OSError, TimeoutError) as error:
        raise InputError(f"{address}: its scheduler does not answer ({error})") from None
    cluster = Connection(client, loop, here, any_processor, folder, say, Remote(say))
    client.subscribe_topic("began", cluster.note_begin)
    cluster.do(cluster.look_at_machines()).result(PATIENCE)
    if not cluster.usable:
        cluster.do(close(client)).result(5)
        known = "; none of its machines computes as this one" if cluster.refused else ""
        raise InputError(
            f"{address} has no machine that could run a stage{known or '; run `make worker`'}"
        )
    cluster.do(cluster.watch_machines())
    machines = ", ".join(map(describe, cluster.usable.values()))
    say(f"{address}: {machines}; dashboard: {describe_dashboard(client.dashboard_link)}")
    return cluster


def describe(facts: Facts) -> str:
    """A machine, in words."""
    return f"{facts.name} ({facts.slots} slot{'s' * (facts.slots > 1)})"


def describe_dashboard(link: str) -> str:
    """How to look at the dashboard, which listens on the scheduler's own machine alone."""
    host, _, port = link.partition("://")[2].partition("/")[0].rpartition(":")
    own = f"http://127.0.0.1:{port}/status"
    return (
        own if is_of_this_machine(host) else f"{own} after `ssh -L {port}:127.0.0.1:{port} {host}`"
    )


def describe_place(job: Job, answer: Answer) -> str:
    """Where a shipment ran, in words, and which machines were lost before."""
    lost = list(dict.fromkeys(job.machines[:-1]))
    return answer.machine + (f" (again: {', '.join(lost)} was lost)" if lost else "")


async def close(client: Client) -> None:
    """Leaves the scheduler."""
    await client.close()
