"""Trains committed runs again and compares the bytes: whether dvc.lock was made up.

.venv/bin/python -m tools.verify [--runs 2] [--seed SEED] [RUN]

Works in a clone of the last commit. Neither DVC's run cache nor a recorded model is used.
"""

import os
import secrets
from typing import Annotated

from stages.runtime.command import run

import typer

from stages.runtime.errors import InputError
from tools.store.objects import hash_bytes


def main(
    name: Annotated[
        str, typer.Argument(metavar="[RUN]", help="a run in params.yaml; default: a random one")
    ] = "",
    runs: Annotated[int, typer.Option(min=1, help="number of random runs")] = 1,
    seed: Annotated[str, typer.Option(help="any text; the same one chooses the same runs")] = "",
) -> None:
    """Trains and evaluates RUN, or random ones, from the inputs that the last commit declares.

    Exits with 1 if an output has other content than that commit says, with 3 if the reason may be
    that its processor was of another kind.
    """
    from tools.engine import processes  # DVC: 0.3 s
    from tools.verification.again import Again, run_again
    from tools.verification.commit import open_commit
    from tools.verification.verdict import NOT_VERIFIED, OTHER_PROCESSOR, VERIFIED, judge

    processes.preload()  # here: in a clone, of that one's engine
    statuses = set()
    with open_commit() as commit:
        known = commit.runs
        if not known:
            raise InputError(
                f"dvc.lock of {commit.name} records no training; run `make repro` and commit it"
            )
        if name and name not in known:
            raise InputError(
                f"dvc.lock of {commit.name} has no run {name}; choose one of {', '.join(known)}"
            )
        chosen = [name]
        if not name:
            seed = seed or str(secrets.randbelow(10**6))
            chosen = choose(known, runs, seed)
            said = f"{len(chosen)} of {len(known)} runs of {commit.name}"
            typer.echo(f"{said}, by the seed {seed}: {', '.join(chosen)}\n")
        for one in chosen:
            again = Again()
            for stage in (f"train@{one}", f"evaluate@{one}"):
                run_again(commit, stage, again, lambda text: typer.echo(text, nl=False, err=True))
            status, said = judge(commit, one, again)
            typer.echo(said)
            statuses.add(status)
    if statuses != {VERIFIED}:
        raise typer.Exit(NOT_VERIFIED if NOT_VERIFIED in statuses else OTHER_PROCESSOR)


def choose(runs: list[str], number: int, seed: str) -> list[str]:
    """So many of the runs, the same ones for the same seed."""
    return sorted(runs, key=lambda one: hash_bytes(os.fsencode(f"{seed} {one}")))[:number]


if __name__ == "__main__":
    run(main, "pipeline", "onnx")
