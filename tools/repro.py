"""Reproduces the pipeline like `dvc repro`, but runs independent stages in parallel.

.venv/bin/python -m tools.repro [--jobs 2]
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

from stages.runtime.command import run

import typer

from stages.runtime.errors import InputError
from stages.runtime.files import locked
from tools.cluster.options import AnyProcessor, ClusterAddress, connect
from tools.engine.processes import SECONDS, count_cores, preload

if TYPE_CHECKING:
    from tools.engine.places import Cluster

LOCK = Path(".dvc/tmp/repro.lock")


def main(
    jobs: Annotated[
        int | None, typer.Option(min=1, help="stages in parallel; default: one per core")
    ] = None,
    pull: Annotated[
        bool, typer.Option(help="take from the default remote what was run in another clone")
    ] = False,
    cluster: ClusterAddress = "",
    any_cpu: AnyProcessor = False,
) -> None:
    """Runs the stages of dvc.yaml that changed, and those they need, up to `jobs` in parallel.

    Prints one line per stage; its output goes to logs/STAGE.log. After a failure, the stages that
    do not depend on it still run, and the exit code is 1. Ctrl-C stops all; the next call goes on.
    """
    signal.signal(signal.SIGTERM, raise_interrupt)
    if not LOCK.parents[1].is_dir():
        raise InputError(
            f"there is no {LOCK.parents[1]} here; run this in the root of the repository"
        )
    if not cluster and is_probably_stale():
        preload()
    try:
        succeeded = run_pipeline(jobs, pull, cluster, any_cpu)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if not succeeded:
        raise typer.Exit(1)
    if Path("metrics").exists():
        from tools.results import print_results

        print_results()


def run_pipeline(
    jobs: int | None, pull: bool = False, cluster: str = "", any_cpu: bool = False
) -> bool:
    """Runs the stages, prints how many had which outcome, and returns whether none failed.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """
    # With DVC: 0.3 s, in which `preload` goes on. Each stage's process imports this module.
    from dvc.repo import lock_repo

    from tools.engine.lock_file import restore_damaged
    from tools.engine.plan import open_repository, read_stages
    from tools.engine.record import read_orders
    from tools.engine.schedule import FAILED, Schedule
    from tools.store.bring import bring

    LOCK.parent.mkdir(exist_ok=True)
    with locked(LOCK, "runs `make repro`"), open_repository(locks=False) as repo:
        with repo.lock:
            if message := restore_damaged():
                typer.echo(message)
        if pull:
            with lock_repo(repo):
                bring(repo, only_absent=True)
        with repo.lock:
            stages = read_stages(repo)
            orders = read_orders(stages.values())
        with open_place(cluster, any_cpu) as place:
            schedule = Schedule(repo, stages, jobs or count_cores(), orders, pull, cluster=place)
            schedule.run()
    states = list(schedule.states.values())
    counts = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    typer.echo(f"{len(stages)} stages: {', '.join(counts)}")
    if schedule.interrupted:
        raise KeyboardInterrupt
    return FAILED not in states


@contextmanager
def open_place(address: str, any_cpu: bool) -> Iterator["Cluster | None"]:
    """The machines of a scheduler; none without an address."""
    with connect(address, any_cpu) as connection:
        if connection is None:
            yield None
            return
        from tools.cluster.place import ClusterPlace

        yield ClusterPlace(connection)


def raise_interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Makes SIGTERM stop the stages as Ctrl-C does."""
    raise KeyboardInterrupt


def is_probably_stale() -> bool:
    """Whether a file that was edited after the last call hints at work, long before DVC knows."""
    last = SECONDS.stat().st_mtime if SECONDS.exists() else 0.0  # every call writes it
    edited = [Path(name) for name in ("params.yaml", "dvc.yaml", "pyproject.toml", "stages")]
    files = (path for one in edited for path in (one, *one.rglob("*.py")) if path.exists())
    return any(path.stat().st_mtime > last for path in files)


if __name__ == "__main__":
    run(main, "pipeline")
