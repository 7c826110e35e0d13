"""Training uses as many threads as the parameter `threads`, as read from the process."""

import json
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import BIN, ENVIRONMENT, ROOT
from test_export import prepare

from stages.datasets.arrays import write_split

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no /proc")

BUSY = 0.05  # of the processor time of a process; a thread with less has only started
RUNS: dict[str, dict[str, Any]] = {
    "keras": {
        "layout": "image",
        "framework": "keras",
        "model": "cnn",
        "params": {
            "filters": [16, 16],
            "kernel_sizes": [5, 5],
            "padding": "same",
            "pool_size": 2,
            "units": [32],
            "epochs": 2,
            "batch_size": 256,
            "learning_rate": 0.001,
        },
    },
    "sklearnex": {
        "layout": "flat",
        "framework": "sklearn",
        "model": "estimator",
        "params": {"estimator": "sklearnex.svm.SVC", "gamma": 0.1},
    },
}


@pytest.mark.parametrize(("name", "pool"), [("keras", 1), ("sklearnex", 0)])
def test_as_many_threads_work_as_the_parameter_says(tmp_path: Path, name: str, pool: int) -> None:
    if name == "sklearnex":
        pytest.importorskip("sklearnex")
    layout = RUNS[name]["layout"]
    for split, images_per_class in {"train": 500, "validation": 10}.items():
        write_split(
            tmp_path / "arrays" / split,
            *prepare("fashion_mnist", layout, "train", images_per_class),
        )
    metadata = {"classes": [str(label) for label in range(10)]}
    (tmp_path / "arrays" / "about.json").write_text(json.dumps(metadata))
    for shared in ("stages", "pyproject.toml"):
        (tmp_path / shared).symlink_to(ROOT / shared)
    # The first thread of TensorFlow waits while the one in its pool works.
    assert count_busy(tmp_path, name, threads=1) == pool
    assert count_busy(tmp_path, name, threads=2) > pool


def count_busy(folder: Path, name: str, threads: int) -> int:
    """Trains a run in its own process and counts the busy threads, apart from its first."""
    parameters = {"seed": 1, "threads": threads, "models": {name: RUNS[name]}}
    (folder / "params.yaml").write_text(yaml.safe_dump(parameters))
    made_of = [RUNS[name][key] for key in ("framework", "model")]
    command = ["-m", "stages.train", name, *made_of, "arrays", "model.onnx", "curve.csv", "answers"]
    ticks: dict[str, int] = {}  # of each thread, as read last
    with subprocess.Popen([BIN / "python", *command], cwd=folder, env=ENVIRONMENT) as process:
        while process.poll() is None:
            for task in Path(f"/proc/{process.pid}/task").iterdir():
                with suppress(OSError):  # it has just ended
                    # After the name in brackets, which may hold blanks; see proc_pid_stat(5).
                    fields = (task / "stat").read_text().rpartition(")")[2].split()
                    ticks[task.name] = int(fields[11]) + int(fields[12])  # user and system
            time.sleep(0.02)
    assert process.returncode == 0
    others = [count for task, count in ticks.items() if task != str(process.pid)]
    return sum(count > BUSY * sum(ticks.values()) for count in others)
