"""Blocks of estimators within others, fitted and exported on a few images."""

from typing import Any

import numpy as np
import yaml
from conftest import ROOT
from numpy.typing import NDArray
from test_export import prepare

from stages.datasets.arrays import Split
from stages.frameworks.export import to_contract
from stages.frameworks.sklearn import trial
from stages.frameworks.sklearn.convert import convert
from stages.frameworks.sklearn.fit import fit, limit_threads
from stages.models import estimator

PARAMS = yaml.safe_load((ROOT / "tests" / "params.yaml").read_text())
CLASSES = PARAMS["data"]["fashion_mnist"]["classes"]


def block(name: str, **params: Any) -> dict[str, Any]:
    return {"estimator": f"sklearn.{name}", **params}


SVC, NB = block("svm.SVC"), block("naive_bayes.GaussianNB")
LINEAR, LOGISTIC = block("svm.LinearSVC"), block("linear_model.LogisticRegression", C=0.01)
TREE, FOREST = block("tree.DecisionTreeClassifier"), block("ensemble.RandomForestClassifier")
SCALER = block("preprocessing.StandardScaler")


def pipeline(*steps: dict[str, Any]) -> dict[str, Any]:
    named = [[f"step{number}", step] for number, step in enumerate(steps)]
    return block("pipeline.Pipeline", steps=named)


def voting(*members: dict[str, Any], **params: Any) -> dict[str, Any]:
    named = [[f"m{number}", member] for number, member in enumerate(members)]
    return block("ensemble.VotingClassifier", estimators=named, **params)


def stacking(*members: dict[str, Any], **params: Any) -> dict[str, Any]:
    return voting(*members, cv=3, **params) | block("ensemble.StackingClassifier")


def calibrated(inner: dict[str, Any], **params: Any) -> dict[str, Any]:
    return block("calibration.CalibratedClassifierCV", cv=3, base_estimator=inner) | params


def one_vs_rest(inner: dict[str, Any]) -> dict[str, Any]:
    return block("multiclass.OneVsRestClassifier", base_estimator=inner)


FAITHFUL = {
    "hard vote": voting(SVC, TREE, LOGISTIC),
    "weighted vote": voting(NB, TREE, FOREST, weights=[0.5, 1, 1.3]),
    "soft vote": voting(NB, pipeline(SCALER, LOGISTIC), voting="soft", weights=[1, 2]),
    "stack": stacking(LOGISTIC, TREE),
    "stack of decisions": stacking(SVC, LINEAR, final_estimator=SVC),
    "stack of labels": stacking(
        NB, TREE, stack_method="predict", passthrough=True, final_estimator=NB
    ),
    "scaled svc": pipeline(SCALER, SVC),
    "scaled tree": pipeline(SCALER, TREE),
    "range": pipeline(block("preprocessing.MinMaxScaler", feature_range=[-1, 1], clip=True), TREE),
    "robust": pipeline(block("preprocessing.RobustScaler"), TREE),
    "components": pipeline(block("decomposition.PCA", n_components=10), NB),
    "pipelines": pipeline(SCALER, pipeline(block("preprocessing.Normalizer"), LOGISTIC)),
    "scaled vote": pipeline(SCALER, voting(NB, LOGISTIC, voting="soft")),
    "calibrated": calibrated(LINEAR),
    "calibrated svc": calibrated(SVC, ensemble=False),
    "calibrated pipeline": calibrated(pipeline(SCALER, LINEAR)),
    "calibrated logistic": calibrated(pipeline(SCALER, LOGISTIC)),
    "one against the rest": one_vs_rest(LOGISTIC),
    "decisions": one_vs_rest(SVC),
    "linear decisions": one_vs_rest(pipeline(SCALER, LINEAR)),
    "trees": one_vs_rest(TREE),
    "bagged": block("ensemble.BaggingClassifier", n_estimators=3, base_estimator=LOGISTIC),
}


def take(split: str, images_per_class: int, classes: int) -> Split:
    images, labels = prepare("fashion_mnist", "flat", split, images_per_class)
    return images[labels < classes], labels[labels < classes].astype(np.int64)


def train(params: dict[str, Any], split: Split) -> Any:
    classes = len(np.unique(split[1]))
    limit_threads(1, params)
    return fit(estimator.build, split, split, classes, 100, **params)[0]


def trial_of(params: dict[str, Any]) -> Any:
    """The indices of the images that are enough for a trial."""
    model = estimator.build(100, **params)
    images, labels = take("train", 30, 3)
    return trial.try_export(model, model, images, labels.astype(np.int64), 3)


def export(model: Any, images: NDArray[Any], classes: int) -> bytes:
    return to_contract(convert(model, images.shape[1:]), {"classes": CLASSES[:classes]})
