"""Trees and forests have the bytes that skl2onnx gives them, and scikit-learn's predictions."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from stages.frameworks.export import to_contract
from stages.frameworks.sklearn.convert import OPSETS, OWN, convert
from stages.frameworks.sklearn.trees import KINDS, fill_nodes, round_down
from stages.model_file.classifier import open_classifier

FEATURES = 5
NOISE = np.random.default_rng(0).normal(size=(400, FEATURES + 1)).astype(np.float32)
IMAGES = NOISE[:, :FEATURES]
SIGNAL = IMAGES[:, 0] + IMAGES[:, 1] ** 2 + 0.3 * NOISE[:, FEATURES]


def sample_labels(classes: int) -> NDArray[np.int64]:
    """Labels of `classes` unequally frequent classes, not counted from 0."""
    ends = np.quantile(SIGNAL, np.linspace(0, 1, classes + 1)[1:-1] ** 2)
    return np.searchsorted(ends, SIGNAL).astype(np.int64) * 2 + 3


def build(kind: Any, **params: Any) -> Any:
    members = {"n_estimators": 7} if "n_estimators" in kind().get_params() else {}
    return kind(random_state=0, **members, **params)


def convert_with_skl2onnx(model: BaseEstimator) -> ModelProto:
    types = [("images", FloatTensorType([None, FEATURES]))]
    return convert_sklearn(
        model,
        initial_types=types,
        options={id(model): {"zipmap": False}},
        target_opset=OPSETS,
        custom_conversion_functions=OWN,
    )


def export(graph: ModelProto) -> bytes:
    return to_contract(graph, {"classes": ["a class"] * 30})


def images_at_thresholds(model: Any) -> NDArray[np.float32]:
    """Images of which each value is next to, or exactly at, a random threshold of its feature."""
    trees = [member.tree_ for member in getattr(model, "estimators_", [model])]
    features = np.concatenate([tree.feature for tree in trees])
    thresholds = np.concatenate([tree.threshold for tree in trees])
    random = np.random.default_rng(1)
    images = IMAGES.copy()
    for feature in set(features.tolist()) - {-2}:
        nearest = random.choice(thresholds[features == feature], len(images)).astype(np.float32)
        aside = [np.nextafter(nearest, np.float32(end)) for end in (-np.inf, np.inf)]
        images[:, feature] = random.permuted(np.stack([nearest, *aside]), axis=0)[0]
    return images


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"max_depth": 1},
        {"max_leaf_nodes": 9},
        {"min_samples_leaf": 7},
        {"class_weight": "balanced", "max_depth": 6},
        {"criterion": "entropy", "ccp_alpha": 0.02},
        {"criterion": "log_loss", "max_features": 2},
        {"min_samples_split": 1000},  # trees of one leaf
    ],
    ids=lambda params: ",".join(map(str, params.values())) or "defaults",
)
def test_the_bytes_and_predictions(kind: Any, classes: int, params: dict[str, Any]) -> None:
    model = build(kind, **params).fit(IMAGES, sample_labels(classes))
    content = export(convert(model, (FEATURES,)))
    assert content == export(convert_with_skl2onnx(model))

    for images in (IMAGES, images_at_thresholds(model)):
        session = open_classifier(content, threads=1).session
        labels, probabilities = session.run(None, {"images": images})
        expected = model.predict_proba(images)
        np.testing.assert_allclose(probabilities[:, :classes], expected, atol=1e-6)
        best = np.sort(expected)[:, -2:]
        clear = best[:, 1] - best[:, 0] > 1e-6  # float32 and float64 may break a tie differently
        np.testing.assert_array_equal(labels[clear], model.predict(images)[clear])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_bytes_in_rare_cases(kind: Any) -> None:
    def compare(images: NDArray[np.float32], labels: NDArray[np.int64], **params: Any) -> Any:
        model = build(kind, **params).fit(images, labels)
        assert export(convert(model, (FEATURES,))) == export(convert_with_skl2onnx(model))
        return model

    compare(IMAGES, np.full(len(IMAGES), 4))  # one class
    compare(IMAGES, sample_labels(2), monotonic_cst=[1, 0, 0, -1, 0])
    compare(IMAGES, sample_labels(2), class_weight={3: 0.0, 5: 1.0})
    missing = np.where(IMAGES > 1.5, np.float32(np.nan), IMAGES)
    model = compare(missing, sample_labels(3))
    for member in getattr(model, "estimators_", [model]):
        member.tree_.value[:] *= 7  # as if they were numbers of images, not shares
    assert export(convert(model, (FEATURES,))) == export(convert_with_skl2onnx(model))


FOREST = RandomForestClassifier(5, max_depth=4, random_state=0)


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), FOREST),
        VotingClassifier(
            [("forest", FOREST), ("tree", ExtraTreeClassifier(random_state=0))],
            voting="soft",
            flatten_transform=False,
        ),
        AdaBoostClassifier(DecisionTreeClassifier(max_depth=2), n_estimators=4, random_state=0),
        BaggingClassifier(FOREST, n_estimators=3, random_state=0),
        BaggingClassifier(ExtraTreesClassifier(4), n_estimators=3, max_features=3, random_state=0),
        CalibratedClassifierCV(DecisionTreeClassifier(max_depth=3), cv=2),
        OneVsRestClassifier(FOREST),
        GridSearchCV(FOREST, {"max_depth": [2, 3]}, cv=2),
    ],
    ids=lambda model: type(model).__name__,
)
def test_trees_within_another_classifier(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    filled: dict[str, BaseEstimator] = {}

    def fill(graph: GraphProto, models: dict[str, BaseEstimator]) -> None:
        filled.update(models)
        fill_nodes(graph, models)

    monkeypatch.setattr("stages.frameworks.sklearn.convert.fill_nodes", fill)
    model.fit(IMAGES, sample_labels(3))
    assert export(convert(model, (FEATURES,))) == export(convert_with_skl2onnx(model))
    assert filled


def test_scores_of_a_forest_are_refused_as_by_skl2onnx() -> None:
    model = OneVsOneClassifier(FOREST).fit(IMAGES, sample_labels(3))
    for how in (convert_with_skl2onnx, lambda model: convert(model, (FEATURES,))):
        with pytest.raises(RuntimeError, match="cannot implement decision_function"):
            how(model)


def test_thresholds_are_rounded_down() -> None:
    thresholds = np.array([0.0, 0.1, -0.1, 0.5, 1 + 2**-30, 1e-40, 1e-46, -1e-46, 3e38, np.inf])
    rounded = round_down(thresholds)
    assert rounded.dtype == np.float32
    assert (rounded <= thresholds).all()
    assert (np.nextafter(rounded, np.float32(np.inf)) > thresholds)[:-1].all()
