"""The whole pipeline: its outputs, on reruns and on one core or several."""

import csv
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import BIN, ENVIRONMENT, RUNS, edit, forks, read_lock, repro, run, without_times


def test_a_second_repro_finds_nothing_to_do(project: Path) -> None:
    assert repro(project) == []
    assert run("git", "status", "--porcelain", cwd=project).stdout == ""


def test_the_lock_made_side_by_side_is_in_the_order_of_dvc_repro(trained: Path) -> None:
    said = run("dvc", "repro", "--dry", "--force", cwd=trained).stdout
    assert list(read_lock(trained)) == re.findall(r"^Running stage '(.+)':$", said, re.M)


@pytest.mark.parametrize("name", RUNS)
def test_every_run_has_its_files(trained: Path, name: str) -> None:
    content = (trained / f"data/models/{name}.onnx").read_bytes()
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    session = onnxruntime.InferenceSession(content)
    metrics = json.loads((trained / f"metrics/{name}.json").read_text())["test"]
    outputs = {value.name: value for value in session.get_outputs()}
    (images,) = session.get_inputs()
    size = [28, 28, 1] if RUNS[name]["dataset"] == "fashion_mnist" else [32, 32, 3]
    shape = [int(np.prod(size))] if RUNS[name]["layout"] == "flat" else size
    assert (images.name, images.type, images.shape) == ("images", "tensor(float)", ["n", *shape])
    assert (outputs["label"].type, outputs["label"].shape) == ("tensor(int64)", ["n"])
    if "probability" in outputs:
        assert outputs["probability"].type == "tensor(float)"
        assert outputs["probability"].shape == ["n", 10]
        assert {"log_loss", "calibration_error"} <= set(metrics)
    else:
        assert name == "fashion_mnist-svc"
    metadata = {k: json.loads(v) for k, v in session.get_modelmeta().custom_metadata_map.items()}
    assert metadata["dataset"] == RUNS[name]["dataset"]
    assert metadata["layout"] == ("flat" if RUNS[name]["layout"] == "flat" else "image")
    assert metadata["image_shape"] == size
    assert len(metadata["classes"]) == 10
    assert metadata["normalization"] == {"mean": [0.0] * size[2], "deviation": [1.0] * size[2]}

    with (trained / f"plots/{name}/predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == metrics["images"] == 150
    hits = sum(row["actual"] == row["predicted"] for row in rows)
    assert metrics["accuracy"] == pytest.approx(hits / 150, abs=1e-6)
    assert metrics["accuracy_low"] < metrics["accuracy"] < metrics["accuracy_high"]
    with (trained / f"data/audit/{RUNS[name]['dataset']}.csv").open() as file:
        near = {int(row["test_index"]) for row in csv.DictReader(file)}
    others = [row["actual"] == row["predicted"] for i, row in enumerate(rows) if i not in near]
    assert metrics["near_duplicates"] == len(near) == 150 - len(others)
    assert metrics["accuracy_without_near_duplicates"] == pytest.approx(np.mean(others), abs=1e-6)
    with (trained / f"plots/{name}/learning_curve.csv").open() as file:
        epochs = [row["epoch"] for row in csv.DictReader(file)]
    assert len(epochs) == RUNS[name]["params"].get("epochs", 1)


ONE_CORE = min(os.sched_getaffinity(0))
KILLED_WHILE_WRITING = {
    "check": "data/check/params.txt",
    "load@cifar10": "data/raw/cifar10",
    "audit@cifar10": "plots/audit/cifar10.png",
    "normalize@cifar10": "data/normalized/cifar10",
    "reshape@cifar10-flat": "data/reshaped/cifar10-flat",
    "features@toy": "data/reshaped/cifar10-toy",
    "train@cifar10-cnn": "plots/cifar10-cnn/learning_curve.csv",
    "train@fashion_mnist-svc": "data/models/fashion_mnist-svc.onnx",
    "evaluate@cifar10-cnn": "metrics/cifar10-cnn.json",
    "profile@cifar10-cnn": "metrics/profile/cifar10-cnn.json",
    "plot@cifar10-cnn": "plots/cifar10-cnn/pictures",
    "card@cifar10-cnn": "data/models/cifar10-cnn.md",
    "compare": "plots/accuracy.png",
}


# Of each framework and data set, and what its fit uses: convolutions, trees, kernels, gradients.
ON_ONE_CORE = (
    *("cifar10-cnn", "cifar10-pretrained", "fashion_mnist-svc"),
    *("fashion_mnist-random_forest", "fashion_mnist-logistic_regression"),
)


def test_killed_in_every_kind_of_stage_it_ends_with_the_same_bytes_on_one_core(
    fresh: Path, trained: Path
) -> None:
    edit(fresh, models={name: RUNS[name] for name in ON_ONE_CORE})
    for stage, out in KILLED_WHILE_WRITING.items():
        kill_while_writing(fresh, stage, fresh / out)
    with on_one_core():
        run("dvc", "repro", cwd=fresh)
    expected = without_times(trained)  # made on all cores, side by side
    stages = without_times(fresh)
    assert len(stages) == 1 + 3 * 2 + 4 + 1 + 3 * len(ON_ONE_CORE)
    assert stages == {name: expected[name] for name in stages} | {"check": stages["check"]}
    assert stages["check"]["outs"] == expected["check"]["outs"]  # it has all of params.yaml
    names = run("git", "ls-files", "metrics/*.json", "plots/*/*", cwd=trained).stdout.split()
    made = {"audit", *ON_ONE_CORE}
    own = [name for name in names if made & {Path(name).stem, *Path(name).parts}]
    assert len(own) > 8 * len(ON_ONE_CORE)
    for name in own:
        if not name.startswith("metrics/profile/"):
            assert (fresh / name).read_bytes() == (trained / name).read_bytes(), name
    assert not [*fresh.rglob(".*.partial"), *fresh.rglob(".*.lock")]
    assert repro(fresh) == []


@contextmanager
def on_one_core() -> Iterator[None]:
    """Lets the programs that `run` forks use one core alone."""
    server = forks().process.pid
    cores = os.sched_getaffinity(server)
    os.sched_setaffinity(server, [ONE_CORE])
    try:
        yield
    finally:
        os.sched_setaffinity(server, cores)


def kill_while_writing(project: Path, stage: str, out: Path) -> None:
    """Starts `dvc repro` up to a stage and kills all its processes when it writes `out`."""
    claim = out.with_name(f".{out.name}.lock")  # the stage holds it while it writes
    process = subprocess.Popen(
        ["taskset", "-c", str(ONE_CORE), BIN / "dvc", "repro", "-q", stage],
        cwd=project,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    # A small file may be written between two looks: then DVC is about to take it over.
    while not (claim.exists() or out.exists()) and process.poll() is None:
        time.sleep(0.0005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL, f"{stage} ended before it was killed"


def test_no_validation_images_are_needed(project: Path) -> None:
    content = (project / "params.yaml").read_text()
    content = content.replace("validation_fraction: 0.1", "validation_fraction: 0")
    (project / "params.yaml").write_text(content)
    runs = ("fashion_mnist-svc", "cifar10-cnn")
    run("dvc", "repro", *(f"evaluate@{name}" for name in runs), cwd=project)
    curves = [(project / f"plots/{name}/learning_curve.csv").read_text() for name in runs]
    assert curves[0] == "epoch\n0\n"
    assert curves[1].startswith("epoch,accuracy,loss\n0,")
    assert curves[1].count("\n") == 3


def test_an_experiment_shows_in_the_diffs(project: Path) -> None:
    run("dvc", "exp", "run", "-S", "models.fashion_mnist-svc.params.C=10", cwd=project)
    parameters = run("dvc", "params", "diff", cwd=project).stdout
    assert "models.fashion_mnist-svc.params.C" in parameters
    changed = json.loads(run("dvc", "metrics", "diff", "--json", cwd=project).stdout)
    assert list(changed) == ["metrics/fashion_mnist-svc.json"]
    assert changed["metrics/fashion_mnist-svc.json"]["test.accuracy"]["diff"] != 0
    plots = json.loads(run("dvc", "plots", "diff", "HEAD", "--json", cwd=project).stdout)["data"]
    (predictions,) = plots["plots/fashion_mnist-svc/predictions.csv"]
    points = predictions["content"]["data"]["values"]
    assert {point["rev"] for point in points} == {"HEAD", "workspace"}
    assert {"actual", "predicted"} <= set(points[0])
    (curve,) = plots["plots/cifar10-cnn/learning_curve.csv"]
    assert "val_accuracy" in curve["content"]["data"]["values"][0]
    run("dvc", "plots", "diff", "HEAD", cwd=project)
    assert (project / "dvc_plots" / "index.html").exists()
