"""Times the loop of a person at work, in a clone: edit a parameter and run, run again."""

import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.clone import set_parameter
from benchmarks.measure import announce
from stages.runtime.errors import InputError
from tools.engine.programs import call
from tools.engine.schedule import RAN

EDITS = {  # one parameter per run: its first value and the step to the next; all are as much work
    "fashion_mnist-mlp": ("dropout", 0.21, 0.01),
    "fashion_mnist-svc": ("C", 1.01, 0.01),
    "fashion_mnist-decision_tree": ("min_samples_leaf", 2, 1),
    "fashion_mnist-random_forest": ("min_samples_leaf", 2, 1),
    "fashion_mnist-cnn": ("learning_rate", 0.00101, 0.00001),
    "cifar10-cnn": ("learning_rate", 0.00101, 0.00001),
}
EDIT_CALLS = 3  # of each command, if the fit is short; otherwise 1
SHORT = 5.0  # seconds
NO_OP_CALLS = 5
MAKE, DVC, ONE_STAGE = "make repro", "dvc repro", "dvc repro of one stage"
COMMANDS: dict[str, list[str | Path]] = {
    MAKE: ["make", "repro"],
    DVC: [Path(sys.executable).with_name("dvc"), "repro"],
}
STAGE_RAN = {MAKE: f" {RAN} ", DVC: "Running stage '"}  # as each command says it

Numbers = dict[str, float]


def time_loop(folder: Path, runs: Iterable[str]) -> dict[str, Any]:
    """What an edit of each run takes, and calls with nothing to do, in a clone that has run."""
    return {"edits": {run: time_edits(folder, run) for run in runs}, "no_op": time_no_ops(folder)}


def time_edits(folder: Path, run: str) -> dict[str, Any]:
    """Medians of both commands, called in turn, each after an edit of the run's parameter.

    Every edit sets a value that was not used before: DVC's run cache has no result for it.
    """
    parameter, first, step = EDITS[run]
    values: list[float] = []
    calls: dict[str, list[Numbers]] = {name: [] for name in COMMANDS}
    for _ in range(EDIT_CALLS):
        for name in COMMANDS:
            values.append(round(first + len(values) * step, 6))
            set_parameter(folder, f"models.{run}.params.{parameter}", values[-1])
            title = f"{run}: {name} after {parameter}: {values[-1]}"
            calls[name].append(time_edit(folder, run, name, title))
        if calls[MAKE][0]["fit_seconds"] >= SHORT:
            break
    return {"parameter": parameter, "values": values} | take_medians(calls)


def time_edit(folder: Path, run: str, name: str, title: str) -> Numbers:
    """What one command takes after an edit, and how much of it is not the fit."""
    log = folder / "logs" / f"train@{run}.log"
    log.unlink(missing_ok=True)
    took, said = time_command(folder, name, title)
    if log.exists():  # `make repro` writes it; `dvc repro` prints what the stages print
        said = log.read_text(encoding="utf-8")
    fits = re.findall(r"\bfitted in (.+) s, CPU (.+) s$", said, re.M)
    if len(fits) != 1:
        raise InputError(f"{title}: {len(fits)} lines `fitted in`, expected 1, from train@{run}")
    fit, fit_cpu = map(float, fits[0])
    return took | {
        "fit_seconds": fit,
        "fit_cpu_seconds": fit_cpu,
        "beyond_seconds": took["seconds"] - fit,
        "beyond_cpu_seconds": took["cpu_seconds"] - fit_cpu,
    }


def time_no_ops(folder: Path) -> dict[str, Numbers]:
    """Medians of calls with nothing to do, in turn: in the clone, and in a project of one stage."""
    with TemporaryDirectory() as temporary:
        one_stage = Path(temporary)
        make_one_stage(one_stage, folder / ".dvc" / "config")
        places = {MAKE: (folder, MAKE), DVC: (folder, DVC), ONE_STAGE: (one_stage, DVC)}
        calls: dict[str, list[Numbers]] = {title: [] for title in places}
        for _ in range(NO_OP_CALLS):
            for title, place in places.items():
                calls[title].append(time_command(*place, f"{title}, nothing to do")[0])
    return take_medians(calls)


def time_command(folder: Path, name: str, title: str) -> tuple[Numbers, str]:
    """What a command takes, how many stages it ran, and what it printed."""
    took = announce(title, COMMANDS[name], folder, watch_memory=False)
    return took.numbers() | {"stages": took.output.count(STAGE_RAN[name])}, took.output


def make_one_stage(folder: Path, config: Path) -> None:
    """Creates a DVC project of one stage that has run, with the same `config`."""
    call(folder, "git", "init", "--quiet")
    call(folder, "dvc", "init", "--quiet")
    shutil.copyfile(config, folder / ".dvc" / "config")
    (folder / "a").write_text("a\n", encoding="utf-8")
    stage = ("--name", "copy", "--deps", "a", "--outs", "b", "cp a b")
    call(folder, "dvc", "stage", "add", "--quiet", "--run", *stage)


def take_medians(calls: dict[str, list[Numbers]]) -> dict[str, Numbers]:
    """The median of each number over the calls of each command, and how many calls these were."""
    return {
        name: {"calls": len(taken)}
        | {key: round(median(one[key] for one in taken), 3) for key in taken[0]}
        for name, taken in calls.items()
    }
