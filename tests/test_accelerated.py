"""Classifiers of scikit-learn-intelex give the same labels and files with the same contract."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.svm import SVC
from test_export import METADATA, prepare

from stages.frameworks.export import to_contract
from stages.frameworks.sklearn.accelerated import carry_over
from stages.frameworks.sklearn.convert import convert
from stages.frameworks.sklearn.fit import fit, limit_threads
from stages.model_file.classifier import classify, open_classifier
from stages.models import estimator
from stages.runtime.errors import InputError

NONE: Any = (np.empty((0, 784), np.float32), np.empty(0, np.uint8))


def export(train: Any, **params: Any) -> bytes:
    limit_threads(1, params)
    model, _ = fit(estimator.build, train, NONE, 10, 100, **params)
    return to_contract(convert(model, train[0].shape[1:]), METADATA)


# Not sigmoid: it is not positive semidefinite, and two solvers end in two places.
@pytest.mark.parametrize("kernel", ["rbf", "linear", "poly"])
def test_an_svc_gives_the_labels_of_scikit_learn(kernel: str) -> None:
    pytest.importorskip("sklearnex")
    train = prepare("fashion_mnist", "flat", "train", images_per_class=100)
    images, _ = prepare("fashion_mnist", "flat", "test", images_per_class=200)
    file, own = (
        export(train, estimator=kind, kernel=kernel)
        for kind in ("sklearnex.svm.SVC", "sklearn.svm.SVC")
    )
    assert file != own  # it was another solver
    labels, expected = (classify(open_classifier(f, 1), images)[0] for f in (file, own))
    assert (labels != expected).sum() <= 2  # of 2,000


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("sklearnex.ensemble.RandomForestClassifier", {"n_estimators": 10}),
        ("sklearnex.ensemble.ExtraTreesClassifier", {"n_estimators": 10}),
        ("sklearnex.linear_model.LogisticRegression", {"C": 0.01}),
        ("sklearnex.neighbors.KNeighborsClassifier", {"n_neighbors": 3}),
    ],
)
def test_the_file_says_what_the_fitted_model_says(kind: str, params: dict[str, Any]) -> None:
    pytest.importorskip("sklearnex")
    train = prepare("fashion_mnist", "flat", "train", images_per_class=100)
    images, _ = prepare("fashion_mnist", "flat", "test", images_per_class=50)
    file = export(train, estimator=kind, **params)
    assert export(train, estimator=kind, **params) == file
    fitted = estimator.build(100, estimator=kind, **params).fit(train[0], train[1].astype(np.int64))
    labels, _ = classify(open_classifier(file, 1), images)
    assert len(np.unique(labels)) == 10
    assert (labels != fitted.predict(images)).mean() <= 0.01  # which rounds in float32


def test_what_is_not_carried_over_is_refused() -> None:
    class Backwards(SVC):  # type: ignore[misc]
        def predict(self, images: Any) -> Any:
            return 9 - super().predict(images)

    images, numbers = prepare("fashion_mnist", "flat", "train", images_per_class=10)
    labels = numbers.astype(np.int64)
    carry_over(SVC().fit(images, labels), SVC(), images, labels)
    with pytest.raises(InputError, match="cannot be carried over to scikit-learn: 100%"):
        carry_over(Backwards().fit(images, labels), SVC(), images, labels)


def test_elsewhere_it_is_scikit_learn_s_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train = prepare("fashion_mnist", "flat", "train", images_per_class=10)
    own = export(train, estimator="sklearn.svm.SVC")
    assert "intelex" not in capsys.readouterr().out
    monkeypatch.setattr(estimator, "find_spec", lambda name: None)
    assert export(train, estimator="sklearnex.svm.SVC") == own
    said = "scikit-learn-intelex does not exist for this platform: using sklearn.svm.SVC"
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "params", "message"),
    [
        ("sklearnex.svm.SVX", {}, "'sklearnex.svm.SVX' does not exist"),
        ("sklearnex.svm.SVR", {}, "'sklearnex.svm.SVR' is not a classifier"),
        ("sklearnex.svm.SVC", {"n_jobs": 2}, "SVC has no parameter n_jobs"),
        ("sklearnex.svm.SVC", {"C": -1.0}, "The 'C' parameter of SVC"),
    ],
)
def test_wrong_choices(kind: str, params: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        estimator.build(0, estimator=kind, **params)


def test_what_only_scikit_learn_has() -> None:
    pytest.importorskip("sklearnex")
    kind = "sklearnex.tree.DecisionTreeClassifier"
    with pytest.raises(InputError, match=f"'{kind}' does not exist"):
        estimator.build(0, estimator=kind)
