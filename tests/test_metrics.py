"""The metrics agree with scikit-learn's and with values computed by hand."""

from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from stages.evaluate import score
from stages.scoring.calibration import calibration_error
from stages.scoring.metrics import METRICS, Metric, log_loss, macro_f1

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
        "test_images",
    ]


def test_a_metric_more_is_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    def top2(labels: Any, _: Any, probabilities: Any) -> float:
        return float(
            np.mean(
                [
                    label in row.argsort()[-2:]
                    for label, row in zip(labels, probabilities, strict=True)
                ]
            )
        )

    monkeypatch.setitem(METRICS, "top2_accuracy", Metric("top-2 accuracy", top2, True))
    assert score(LABELS, PREDICTED, PROBABILITIES)["top2_accuracy"] == pytest.approx(
        metrics.top_k_accuracy_score(LABELS, PROBABILITIES, k=2), abs=1e-6
    )
    assert "top2_accuracy" not in score(LABELS, PREDICTED, None)
