"""The ONNX graph of an SVC agrees with scikit-learn on every test image of the sample."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.svm import SVC
from test_export import prepare

from stages.datasets.arrays import Split
from stages.frameworks.export import to_contract
from stages.frameworks.sklearn.convert import convert
from stages.model_file.classifier import classify, open_classifier


@pytest.fixture(scope="module")
def train() -> Split:
    return prepare("fashion_mnist", "flat", "train", images_per_class=60)


@pytest.fixture(scope="module")
def images() -> NDArray[np.float32]:
    return prepare("fashion_mnist", "flat", "test", images_per_class=200)[0]


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize(
    "params",
    [
        {"kernel": "rbf"},
        {"kernel": "rbf", "gamma": 0.1, "C": 10.0},
        {"kernel": "rbf", "class_weight": "balanced", "shrinking": False},
        {"kernel": "rbf", "break_ties": True},
        {"kernel": "rbf", "decision_function_shape": "ovo"},
        {"kernel": "linear"},
        {"kernel": "poly"},
        {"kernel": "poly", "degree": 2, "coef0": 1.0, "gamma": "auto"},
        {"kernel": "sigmoid", "coef0": -0.5},
    ],
    ids=lambda params: ",".join(map(str, params.values())),
)
def test_labels_are_those_of_scikit_learn(
    train: Split, images: NDArray[np.float32], params: dict[str, Any], classes: int
) -> None:
    chosen = train[1] < classes
    labels = train[1][chosen].astype(np.int64) + 3  # not counted from 0
    model = SVC(**params).fit(train[0][chosen], labels)
    content = to_contract(convert(model, images.shape[1:]), {"classes": ["a class"] * 13})
    exported, probabilities = classify(open_classifier(content, threads=1), images)
    assert probabilities is None
    assert len(np.unique(exported)) > 1
    np.testing.assert_array_equal(exported, model.predict(images))
