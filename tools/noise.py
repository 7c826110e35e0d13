"""Measures how much the accuracy of a run moves with nothing but the seed.

.venv/bin/python -m tools.noise RUN --seeds 5 [--base BASE [--head HEAD]]
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from dvc.repo import Repo
from scipy.stats import ttest_rel
from tabulate import tabulate
from tqdm import tqdm

from stages.runtime.command import run
from stages.runtime.errors import InputError
from stages.runtime.files import write_json, written_whole
from tools.revisions.programs import call, find_program, show_file
from tools.revisions.report import describe_spread
from tools.revisions.revision import NOISE, find_commit, open_revision, recipe_of

POLL = 1.0  # seconds between two looks at the queue
UNFINISHED = ("Queued", "Running")


def main(
    name: Annotated[str, typer.Argument(metavar="RUN", help="a run of params.yaml")],
    seeds: Annotated[
        int, typer.Option(min=2, help="how many: params.yaml's, and those after it")
    ] = 5,
    base: Annotated[str, typer.Option(help="a revision to compare the recipe of")] = "",
    head: Annotated[str, typer.Option(help="with this one; left out: the workspace")] = "",
    jobs: Annotated[int, typer.Option(min=1, help="experiments at once")] = os.cpu_count() or 1,
) -> None:
    """Trains RUN once a seed, as experiments in DVC's queue, and prints mean and spread.

    With BASE, the recipes of two revisions are compared, seed by seed. What was measured of HEAD
    is written to docs/noise/RUN.json, which `make review` quotes.
    """
    measured = [
        measure(revision, name, seeds, jobs) for revision in ([base] if base else []) + [head]
    ]
    with written_whole(Path(NOISE.format(run=name))) as path:
        write_json(path, measured[-1])
    titles = [base, head or "the workspace"] if base else ["accuracy"]
    columns = {"seed": measured[0]["seeds"]} | {
        title: [f"{accuracy:.4f}" for accuracy in one["accuracy"]]
        for title, one in zip(titles, measured, strict=True)
    }
    typer.echo(tabulate(columns, headers="keys", tablefmt="github", disable_numparse=True))
    for title, one in zip(titles, measured, strict=True):
        typer.echo(f"\n{f'{title}: ' if base else ''}{describe_spread(one['accuracy'])}")
    if base:
        typer.echo(f"\n{compare(*(one['accuracy'] for one in measured))}")


def compare(before: list[float], after: list[float]) -> str:
    """Whether one recipe beats another, by Student's t test of accuracies paired by seed."""
    gains = np.subtract(after, before)
    if np.ptp(gains) == 0:
        return f"The difference is {gains[0]:+.4f} with every seed."
    test = ttest_rel(after, before)
    low, high = test.confidence_interval(0.95)
    word = ("better" if gains.mean() > 0 else "worse") if test.pvalue < 0.05 else "no real change"
    return (
        f"Paired by seed: difference {gains.mean():+.4f} (95% interval {low:+.4f} to {high:+.4f}), "
        f"p {test.pvalue:.4f}: {word}"
    )


def measure(revision: str, name: str, seeds: int, jobs: int) -> dict[str, Any]:
    """The accuracies of a run's recipe at a revision, by seed, with the recipe itself.

    Raises:
        InputError: there is no such run, or an experiment failed.
    """
    with open_revision(revision) as opened:
        if name not in opened.runs:
            raise InputError(f"{opened.name} has no run {name}; it has {', '.join(opened.runs)}")
        recipe = recipe_of(opened, name)
        first = opened.parameters["seed"]
    numbers = list(range(first, first + seeds))
    with clone_of(revision) as folder:
        tasks = queue(folder, name, numbers)
        work_off(folder, tasks, jobs)
        commits = [find_commit(experiment, folder) for experiment in tasks.values()]
        texts = [show_file(folder, commit, f"metrics/{name}.json") for commit in commits]
        accuracies = [json.loads(text)["accuracy"] for text in texts if text is not None]
    return {"recipe": recipe, "seeds": numbers, "accuracy": accuracies}


@contextmanager
def clone_of(revision: str) -> Iterator[Path]:
    """The workspace itself, or for a revision a temporary clone of it that shares DVC's cache."""
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
    """Queues one experiment a seed, in place of older ones; their names by their task."""
    if waiting := [task for task in read_tasks(folder) if task["status"] in UNFINISHED]:
        listed = ", ".join(task["name"] or task["rev"][:7] for task in waiting)
        raise InputError(
            f"DVC's queue already holds {listed}: `dvc queue start` runs what waits there, `dvc "
            "queue remove --queued` forgets it"
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


def work_off(folder: Path, tasks: dict[str, str], jobs: int) -> None:
    """Starts DVC's queue and waits until the tasks are done.

    Raises:
        InputError: an experiment failed; the message tells how to read its log.
    """
    # Its output is not captured: the workers inherit it, and would be waited for.
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
                        raise InputError(f"{name} failed: {' '.join(log.splitlines()[-5:])}")
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


if __name__ == "__main__":
    run(main, "pipeline", "statistics")
