"""Experiments in DVC's queue, in the workspace or in a clone of another revision."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvc.exceptions import OutputNotFoundError
from dvc.repo import Repo
from dvc.scm import SCMError
from tqdm import tqdm

from stages.runtime.errors import InputError
from tools.engine.programs import attempt, call, starting
from tools.engine.repository import find_project
from tools.revisions.revision import find_commit

POLL = 1.0  # seconds between two looks at the queue
UNFINISHED = ("Queued", "Running")


@contextmanager
def clone_of(revision: str) -> Iterator[Path]:
    """The workspace itself, or a temporary clone of a revision that shares DVC's cache."""
    if not revision:
        yield Path.cwd()
        return
    root, place = find_project()
    with Repo() as repo, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary) / "clone"
        clone = ["git", "clone", "--quiet", "--shared", "--no-checkout"]
        call(Path.cwd(), *clone, root, folder)
        call(folder, "git", "checkout", "--quiet", "--detach", find_commit(revision))
        call(folder / place, "dvc", "cache", "dir", "--local", repo.cache.local.path)
        yield folder / place


def require_in_git(folder: Path, data: str) -> None:
    """Refuses what an experiment would lack: DVC copies what git or DVC has, and the edits of it.

    `data` is the path of a data set in the project in `folder`.

    Raises:
        InputError: there is code or data that only the workspace has.
    """
    paths = ["stages"]
    known = True
    if not Path(data).is_absolute():
        paths.append(f"{data}.dvc")
        if not is_output(folder, data):
            paths.append(data)
            known = bool(attempt(folder, "git", "ls-files", "--", data).stdout)
    others = ["git", "ls-files", "--others", "--exclude-standard", "--"]
    new = attempt(folder, *others, *paths).stdout
    if new or not known:
        raise InputError(
            f"{new.splitlines()[0] if new else data}: an experiment would lack it, since it is "
            f"neither in git nor in DVC; `git add` it, or for data `dvc add {data}` and `git add "
            f"{data}.dvc`, or set an absolute path in params.yaml"
        )


def is_output(folder: Path, path: str) -> bool:
    """Whether DVC keeps a path, by `dvc add` or as an output of a stage."""
    with Repo(str(folder)) as repo:
        try:
            return bool(repo.find_outs_by_path(str(folder / path)))
        except OutputNotFoundError:
            return False


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
    start = ["queue", "start", "--jobs", str(jobs)]
    with starting("dvc") as dvc:
        subprocess.run([dvc, *start], cwd=folder, stdout=subprocess.DEVNULL, check=True)
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
    try:
        with Repo(str(folder)) as repo:
            tasks: list[dict[str, Any]] = repo.experiments.celery_queue.status()
    except SCMError as error:  # e.g. a copied folder whose .git was left out
        raise InputError(
            f"DVC's queue is of another repository ({error}); remove .dvc/tmp/exps"
        ) from None
    return tasks
