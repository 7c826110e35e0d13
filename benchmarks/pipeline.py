"""This pipeline against one plain script per model: seconds, memory and accuracy, in one call.

    make benchmark           # on the sample
    make benchmark FULL=1    # on the full data, for an hour, and on growing parts of it

works in a temporary clone of the last commit, prints what it measures, and writes it to
benchmarks/results/ as JSON and tables. Nothing else should run meanwhile.
"""

import json
import platform
import shutil
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from benchmarks.clone import clone, set_parameter
from benchmarks.growth import draw_growth
from benchmarks.measure import announce
from benchmarks.plain import RUNS
from benchmarks.sizes import measure_growth
from benchmarks.tables import show
from benchmarks.training import time_bare, time_plain, write_rows
from stages.profile import name_processor
from stages.runtime.command import run
from stages.runtime.errors import InputError
from stages.runtime.files import atomic_write, read_json
from stages.runtime.parameters import read_parameters
from tools.engine.processes import RAN
from tools.engine.programs import call
from tools.repro import SECONDS, count_cores

RESULTS = Path("benchmarks/results")
EDITS = {  # one parameter per run, and a value with which training is as much work
    "fashion_mnist-mlp": ("dropout", 0.25),
    "fashion_mnist-svc": ("C", 1.1),
    "fashion_mnist-decision_tree": ("min_samples_leaf", 2),
    "fashion_mnist-random_forest": ("min_samples_leaf", 2),
    "fashion_mnist-cnn": ("learning_rate", 0.0011),
    "cifar10-cnn": ("learning_rate", 0.0011),
}
TIMES = 5  # how often each no-op is timed
DVC = Path(sys.executable).with_name("dvc")


def main(full: Annotated[bool, typer.Option("--full", help="on the full data")] = False) -> None:
    """Measures every run in params.yaml that has a plain script, and prints tables."""
    name = "full" if full else "sample"
    with clone(full) as folder, TemporaryDirectory() as rows:
        models = read_parameters(folder / "params.yaml")["models"]
        datasets = {key: models[key]["dataset"] for key in models if key in RUNS}
        if not datasets:
            raise InputError(
                f"no run in params.yaml has a plain script; add one of {', '.join(RUNS)}"
            )
        results: dict[str, Any] = {"data": name, "machine": describe_machine()}
        results["cold"] = time_cold(folder)
        results["runs"] = {key: read_accuracy(folder, key) for key in datasets}
        for dataset in sorted(set(datasets.values())):
            write_rows(folder, dataset, Path(rows) / dataset)
        for key, dataset in datasets.items():
            results["runs"][key]["plain"] = time_plain(folder, key, Path(rows) / dataset)
        for key in datasets:
            results["runs"][key] |= time_edit(folder, key)
        results["no_op"] = time_no_ops(folder)
        write(results)
        if full:
            results["growth"] = measure_growth(folder, datasets, results["runs"])
            draw_growth(results["growth"], RESULTS / "growth.png")
            write(results)
    typer.echo(f"\n{show(results)}")


def describe_machine() -> dict[str, Any]:
    """The properties of this machine that the times depend on."""
    return {
        "cores": count_cores(),
        "processor": name_processor(),
        "python": platform.python_version(),
    }


def time_cold(folder: Path) -> dict[str, Any]:
    """What `make repro` takes if nothing has run yet, and the seconds of each stage."""
    measured = announce("make repro, nothing cached", ["make", "repro"], folder)
    return measured.numbers() | {"stages": read_json(folder / SECONDS)}


def read_accuracy(folder: Path, key: str) -> dict[str, Any]:
    """The accuracy of a run, and its number of test images."""
    scores = read_json(folder / "metrics" / f"{key}.json")
    return {name: scores[name] for name in ("accuracy", "test_images")}


def time_edit(folder: Path, key: str) -> dict[str, Any]:
    """What `make repro` takes after an edit of one parameter, and what its training alone takes.

    Also how many stages ran after the edit.
    """
    parameter, value = EDITS[key]
    set_parameter(folder, f"models.{key}.params.{parameter}", value)
    bare = time_bare(folder, key)
    edited = announce(f"{key}: make repro after {parameter}: {value}", ["make", "repro"], folder)
    ran = edited.output.count(f" {RAN} ")
    return {
        "edit": f"{parameter}: {value}",
        "bare": bare,
        "edited": edited.numbers() | {"stages": ran},
    }


def time_no_ops(folder: Path) -> dict[str, float]:
    """Median seconds of calls with nothing to do: in `folder`, and in a project of one stage."""
    with TemporaryDirectory() as name:
        one_stage = Path(name)
        call(one_stage, "git", "init", "--quiet")
        call(one_stage, "dvc", "init", "--quiet")
        shutil.copyfile(folder / ".dvc" / "config", one_stage / ".dvc" / "config")
        (one_stage / "a").write_text("a\n", encoding="utf-8")
        stage = ("--name", "copy", "--deps", "a", "--outs", "b", "cp a b")
        call(one_stage, "dvc", "stage", "add", "--quiet", "--run", *stage)
        calls: dict[str, tuple[list[str | Path], Path]] = {
            "make repro": (["make", "repro"], folder),
            "dvc repro": ([DVC, "repro"], folder),
            "dvc repro of one stage": ([DVC, "repro"], one_stage),
        }
        return {
            title: median(
                announce(f"{title}, nothing to do", *what).numbers()["seconds"]
                for _ in range(TIMES)
            )
            for title, what in calls.items()
        }


def write(results: dict[str, Any]) -> None:
    """Writes the measurements so far, as JSON and as Markdown."""
    texts = {".json": json.dumps(results, indent=2), ".md": show(results)}
    for suffix, text in texts.items():
        with atomic_write(RESULTS / f"{results['data']}{suffix}") as path:
            path.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    run(main, "arrays", "dev", "pipeline", "plots", "statistics")
