"""The fields of a profile and their units."""

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier

from stages.model_file.classifier import Classifier
from stages.profile import describe, measure

FIELDS = {
    "dataset": str,
    "processor": str,
    "latency_median_ms": float,
    "latency_p95_ms": float,
    "throughput_images_per_s": float,
    "file_bytes": int,
    "parameters": int,
    "tree_nodes": int,
    "convolutions": int,
}


def test_every_run_has_every_field(trained: Path) -> None:
    files = (trained / "metrics/profile").glob("*.json")
    profiles = {path.stem: json.loads(path.read_text()) for path in files}
    models = {path.stem: path for path in (trained / "data/models").glob("*.onnx")}
    assert profiles.keys() == models.keys()
    for name, profile in profiles.items():
        assert {key: type(value) for key, value in profile.items()} == FIELDS
        assert 0 < profile["latency_median_ms"] <= profile["latency_p95_ms"]
        assert profile["throughput_images_per_s"] > 0
        assert profile["file_bytes"] == models[name].stat().st_size
        assert profile["parameters"] + profile["tree_nodes"] > 0
    # Filters and biases, then 13 x 13 maps to 8 units, then 8 units to 10 classes.
    cnn = profiles["fashion_mnist-cnn"]
    assert cnn["parameters"] == (4 * 4 + 4) + (13 * 13 * 4 * 8 + 8) + (8 * 10 + 10)
    assert cnn["convolutions"] == 1
    assert profiles["cifar10-cnn"]["convolutions"] == 3
    assert profiles["fashion_mnist-random_forest"]["tree_nodes"] > 100


def test_nodes_are_counted_as_scikit_learn_counts_them(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    images, labels = random.random((80, 4), dtype=np.float32), random.integers(0, 3, 80)
    forest = RandomForestClassifier(7, random_state=0).fit(images, labels)
    path = tmp_path / "forest.onnx"
    path.write_bytes(to_onnx(forest, images[:1], options={"zipmap": False}).SerializeToString())
    found = describe(path)
    assert found["tree_nodes"] == sum(tree.tree_.node_count for tree in forest.estimators_)
    assert found["parameters"] == 0


def test_the_units_are_milliseconds_and_images_a_second() -> None:
    calls = []

    def answer(_: None, feed: dict[str, Any], *options: Any) -> list[NDArray[np.int64]]:
        calls.append(feed["images"].shape)
        time.sleep(0.004)
        return [np.zeros(len(feed["images"]), dtype=np.int64)]

    session: Any = SimpleNamespace(get_inputs=lambda: [SimpleNamespace(shape=["n", 5])], run=answer)
    classifier = Classifier("a model", "a remedy", session, classes=2, pixels=0)
    found = measure(classifier, warm_up=3, repeats=6, batch=8, batches=2)
    assert calls == [(1, 5)] * (1 + 9) + [(8, 5)] * 3  # the first one is checked
    assert 4 <= found["latency_median_ms"] < 400
    assert 8 / 0.4 < found["throughput_images_per_s"] <= 8 / 0.004
