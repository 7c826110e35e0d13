"""The exported file predicts the same as the fitted model on every test image of the sample."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from conftest import ROOT, RUNS

from stages.datasets.arrays import Split
from stages.frameworks.export import check_agreement, make_canonical, to_contract
from stages.frameworks.sklearn.fit import fit as fit_sklearn
from stages.model_file.classifier import classify, open_classifier
from stages.models import estimator
from stages.normalize import learn, normalize
from stages.reshape import LAYOUTS, reshape
from stages.runtime.errors import InputError
from stages.sources import sheet
from tools.sample import first_of_each_class

METADATA = {"classes": [str(label) for label in range(10)]}


def prepare(dataset: str, layout: str, split: str, images_per_class: int) -> Split:
    images, labels = sheet.read_files(sheet.find(ROOT / "data" / "sample" / dataset)[split])
    chosen = first_of_each_class(labels, images_per_class)
    normalized = normalize(images[chosen], learn(images, "unit"))
    return reshape(normalized, layout), labels[chosen].astype(np.uint8)


@pytest.mark.parametrize("name", [name for name in RUNS if RUNS[name]["layout"] in LAYOUTS])
def test_the_file_agrees_with_the_fitted_model(name: str) -> None:
    settings = RUNS[name]
    train = prepare(settings["dataset"], settings["layout"], "train", images_per_class=100)
    images, _ = prepare(settings["dataset"], settings["layout"], "test", images_per_class=200)
    assert len(images) == (2000 if settings["dataset"] == "fashion_mnist" else 1000)
    fitting, predicting, converting = (
        import_module(f"stages.frameworks.{settings['framework']}.{part}")
        for part in ("fit", "predict", "convert")
    )
    model, _ = fitting.fit(
        import_module(f"stages.models.{settings['model']}").build,
        train,
        (train[0][:0], train[1][:0]),
        10,
        100,
        **settings["params"],
    )
    content = to_contract(converting.convert(model, images.shape[1:]), METADATA)
    exported = classify(open_classifier(content, 1), images)
    native = predicting.predict(model, images)
    np.testing.assert_array_equal(exported[0], native[0])
    assert len(np.unique(exported[0])) > 1
    assert (exported[1] is None) == (native[1] is None) == (name == "fashion_mnist-svc")
    if exported[1] is not None and native[1] is not None:
        np.testing.assert_allclose(exported[1], native[1], atol=1e-5)
        np.testing.assert_allclose(exported[1].sum(axis=1), 1, atol=1e-5)


def test_files_that_do_not_agree_are_refused() -> None:
    labels = np.zeros(500, dtype=np.int64)
    probabilities = np.full((500, 2), 0.5, dtype=np.float32)
    check_agreement((labels, probabilities), (labels, probabilities))
    tied = labels.copy()
    tied[7] += 1  # a tie of two classes, which rounding decides
    check_agreement((labels, None), (tied, None))
    tied[8] += 1
    with pytest.raises(InputError, match="labels 2 of 500 images differently from"):
        check_agreement((labels, None), (tied, None))
    with pytest.raises(InputError, match="labels 500 of 500 images differently from"):
        check_agreement((labels, None), (labels + 1, None))
    with pytest.raises(InputError, match=r"are up to 0\.1 from"):
        check_agreement((labels, probabilities), (labels, probabilities + np.float32(0.1)))
    with pytest.raises(InputError, match="are up to nan from"):
        check_agreement((labels, probabilities), (labels, probabilities * np.float32("nan")))


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("sklearn.neighbors.RadiusNeighborsClassifier", "cannot be exported"),
        ("sklearn.neighbors.NearestCentroid", "skl2onnx does not know it"),
        ("sklearn.ensemble.HistGradientBoostingClassifier", "skl2onnx fails on it"),
    ],
)
def test_what_cannot_be_exported_is_refused_before_the_fit(kind: str, reason: str) -> None:
    built: list[Any] = []

    def build(seed: int, **params: Any) -> Any:
        built.append(estimator.build(seed, **params))
        return built[0]

    train = prepare("fashion_mnist", "flat", "train", images_per_class=20)
    with pytest.raises(InputError, match=reason):
        fit_sklearn(build, train, train, 10, 100, estimator=kind)
    assert not hasattr(built[0], "classes_")  # set by `fit`


def test_the_trial_of_an_ensemble_has_few_members(monkeypatch: pytest.MonkeyPatch) -> None:
    members: list[int] = []

    def convert(model: Any, image_shape: tuple[int, ...]) -> onnx.ModelProto:
        members.append(len(model.estimators_))
        return import_module("stages.frameworks.sklearn.convert").convert(model, image_shape)

    monkeypatch.setattr("stages.frameworks.sklearn.trial.convert", convert)
    train = prepare("fashion_mnist", "flat", "train", images_per_class=10)
    kind = "sklearn.ensemble.RandomForestClassifier"
    for asked, tried in ((30, 10), (3, 3)):
        fitted, _ = fit_sklearn(
            estimator.build, train, train, 10, 100, estimator=kind, n_estimators=asked
        )
        assert (members.pop(), len(fitted.estimators_)) == (tried, asked)


@pytest.mark.parametrize("name", RUNS)
def test_an_onnx_runtime_three_years_old_reads_the_file(trained: Path, name: str) -> None:
    model = onnx.load(trained / f"data/models/{name}.onnx")
    versions = [(opset.domain, opset.version) for opset in model.opset_import]
    assert len(dict(versions)) == len(versions)  # older ones may refuse a repeated domain
    # ONNX Runtime 1.16, of September 2023; https://onnxruntime.ai/docs/reference/compatibility.html
    assert model.ir_version <= 9
    assert dict(versions).items() <= {
        *(("", version) for version in range(20)),
        *(("ai.onnx.ml", version) for version in range(4)),
    }


def test_inner_names_do_not_matter(trained: Path) -> None:
    model = onnx.load(str(trained / "data/models/cifar10-cnn.onnx"))
    content = model.SerializeToString(deterministic=True)
    for node in model.graph.node:  # as another run of the exporter would name them
        node.name += "__34"
        for values in (node.input, node.output):
            values[:] = [v if v in ("images", "label", "probability") else f"x{v}" for v in values]
    for initializer in model.graph.initializer:
        initializer.name = f"x{initializer.name}"
    initializers = list(model.graph.initializer)[::-1]
    shuffled = [onnx.TensorProto.FromString(i.SerializeToString()) for i in initializers]
    del model.graph.initializer[:]
    model.graph.initializer.extend(shuffled)
    assert model.SerializeToString(deterministic=True) != content
    fixed = ("images", "label", "probability")
    make_canonical(model.graph, {name: name for name in fixed})
    assert model.SerializeToString(deterministic=True) == content
