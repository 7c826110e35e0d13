"""Classifiers made of others: blocks within blocks of params.yaml, and their ONNX files."""

from copy import deepcopy
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from nested import (
    FAITHFUL,
    FOREST,
    LINEAR,
    NB,
    SCALER,
    SVC,
    TREE,
    block,
    calibrated,
    export,
    pipeline,
    stacking,
    take,
    train,
    trial_of,
    voting,
)
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType

from stages.frameworks.sklearn import trial
from stages.frameworks.sklearn.convert import OPSETS, OWN
from stages.frameworks.sklearn.fit import fit, limit_threads
from stages.frameworks.sklearn.predict import predict
from stages.model_file.classifier import classify, open_classifier, open_session
from stages.models import estimator
from stages.runtime.errors import InputError


@pytest.mark.slow
@pytest.mark.parametrize("name", FAITHFUL)
def test_the_file_says_what_the_fitted_model_says(name: str) -> None:
    for classes in (2, 4):
        images, _ = take("test", 60, classes)
        limit_threads(1, FAITHFUL[name])
        model = estimator.build(100, **FAITHFUL[name]).fit(*take("train", 30, classes))
        content = export(model, images, classes)
        labels, probabilities = classify(open_classifier(content, 1), images)
        expected, native = predict(model, images)
        np.testing.assert_array_equal(labels, expected)
        assert len(np.unique(labels)) == classes
        assert (probabilities is None) == (native is None)
        if probabilities is not None and native is not None:
            np.testing.assert_allclose(probabilities, native, atol=1e-4)
        # skl2onnx finds the options of a model, and names values, by its address
        assert export(deepcopy(model), images, classes) == content


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("StandardScaler", {}),
        ("StandardScaler", {"with_mean": False}),
        ("StandardScaler", {"with_std": False}),
        ("MinMaxScaler", {"feature_range": (-1, 1)}),
        ("MinMaxScaler", {"clip": True}),
        ("MaxAbsScaler", {}),
        ("RobustScaler", {}),
        ("RobustScaler", {"with_centering": False}),
    ],
)
def test_a_scaler_has_the_bits_of_scikit_learn(name: str, params: dict[str, Any]) -> None:
    random = np.random.default_rng(0)
    images, others = (random.normal(3, 2, (500, 20)).astype(np.float32) for _ in range(2))
    scaler = getattr(import_module("sklearn.preprocessing"), name)(**params).fit(images)
    graph = convert_sklearn(
        scaler,
        initial_types=[("images", FloatTensorType([None, 20]))],
        target_opset=OPSETS,
        custom_conversion_functions=OWN,
    )
    session = open_session(graph.SerializeToString(), threads=1)
    np.testing.assert_array_equal(
        session.run(None, {"images": others})[0], scaler.transform(others)
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("params", "reason"),
    [
        (calibrated(LINEAR, method="isotonic"), "does not convert this model faithfully"),
        (calibrated(NB, method="temperature"), "skl2onnx fails on it"),
        (block("multiclass.OneVsOneClassifier", base_estimator=LINEAR), "not a valid ONNX model"),
        (pipeline(SCALER, block("neighbors.NearestCentroid")), "skl2onnx does not know it"),
        (voting(NB, block("neighbors.NearestCentroid")), "skl2onnx does not know it"),
        (block("gaussian_process.GaussianProcessClassifier"), "converts it only in part"),
    ],
)
def test_what_is_not_converted_is_refused_before_the_fit(
    params: dict[str, Any], reason: str
) -> None:
    split = take("train", 30, 3)
    models: list[Any] = []

    def build(seed: int, **params: Any) -> Any:
        models.append(estimator.build(seed, **params))
        return models[-1]

    with pytest.raises(InputError, match=f"cannot be exported: .*{reason}.*[:;] choose another$"):
        fit(build, split, split, 3, 100, **params)
    assert not hasattr(models[0], "classes_")


@pytest.mark.slow
def test_what_no_number_of_images_makes_possible_is_refused_before_the_fit() -> None:
    params = voting(SVC, NB, voting="soft")
    with pytest.raises(InputError, match=r"^VotingClassifier cannot be fitted: .* 'predict_proba'"):
        trial_of(params)


NEEDS_MORE = {
    "neighbors": block("neighbors.KNeighborsClassifier", n_neighbors=25),
    "folds": calibrated(LINEAR, cv=15),
    "stacked folds": stacking(NB, TREE) | {"cv": 12},
    "components": pipeline(block("decomposition.PCA", n_components=60), NB),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NEEDS_MORE)
@pytest.mark.parametrize("images_per_class", [35, 60])
def test_a_model_that_needs_more_images_than_the_first_trial_has(
    name: str, images_per_class: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    export_trial = trial.export

    def note(*given: Any) -> None:
        tried.append(len(given[2]))
        export_trial(*given)

    monkeypatch.setattr(trial, "export", note)
    split = take("train", images_per_class, 2)
    model = train(NEEDS_MORE[name], split)
    # 20 are too few; 80 are enough, and then 40 others are compared; else the fit has them all
    assert tried == ([120] if images_per_class == 60 else [])
    labels, _ = classify(open_classifier(export(model, split[0], 2), 1), split[0])
    np.testing.assert_array_equal(labels, model.predict(split[0]))


def test_an_export_that_fails_on_few_images_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = []

    def fail(*given: Any) -> None:
        tried.append(len(given[2]))
        if len(given[2]) < enough:  # half of which were fitted
            raise InputError("too few")

    monkeypatch.setattr(trial, "export", fail)
    labels = np.arange(2000) % 2
    model = estimator.build(0, **NB)
    for enough, expected in ((160, [40, 160]), (999, [40, 160, 640])):
        tried.clear()
        if enough > 4 * trial.REFUSED_AT:
            with pytest.raises(InputError, match="too few"):
                trial.try_export(model, model, labels[:, None] * 1.0, labels, 2)
        else:
            found = trial.try_export(model, model, labels[:, None] * 1.0, labels, 2)
            np.testing.assert_array_equal(found, np.arange(80))
        assert tried == expected


def test_a_small_ensemble_within_another_is_tried() -> None:
    small = trial.shrink(estimator.build(0, **voting(FOREST, NB)))
    assert small.get_params()["m0__n_estimators"] == trial.MEMBERS


def test_all_estimators_have_the_seed() -> None:
    model = estimator.build(7, **voting(pipeline(SCALER, TREE), calibrated(FOREST)))
    seeds = [v for name, v in model.get_params().items() if name.endswith("random_state")]
    assert seeds == [7, 7]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            block(
                "neural_network.MLPClassifier",
                activation="identity",
                solver="sgd",
                learning_rate_init=1e9,
            ),
            "training diverged: lower learning_rate_init (MLPClassifier: Solver produced non-fi",
        ),
        (
            pipeline(
                SCALER,
                block(
                    "linear_model.SGDClassifier",
                    loss="squared_error",
                    eta0=1e30,
                    learning_rate="constant",
                ),
            ),
            "training diverged: lower step1__eta0 (Pipeline: Floating-point under-/overflow",
        ),
    ],
)
def test_a_fit_that_diverges_says_so(params: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        train(params, take("train", 20, 10))
    assert str(error.value).startswith(message)
