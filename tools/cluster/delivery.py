"""Sends shipments to a scheduler, and brings home what comes of them."""

import asyncio
import concurrent.futures
import os
import shutil
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distributed import Client, Future, wait
from distributed.client import FuturesCancelledError
from distributed.scheduler import KilledWorker

from stages.runtime.errors import InputError
from tools.cluster import transfer
from tools.cluster.join import ATTEMPT, BEGAN, PRINTED, run_text
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

LOST = "the scheduler was lost; what had ended is recorded; run again when it is back"
TRIES = 3  # of a shipment whose files were lost


@dataclass
class Job:
    """A shipment on its way: as a process, it has a `sentinel` to wait for and an `exitcode`.

    `key` is its own among all that anybody sends. `folder` gets the files that come home, by their
    MD5s; `log`, what is printed.
    """

    name: str
    key: str
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
class Delivery:
    """The shipments that are on their way, and the files that the scheduler is known to have."""

    client: Client
    remote: Remote
    sent: set[str] = field(default_factory=set)  # MD5s
    jobs: dict[str, Job] = field(default_factory=dict)  # by their keys
    sending: dict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    def listen(self) -> None:
        """Asks to hear where shipments begin, and what those that are followed print."""
        self.client.subscribe_topic(BEGAN, self.note_begin)
        self.client.subscribe_topic(PRINTED, self.note_printed)

    async def deliver(
        self, job: Job, shipment: Shipment, paths: dict[str, Path], resource: str
    ) -> Answer:
        """What came of a shipment, once the files that come home are here.

        `paths` says where its files are, by their MD5s, `resource` what a machine must offer.

        Raises:
            InputError: a file has changed, or was lost again and again.
        """
        self.jobs[job.key] = job
        text = write_shipment(shipment)
        remote: Remote | None = self.remote
        try:
            for attempt in range(TRIES):
                await asyncio.gather(
                    *(self.upload(md5, path, remote) for md5, path in paths.items())
                )
                # A task of the same key would have the same answer.
                key = f"{job.key}{ATTEMPT}{attempt}"
                future = self.client.submit(
                    run_text, text, key=key, pure=False, resources={resource: 1}
                )
                answer = await self.wait_for(future, job)
                if answer.state == LACKING:  # the scheduler has them not, or damaged
                    await self.forget(answer.lacking)
                    remote = None  # that machine has another, or none
                    job.machines = [one for one in job.machines if one != answer.machine]
                elif answer.state != CANCELLED:  # by a machine that is going away
                    lost = await self.bring_home(shipment, answer, job)
                    if not lost:
                        return answer
                    await self.forget(lost)
            raise InputError(f"{job.name}: its files were lost {TRIES} times on the way; run again")
        finally:
            del self.jobs[job.key]

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

    async def forget(self, names: list[str]) -> None:
        """Makes the scheduler drop those of these files that are damaged there."""
        self.sent -= set(names)
        for md5 in names:
            await self.call("drop_damaged", [md5])

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
            else:
                lost.append(md5)
        return lost

    async def call(self, what: str, arguments: list[Any]) -> Any:
        """Asks the scheduler for one of its operations on files."""
        return await self.client.scheduler.depot(what=what, arguments=arguments)

    def note_begin(self, event: tuple[float, Mapping[str, str]]) -> None:
        """Learns on which machine a shipment began."""
        if job := self.jobs.get(event[1]["key"]):
            job.machines.append(event[1]["machine"])

    def note_printed(self, event: tuple[float, Mapping[str, str]]) -> None:
        """Adds what a command has printed to the log of its job."""
        if job := self.jobs.get(event[1]["key"]):
            with job.log.open("a", encoding="utf-8") as log:
                log.write(event[1]["text"])


def describe_place(job: Job, answer: Answer) -> str:
    """Where a shipment ran, in words, and which machines were lost before."""
    lost = list(dict.fromkeys(job.machines[:-1]))
    return answer.machine + (f" (again: {', '.join(lost)} was lost)" if lost else "")
