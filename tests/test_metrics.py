"""The metrics agree with scikit-learn's and with values computed by hand."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import replace, run
from sklearn import metrics

from stages.evaluate import score_others
from stages.scoring.calibration import calibration_error
from stages.scoring.metrics import log_loss, macro_f1, score

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, 10, 400).astype(np.uint8)
PROBABILITIES = RANDOM.dirichlet(np.full(10, 0.1), 400).astype(np.float32)
PREDICTED = PROBABILITIES.argmax(axis=1)


def test_macro_f1_is_as_in_scikit_learn() -> None:
    expected = metrics.f1_score(LABELS, PREDICTED, average="macro")
    assert macro_f1(LABELS, PREDICTED) == pytest.approx(expected)


def test_macro_f1_of_classes_never_predicted_or_never_there() -> None:
    labels, predicted = np.array([0, 0, 1], dtype=np.uint8), np.array([0, 2, 2])
    assert macro_f1(labels, predicted) == pytest.approx((2 / 3 + 0 + 0) / 3)


def test_log_loss_is_as_in_scikit_learn() -> None:
    sharp = np.where(PROBABILITIES < 0.01, 0, PROBABILITIES)
    sharp = (sharp / sharp.sum(axis=1, keepdims=True)).astype(np.float32)
    for probabilities in (PROBABILITIES, sharp):
        expected = metrics.log_loss(LABELS, probabilities.astype(np.float32))
        assert log_loss(LABELS, PREDICTED, probabilities) == pytest.approx(expected, rel=1e-5)


def test_calibration_error_by_hand() -> None:
    # Two of three are right at confidence 0.7, none of one at 1.0: (3 * |0.7 - 2/3| + 1 * 1) / 4.
    probabilities = np.array([[0.7, 0.3], [0.3, 0.7], [0.7, 0.3], [1, 0]], dtype=np.float32)
    correct = np.array([True, True, False, False])
    assert calibration_error(correct, probabilities) == pytest.approx((0.1 + 1) / 4, abs=1e-6)


def test_accuracy_without_near_duplicates_by_hand() -> None:
    labels, predicted = np.array([0, 1, 2, 2], dtype=np.uint8), np.array([0, 1, 2, 1])
    some = np.array([True, False, True, False])
    assert score_others(labels, predicted, some) == {
        "near_duplicates": 2,
        "accuracy_without_near_duplicates": 0.5,
    }
    assert (
        score_others(labels, predicted, np.zeros(4, dtype=bool))["accuracy_without_near_duplicates"]
        == 0.75
    )
    assert score_others(labels, predicted, np.ones(4, dtype=bool)) == {"near_duplicates": 4}


def test_wilson_interval_by_hand() -> None:
    # 80 of 100: (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n), Wilson 1927.
    labels = np.zeros(100, dtype=np.uint8)
    predicted = (np.arange(100) >= 80).astype(np.int64)
    p, n, z = 0.8, 100, 1.959963984540054
    center, spread = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scores = score(labels, predicted, None)
    assert scores["accuracy_low"] == pytest.approx((center - spread) / (1 + z * z / n), abs=1e-6)
    assert scores["accuracy_high"] == pytest.approx((center + spread) / (1 + z * z / n), abs=1e-6)
    assert list(scores) == [
        "accuracy",
        "accuracy_low",
        "accuracy_high",
        "macro_f1",
        "images",
    ]


TOP2 = '''
def top2_accuracy(labels: Any, _: Any, probabilities: Any) -> float:
    """The share of images whose actual class is one of the two most probable."""
    return float((probabilities.argsort(axis=1)[:, -2:] == labels[:, None]).any(axis=1).mean())


# To add a metric'''
ENTRY = """METRICS: dict[str, Metric] = {
    "top2_accuracy": Metric("top-2 accuracy", top2_accuracy, needs_probabilities=True),
"""


def test_a_new_metric_is_one_entry_and_its_tolerance(project: Path) -> None:
    code = project / "stages" / "scoring" / "metrics.py"
    replace(code, "\n# To add a metric", TOP2)
    replace(code, "METRICS: dict[str, Metric] = {\n", ENTRY)
    replace(project / "params.yaml", "{accuracy: 0.0,", "{accuracy: 0.0, top2_accuracy: 0.0,")
    replace(
        project / "params.yaml",
        "epochs: 2\n      batch_size: 50",
        "epochs: 3\n      batch_size: 50",
    )
    name = "fashion_mnist-mlp"
    run("dvc", "repro", f"evaluate@{name}", "evaluate@fashion_mnist-svc", cwd=project)
    scores = json.loads((project / f"metrics/{name}.json").read_text())["test"]
    labels = np.load(project / "data/reshaped/fashion_mnist-flat/test/labels.npy")
    probabilities = np.load(project / f"data/probabilities/{name}.npy")
    expected = metrics.top_k_accuracy_score(labels, probabilities, k=2)
    assert scores["top2_accuracy"] == pytest.approx(expected, abs=1e-6)
    assert "top2_accuracy" not in (project / "metrics/fashion_mnist-svc.json").read_text()
    assert "| test top-2 accuracy " in run("python", "-m", "tools.results", cwd=project).stdout
    review = run("python", "-m", "tools.review", "main", cwd=project, status=None)
    assert f"| `{name}` | top2_accuracy " in re.sub(" +", " ", review.stdout)
