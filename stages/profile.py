"""Measures what a model costs: time per image, size, parameters. No training depends on it."""

import platform
import time
from pathlib import Path
from typing import Any

from stages.runtime.command import run

import numpy as np
import onnx
from numpy.typing import NDArray

from stages.model_file.classifier import (
    Classifier,
    classify,
    open_classifier,
    read_metadata,
)
from stages.model_file.limits import limit_run
from stages.runtime.files import atomic_write, write_json
from stages.runtime.inputs import reading
from stages.runtime.parameters import read_parameter

VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2", "avx": "AVX"}  # by their flag in /proc/cpuinfo
THREADS = 1  # as for a request on a busy server, and the same for every model


def main(model: Path, out: Path) -> None:
    """Writes the costs and data set of `model`, and this processor's name, to `out` (JSON)."""
    classifier = open_classifier(model, THREADS)
    costs = measure(classifier, **read_parameter("profile")) | describe(model)
    with atomic_write(out) as path:
        origin = {"dataset": read_metadata(classifier).dataset, "processor": name_processor()}
        write_json(path, origin | costs)
    print(f"{model.stem}: {costs['latency_median_ms']:.3f} ms per image")


def name_processor() -> str:
    """The processor's model and its widest vector instructions."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    values = {key.strip(): value for key, _, value in (line.partition(": ") for line in lines)}
    name = values.get("model name") or platform.processor() or platform.machine()
    flags = values.get("flags", "").split()
    vectors = next((title for flag, title in VECTORS.items() if flag in flags), "")
    return f"{name}, {vectors}" if vectors else name


def measure(
    classifier: Classifier, warm_up: int, repeats: int, batch: int, batches: int
) -> dict[str, float]:
    """Latency of one image and throughput of a batch, wall time, on images of random pixels.

    `repeats` calls with one image are timed after `warm_up` untimed ones, then `batches` calls with
    `batch` images after one. In milliseconds, and in images per second for the median batch.
    """
    random = np.random.default_rng(0)
    with reading(classifier.name, "model", classifier.remedy):
        images = random.random((batch, *classifier.input_shape), dtype=np.float32)
    classify(classifier, images[:1])  # fails unless its outputs are those of this project
    single = time_calls(classifier, images[:1], warm_up, repeats)
    many = time_calls(classifier, images, 1, batches)
    return {
        "latency_median_ms": round(float(np.median(single)) * 1e3, 4),
        "latency_p95_ms": round(float(np.percentile(single, 95)) * 1e3, 4),
        "throughput_images_per_s": round(batch / float(np.median(many)), 1),
    }


def time_calls(
    classifier: Classifier, images: NDArray[np.float32], warm_up: int, repeats: int
) -> list[float]:
    """The seconds of each of `repeats` calls, after `warm_up` untimed ones."""
    seconds = []
    calls = warm_up + repeats
    with limit_run(classifier.name, calls * len(images), classifier.remedy) as options:
        for call in range(calls):
            start = time.perf_counter()
            classifier.session.run(None, {"images": images}, options)
            if call >= warm_up:
                seconds.append(time.perf_counter() - start)
    return seconds


def describe(path: Path) -> dict[str, Any]:
    """The size of a model: bytes of its file, parameters, tree nodes, convolutions.

    `parameters` counts the float values in the graph: weights, support vectors and their
    coefficients. Thresholds of trees are counted as `tree_nodes` instead.
    """
    graph = onnx.load(path).graph
    parameters = sum(
        int(np.prod(value.dims))
        for value in graph.initializer
        if value.data_type == onnx.TensorProto.FLOAT
    )
    tree_nodes = 0
    for node in graph.node:
        attributes = {attribute.name: attribute for attribute in node.attribute}
        if "nodes_treeids" in attributes:
            tree_nodes += len(attributes["nodes_treeids"].ints)
        else:
            parameters += sum(len(attribute.floats) for attribute in node.attribute)
    return {
        "file_bytes": path.stat().st_size,
        "parameters": parameters,
        "tree_nodes": tree_nodes,
        "convolutions": sum(node.op_type == "Conv" for node in graph.node),
    }


if __name__ == "__main__":
    run(main, "arrays", "onnx")
