"""Measures how time and memory of both ways of training grow with the number of images."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.clone import set_parameter
from benchmarks.training import time_bare, time_plain, write_rows
from stages.load import read_splits
from stages.runtime.parameters import read_parameters
from stages.sources.common import idx_file
from stages.sources.common.dataset import describe_dataset
from tools.engine.programs import call
from tools.sample import first_of_each_class

SIZES = (2_500, 5_000, 10_000, 20_000)  # training images, including validation images
TEST_IMAGES = 1_000  # the time to predict does not count here

Growth = dict[str, list[dict[str, float]]]  # by run; one point per number of images


def measure_growth(folder: Path, datasets: dict[str, str], measured: dict[str, Any]) -> Growth:
    """Trains each run both ways on growing parts of its data set.

    `datasets` gives the data set of each run; `measured` has what its plain script and its training
    alone took on all of it, which is the last point.
    """
    parameters = read_parameters(folder / "params.yaml")
    whole = {}
    for dataset in sorted(set(datasets.values())):
        settings = parameters["data"][dataset]
        settings["path"] = folder / settings["path"]
        whole[dataset] = read_splits(describe_dataset(f"data.{dataset}", settings))
    growth: Growth = {run: [] for run in datasets}
    for size in SIZES:
        typer.echo(f"on {size:,} training images:")
        with TemporaryDirectory() as name:
            for dataset, splits in whole.items():
                path = f"data/growth/{dataset}-{size}"
                write_part(folder / path, splits, size)
                set_parameter(folder, f"data.{dataset}.path", path)
            layouts = {parameters["models"][run]["layout"] for run in datasets}
            stages = [f"reshape@{dataset}-{layout}" for dataset in whole for layout in layouts]
            call(folder, "dvc", "repro", *stages)
            for dataset in whole:
                write_rows(folder, dataset, Path(name) / dataset)
            for run, dataset in datasets.items():
                plain = time_plain(folder, run, Path(name) / dataset)
                growth[run].append(to_point(size, plain, time_bare(folder, run)))
    for run, dataset in datasets.items():
        size = len(whole[dataset]["train"][1])
        plain, bare = measured["runs"][run]["plain"], measured["alone"][run]
        growth[run].append(to_point(size, plain, bare))
    return growth


def write_part(out: Path, splits: dict[str, tuple[NDArray[Any], NDArray[Any]]], size: int) -> None:
    """Writes the first of each class, `size` in all, and the first test images, as IDX files."""
    images, labels = splits["train"]
    classes = len(set(labels.tolist()))
    chosen = {
        "train": first_of_each_class(labels, size // classes),
        "test": np.arange(min(TEST_IMAGES, len(splits["test"][1]))),
    }
    out.mkdir(parents=True)
    for split, (images, labels) in splits.items():
        part = chosen[split]
        idx_file.write_array(out / f"{split}-images-idx4-ubyte", images[part])
        idx_file.write_array(out / f"{split}-labels-idx1-ubyte", labels[part].astype(np.uint8))


def to_point(size: int, plain: dict[str, float], bare: dict[str, float]) -> dict[str, float]:
    """What training took both ways, without predicting: the pipeline does that in `evaluate`."""
    return {
        "images": size,
        "plain_seconds": round(plain["seconds"] - plain["predict_seconds"], 3),
        "plain_mb": plain["peak_mb"],
        "pipeline_seconds": bare["seconds"],
        "pipeline_mb": bare["peak_mb"],
    }
