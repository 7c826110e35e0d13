"""A third framework takes a folder, its pins, a model and a block; nothing else is edited."""

import json
import re
from pathlib import Path

import numpy as np
import yaml
from conftest import repro, run

from stages.model_file.classifier import classify, open_classifier

RUN = "fashion_mnist-centroid"
FIT = '''"""Fitting nearest centroids with numpy alone."""

import numpy as np
from pydantic import PositiveInt


def limit_threads(threads, params):
    """Numpy's sums take one thread."""


def fit(build, train, validation, classes, seed, *, digits: PositiveInt, **params):
    """The mean image of each class, (classes, features), as `build` makes it; no epochs."""
    images, labels = train
    means = np.stack([images[labels == label].mean(axis=0) for label in range(classes)])
    return build(means, **params).astype(np.float32).round(digits), None
'''
PREDICT = '''"""Predictions of the nearest centroids."""

import numpy as np


def predict(model, images):
    """The label of the nearest centroid; there are no probabilities."""
    distances = ((images[:, None, :].astype(np.float64) - model[None]) ** 2).sum(axis=2)
    return distances.argmin(axis=1), None
'''
CONVERT = '''"""Nearest centroids as ONNX."""

from onnx import TensorProto, helper, numpy_helper


def convert(model, image_shape):
    """The greatest of 2xc - c^2 is the least distance."""
    values = {"twice": 2 * model.T, "squares": (model**2).sum(axis=1)}
    nodes = [
        helper.make_node("MatMul", ["x", "twice"], ["products"]),
        helper.make_node("Sub", ["products", "squares"], ["scores"]),
        helper.make_node("ArgMax", ["scores"], ["best"], axis=1, keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "centroids",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *image_shape])],
        [helper.make_tensor_value_info("best", TensorProto.INT64, ["n"])],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
'''
MODEL = '''"""Centroids that are moved towards their common mean."""

from typing import Annotated

from pydantic import Field


def build(means, *, shrinkage: Annotated[float, Field(ge=0, lt=1)]):
    """`means`, (classes, features), moved by a share of their distance from their mean."""
    return means + shrinkage * (means.mean(axis=0) - means)
'''


def add_framework(project: Path, **params: float) -> None:
    folder = project / "stages" / "frameworks" / "centroid"
    folder.mkdir(exist_ok=True)
    for name, text in {"fit": FIT, "predict": PREDICT, "convert": CONVERT}.items():
        (folder / f"{name}.py").write_text(text)
    (project / "stages" / "models" / "shrunken.py").write_text(MODEL)
    pins = project / "pyproject.toml"
    added = 'centroid = ["numpy==2.4.6"]\narrays = ['
    if added not in pins.read_text():
        pins.write_text(pins.read_text().replace("arrays = [", added, 1))
    parameters = yaml.safe_load((project / "params.yaml").read_text())
    parameters["models"][RUN] = {
        "dataset": "fashion_mnist",
        "layout": "flat",
        "framework": "centroid",
        "model": "shrunken",
        "params": params,
    }
    (project / "params.yaml").write_text(yaml.safe_dump(parameters, sort_keys=False))


def test_a_third_framework_trains_exports_evaluates_and_plots(project: Path) -> None:
    add_framework(project, shrinkage=0.1, digits=6)
    stages = {f"{stage}@{RUN}" for stage in ("train", "evaluate", "profile", "plot", "card")}
    assert set(repro(project)) == {"check", "compare"} | stages

    (train, labels), (test, truth) = (
        [
            np.load(project / f"data/reshaped/fashion_mnist-flat/{split}/{name}.npy")
            for name in files
        ]
        for split, files in (("train", ("images", "labels")), ("test", ("images", "labels")))
    )
    means = np.stack([train[labels == label].mean(axis=0) for label in range(10)])
    centroids = means + 0.1 * (means.mean(axis=0) - means)
    expected = ((test[:, None, :] - centroids) ** 2).sum(axis=2).argmin(axis=1)
    session = open_classifier(project / f"data/models/{RUN}.onnx", threads=1)
    np.testing.assert_array_equal(classify(session, test)[0], expected)
    scores = json.loads((project / f"metrics/{RUN}.json").read_text())["test"]
    assert scores["accuracy"] == round(float((expected == truth).mean()), 6)
    assert "log_loss" not in scores
    pictures = {path.name for path in (project / f"plots/{RUN}/pictures").iterdir()}
    assert {"confusion.png", "README.md"} < pictures
    assert not {"reliability.png", "learning_curve.png", "filters.png"} & pictures
    assert f"]({RUN}/pictures/README.md)" in (project / "plots/README.md").read_text()
    checked = run("python", "-m", "tools.check_dependencies", cwd=project, status=2).stdout
    assert "no other" in checked
    assert f"\n  {RUN}: {{type: model, path: data/models/{RUN}.onnx,\n" in checked


def test_its_parameters_are_checked_by_its_signatures(fresh: Path) -> None:
    for params, said in (
        ({"shrinkage": 1.0, "digits": 6}, r"params\.shrinkage is 1\.0: .*less than 1"),
        ({"shrinkage": 0.1}, r"params\.digits: Field required"),
        ({"shrinkage": 0.1, "digits": 6, "c": 1}, "unknown key c; choose from shrinkage, digits"),
    ):
        add_framework(fresh, **params)
        check = ["python", "-m", "stages.check", "params.yaml", "x.txt"]
        assert re.search(said, run(*check, cwd=fresh, status=2).stderr)
