"""What a cluster costs the machine that asks: processor seconds per stage and per trial.

    .venv/bin/python -m benchmarks.cluster [--workers 8] [--counts 200,1000]

starts a scheduler and workers of one slot each on this machine, has trivial stages and trials run
there, and prints a table. A stage is `echo`; a trial copies the outputs of a training.
"""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from stages.runtime.command import run

import typer
from dvc.utils.serialize import modify_yaml
from tabulate import tabulate

from benchmarks.clone import clone, set_parameter
from benchmarks.measure import measure

RUN = "fashion_mnist-decision_tree"
SECONDS = (10, 100, 1000)  # of training, for which slots are counted


def main(
    workers: Annotated[int, typer.Option(min=1, help="of one slot each")] = 8,
    counts: Annotated[str, typer.Option(help="numbers of stages and of trials")] = "200,1000",
) -> None:
    """Measures, and prints one row per number of stages and of trials."""
    rows = []
    for count in map(int, counts.split(",")):
        for what, make in (("stages", measure_stages), ("trials", measure_trials)):
            with clone(full=False) as folder, start_cluster(folder, workers) as address:
                row = make(folder, address, count)
            rows.append({"what": f"{count} {what}"} | row | count_slots(row["driver CPU ms each"]))
            typer.echo(rows[-1])
    typer.echo(tabulate(rows, headers="keys", tablefmt="github", floatfmt=".1f"))


def count_slots(milliseconds: float) -> dict[str, int]:
    """How many slots one driver keeps busy, by the seconds of a training."""
    return {f"slots at {one} s": int(one / (milliseconds / 1000)) for one in SECONDS}


@contextmanager
def start_cluster(folder: Path, workers: int) -> Iterator[str]:
    """The address of a scheduler with workers, each in a folder of its own."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{one.getsockname()[1]}"
    with TemporaryDirectory() as places:
        programs = list[subprocess.Popen[bytes]]()

        def start(*command: str) -> None:
            environment = os.environ | {"CLUSTER_FOLDER": f"{places}/{len(programs)}"}
            program = [sys.executable, "-m", *command]
            out = subprocess.DEVNULL
            programs.append(
                subprocess.Popen(program, cwd=folder, env=environment, stdout=out, stderr=out)
            )

        start("tools.scheduler", address, "--dashboard", "0")
        for number in range(workers):
            start("tools.worker", address, "--slots", "1", "--name", f"machine{number}")
        time.sleep(15 + 3 * workers)
        try:
            yield address
        finally:
            for program in programs:
                program.terminate()
            for program in programs:
                program.wait()


def measure_stages(folder: Path, address: str, count: int) -> dict[str, Any]:
    """The costs of `count` stages that do nothing, less those of a call with nothing to do."""
    code = ["stages/runtime", "stages/datasets", "stages/model_file", "stages/frameworks/keras"]
    with modify_yaml(folder / "dvc.yaml") as pipeline:
        pipeline["stages"] = {
            f"stage{number}": {
                "cmd": f"mkdir -p out && echo {number} > out/{number}.txt",
                "deps": code,
                "params": ["seed"],
                "outs": [f"out/{number}.txt"],
            }
            for number in range(count)
        }
    command: list[str | Path] = [sys.executable, "-m", "tools.repro", "--cluster", address]
    with counting_writes(folder / "dvc.lock") as writes:
        took = measure(command, folder, watch_memory=False)
    nothing = measure(command, folder, watch_memory=False)
    return {
        "seconds": took.seconds,
        "driver CPU ms each": 1000 * (took.cpu_seconds - nothing.cpu_seconds) / count,
        "writes of dvc.lock": len(writes),
    }


@contextmanager
def counting_writes(path: Path) -> Iterator[set[int]]:
    """Collects the times at which a file was seen to be written."""
    writes, ended = set[int](), threading.Event()

    def look() -> None:
        while not ended.wait(0.02):
            if path.exists():
                writes.add(path.stat().st_mtime_ns)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield writes
    finally:
        ended.set()
        thread.join()


def measure_trials(folder: Path, address: str, count: int) -> dict[str, Any]:
    """The costs of `count` trials whose training copies its outputs, less those of none."""
    for name in ("models", "features"):
        kept = {RUN: read_run(folder)} if name == "models" else {}
        set_parameter(folder, name, kept)
    measure([sys.executable, "-m", "tools.repro"], folder, watch_memory=False)
    made = folder / "made"
    for path in (f"data/validation/{RUN}", f"data/models/{RUN}.onnx", f"plots/{RUN}"):
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        source = folder / path
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, made / path)
    with modify_yaml(folder / "dvc.yaml") as pipeline:
        train = pipeline["stages"]["train"]["do"]
        train["cmd"] = "cp -r made/data made/plots ."
        train["deps"].append("made")
    measure([sys.executable, "-m", "tools.repro", "--cluster", address], folder, watch_memory=False)
    command: list[str | Path] = [sys.executable, "-m", "tools.sweep", "--cluster", address, RUN]
    nothing = measure([*command, "max_depth=5"], folder, watch_memory=False)
    values = ",".join(str(10 + number) for number in range(count))
    took = measure([*command, f"max_depth={values}"], folder, watch_memory=False)
    return {
        "seconds": took.seconds,
        "driver CPU ms each": 1000 * (took.cpu_seconds - nothing.cpu_seconds) / count,
    }


def read_run(folder: Path) -> Any:
    """The block of the run in params.yaml."""
    with modify_yaml(folder / "params.yaml") as parameters:
        return parameters["models"][RUN]


if __name__ == "__main__":
    run(main, "pipeline")
