"""This pipeline against one plain script per model: seconds, memory and accuracy, in one call.

    make benchmark           # on the sample
    make benchmark LOOP=1    # only cold, after an edit, and with nothing to do
    make benchmark FULL=1    # on the full data, for an hour, and on growing parts of it

works in a temporary clone of the last commit, prints what it measures, and writes it to
benchmarks/results/ as JSON and tables. Nothing else should run meanwhile.
"""

import json
import os
import platform
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from stages.runtime.command import run

import typer

from benchmarks.clone import clone, set_parameter
from benchmarks.growth import draw_growth
from benchmarks.loop import time_loop
from benchmarks.measure import announce
from benchmarks.page import show, show_machine
from benchmarks.plain import RUNS
from benchmarks.sizes import measure_growth
from benchmarks.training import time_bare, time_plain, write_rows
from stages.profile import name_processor
from stages.runtime.errors import InputError
from stages.runtime.files import atomic_write, read_json
from stages.runtime.parameters import read_parameters
from tools.engine.processes import SECONDS, count_cores

RESULTS = Path("benchmarks/results")


def main(
    full: Annotated[bool, typer.Option("--full", help="on the full data")] = False,
    loop: Annotated[bool, typer.Option("--loop", help="only cold, edits and no-ops")] = False,
) -> None:
    """Measures every run in params.yaml that has a plain script, and prints tables."""
    results: dict[str, Any] = {"data": "full" if full else "sample", "machine": describe_machine()}
    typer.echo(show_machine(results["machine"]))
    name = results["data"] + ("_loop" if loop else "")
    with clone(full) as folder:
        models = read_parameters(folder / "params.yaml")["models"]
        datasets = {key: models[key]["dataset"] for key in models if key in RUNS}
        if not datasets:
            raise InputError(
                f"no run in params.yaml has a plain script; add one of {', '.join(RUNS)}"
            )
        set_parameter(folder, "models", {key: models[key] for key in datasets})
        set_parameter(folder, "features", {})
        results["cold"] = time_cold(folder)
        results["alone"] = {run: time_bare(folder, run) for run in datasets}
        write(results, name)
        if not loop:
            results["runs"] = time_runs(folder, datasets)
        results["loop"] = time_loop(folder, datasets)
        write(results, name)
        if full and not loop:
            results["growth"] = measure_growth(folder, datasets, results)
            draw_growth(results["growth"], RESULTS / "growth.png")
            write(results, name)
    typer.echo(f"\n{show(results)}")


def describe_machine() -> dict[str, Any]:
    """The properties of this machine that the times depend on."""
    return {
        "cores": count_cores(),
        "processor": name_processor(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),  # of the last minute
    }


def time_cold(folder: Path) -> dict[str, Any]:
    """What `make repro` takes if nothing has run yet, and the seconds of each stage."""
    measured = announce("make repro, nothing cached", ["make", "repro"], folder)
    return measured.numbers() | {"stages": read_json(folder / SECONDS)}


def time_runs(folder: Path, datasets: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The test accuracy of each run, its number of images, and what its plain script takes."""
    runs = {}
    with TemporaryDirectory() as rows:
        for dataset in sorted(set(datasets.values())):
            write_rows(folder, dataset, Path(rows) / dataset)
        for key, dataset in datasets.items():
            scores = read_json(folder / "metrics" / f"{key}.json")["test"]
            runs[key] = {"accuracy": scores["accuracy"], "test_images": scores["images"]}
            runs[key]["plain"] = time_plain(folder, key, Path(rows) / dataset)
    return runs


def write(results: dict[str, Any], name: str) -> None:
    """Writes the measurements so far, as JSON and as Markdown."""
    texts = {".json": json.dumps(results, indent=2), ".md": show(results)}
    for suffix, text in texts.items():
        with atomic_write(RESULTS / f"{name}{suffix}") as path:
            path.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    run(main, "arrays", "dev", "pipeline", "plots")
