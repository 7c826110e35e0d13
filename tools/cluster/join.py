"""Makes a scheduler or a worker of Dask one of this project's: `--preload tools.cluster.join`."""

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from distributed import Scheduler, Worker, get_worker
from distributed.utils import sync
from tornado.ioloop import PeriodicCallback

from stages.runtime.starter import EVERY
from tools.cluster import transfer
from tools.cluster.address import ENDS_WITH, FOLDER
from tools.cluster.claim import claim
from tools.cluster.depot import Depot
from tools.cluster.facts import Facts, find_facts
from tools.cluster.remote import Remote
from tools.cluster.runner import Watch, run_shipment
from tools.cluster.shipment import read_shipment, write_answer
from tools.cluster.site import Site
from tools.engine import processes

SHRINK = 600.0  # seconds between two looks at how much there is
PLACE = "CLUSTER_FOLDER"  # a variable with the folder of a machine, if it is not FOLDER
BEGAN, PRINTED = "began", "printed"  # topics of Dask's events
ATTEMPT = "#"  # between the key of a job and the number of an attempt, in the key of a task
sites: dict[int, Site] = {}  # of the workers in this process, by their ids
remotes: dict[int, Remote] = {}  # of the same


def shrink_often(server: Scheduler | Worker, depot: Depot) -> None:
    """Keeps the files of a machine that runs for weeks within their limit."""

    async def shrink() -> None:
        await asyncio.to_thread(depot.shrink)

    server.periodic_callbacks["shrink"] = PeriodicCallback(shrink, SHRINK * 1000)


async def dask_setup(server: Scheduler | Worker) -> None:
    """What Dask calls in each scheduler and worker that begins."""
    if isinstance(server, Scheduler):
        set_up_scheduler(server)
    else:
        await set_up_worker(server)


def set_up_scheduler(scheduler: Scheduler) -> None:
    """Gives the scheduler files to keep, and a list of the machines."""
    depot = Depot(find_folder() / "scheduler")
    depot.sweep()
    shrink_often(scheduler, depot)
    machines = dict[str, dict[str, Any]]()
    answers = dict[str, str]()  # by the keys of their tasks

    async def introduce(address: str, facts: dict[str, Any]) -> None:
        machines[address] = facts

    async def list_machines() -> dict[str, dict[str, Any]]:
        return {address: machines[address] for address in scheduler.workers if address in machines}

    async def answer(key: str, text: str) -> None:
        answers[key] = text

    async def take_answer(key: str) -> str | None:
        return answers.pop(key, None)

    scheduler.handlers |= {
        "answer": answer,
        "take_answer": take_answer,
        "depot": transfer.serve(depot),
        "introduce": introduce,
        "list_machines": list_machines,
    }


async def set_up_worker(worker: Worker) -> None:
    """Gives a worker its folder, and tells the scheduler what machine it is."""
    if parent := os.environ.get(ENDS_WITH):
        threading.Thread(target=end_with, args=(int(parent),), daemon=True).start()
    facts = find_facts(str(worker.name), worker.state.nthreads)

    async def call(what: str, arguments: list[Any]) -> Any:
        return await worker.scheduler.depot(what=what, arguments=arguments)

    def ask(what: Awaitable[Any]) -> Any:
        return sync(worker.loop, lambda: what)

    remote = Remote(lambda said: print(f"{facts.name}: {said}", flush=True))

    def fetch(md5: str, target: Path) -> bool:
        return remote.fetch(md5, target) or ask(transfer.download(call, md5, target))

    site = Site(
        name=facts.name,
        folder=claim(find_folder() / "machine"),
        fetch=fetch,
        send=lambda names: ask(transfer.upload(call, {md5: site.depot.find(md5) for md5 in names})),
    )
    site.sweep()
    shrink_often(worker, site.depot)
    processes.preload("sklearn")  # half of the time of a small training
    sites[id(worker)], remotes[id(worker)] = site, remote
    for fingerprint in (facts.fingerprint(), facts.fingerprint(any_processor=True)):
        worker.state.total_resources[f"stage-{fingerprint}"] = facts.slots
        worker.state.available_resources[f"stage-{fingerprint}"] = facts.slots
    await worker.scheduler.introduce(address=worker.address, facts=facts.__dict__)
    worker.periodic_callbacks["announce"] = PeriodicCallback(announce(worker, facts), 100)


def announce(worker: Worker, facts: Facts) -> Callable[[], None]:
    """Says once that stages may come."""
    scheduler = worker.scheduler.address

    def say() -> None:
        worker.periodic_callbacks["announce"].stop()
        slots = f"{facts.slots} slot{'s' * (facts.slots > 1)}"
        print(f"{facts.name}: joined {scheduler} with {slots}", flush=True)

    return say


def end_with(parent: int) -> None:
    """Ends this process when its parent has ended."""
    while os.getppid() == parent:
        time.sleep(EVERY)
    os._exit(1)


def find_folder() -> Path:
    """The folder of this machine."""
    return Path(os.environ.get(PLACE, FOLDER)).absolute()


def run_text(text: str) -> None:
    """Runs a shipment, of this JSON text, on the worker in whose thread this is.

    The answer goes to the scheduler: as the result of this, Dask would fetch it from the worker,
    which may be behind a firewall.
    """
    worker = get_worker()
    key = str(worker.get_current_task())
    job = key.partition(ATTEMPT)[0]
    site = sites[id(worker)]

    def is_cancelled() -> bool:
        task = worker.state.tasks.get(key)
        return task is None or task.state != "executing" or worker.status.name != "running"

    def tell(said: str) -> None:
        worker.log_event(PRINTED, {"key": job, "text": said})

    worker.log_event(BEGAN, {"key": job, "machine": site.name})
    shipment = read_shipment(text)
    remotes[id(worker)].expect(shipment)
    answer = run_shipment(shipment, site, Watch(is_cancelled, tell))
    arguments = {"key": key, "text": write_answer(answer)}
    sync(worker.loop, lambda: worker.scheduler.answer(**arguments))
