"""Experiments in DVC's queue, in the workspace or in a clone of another revision."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvc.repo import Repo
from tqdm import tqdm

from stages.runtime.errors import InputError
from tools.engine.programs import call, find_program
from tools.revisions.revision import find_commit

POLL = 1.0  # seconds between two looks at the queue
UNFINISHED = ("Queued", "Running")


@contextmanager
def clone_of(revision: str) -> Iterator[Path]:
    """The workspace itself, or a temporary clone of a revision that shares DVC's cache."""
    if not revision:
        yield Path.cwd()
        return
    with Repo() as repo, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary) / "clone"
        clone = ["git", "clone", "--quiet", "--shared", "--no-checkout"]
        call(Path.cwd(), *clone, repo.root_dir, folder)
        call(folder, "git", "checkout", "--quiet", "--detach", find_commit(revision))
        call(folder, "dvc", "cache", "dir", "--local", repo.cache.local.path)
        yield folder


def queue(folder: Path, name: str, seeds: list[int]) -> dict[str, str]:
    """Queues one experiment per seed, replacing older ones; returns their names by task.

    Raises:
        InputError: the queue is not empty.
    """
    if waiting := [task for task in read_tasks(folder) if task["status"] in UNFINISHED]:
        listed = ", ".join(task["name"] or task["rev"][:7] for task in waiting)
        raise InputError(
            f"DVC's queue already holds {listed}; run them with `dvc queue start`, or remove them "
            "with `dvc queue remove --queued`"
        )
    names = [f"noise-{name}-seed{seed}" for seed in seeds]
    with Repo(str(folder)) as repo:
        known = {
            experiment for listed in repo.experiments.ls().values() for experiment, _ in listed
        }
    if old := [experiment for experiment in names if experiment in known]:
        call(folder, "dvc", "exp", "remove", *old)
    for seed, experiment in zip(seeds, names, strict=True):
        command = ["dvc", "exp", "run", "--queue", "--name", experiment]
        call(folder, *command, "--set-param", f"seed={seed}", f"evaluate@{name}")
    waiting = [task for task in read_tasks(folder) if task["status"] in UNFINISHED]
    return {
        task["rev"]: task["name"]
        for task in sorted(waiting, key=lambda task: names.index(task["name"]))
    }


def run_queue(folder: Path, tasks: dict[str, str], jobs: int) -> None:
    """Starts DVC's queue and waits until the tasks are done.

    Raises:
        InputError: an experiment failed; the message ends with the last lines of its log.
    """
    # Not captured: the workers inherit its output, so reading that would wait for them.
    start = [find_program("dvc"), "queue", "start", "--jobs", str(jobs)]
    subprocess.run(start, cwd=folder, stdout=subprocess.DEVNULL, check=True)
    try:
        with tqdm(total=len(tasks), desc="experiments", unit="seed") as bar:
            while bar.n < len(tasks):
                time.sleep(POLL)
                states = {task["rev"]: task["status"] for task in read_tasks(folder)}
                for task, name in tasks.items():
                    if states.get(task) == "Failed":
                        log = call(folder, "dvc", "queue", "logs", task)
                        lines = log.splitlines()[-20:]
                        errors = [line for line in lines if ": error: " in line] or lines[-5:]
                        raise InputError(f"{name} failed: {' '.join(errors)}")
                done = sum(states.get(task) == "Success" for task in tasks)
                bar.update(done - bar.n)
    except (KeyboardInterrupt, InputError):
        call(folder, "dvc", "queue", "stop", "--kill")
        call(folder, "dvc", "queue", "remove", "--queued")
        raise


def read_tasks(folder: Path) -> list[dict[str, Any]]:
    """DVC's queue: `rev`, `name` and `status` of each task."""
    with Repo(str(folder)) as repo:
        tasks: list[dict[str, Any]] = repo.experiments.celery_queue.status()
    return tasks
