"""What happened to each run between two revisions, and which changes are significant."""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.runtime.errors import InputError
from stages.scoring.metrics import METRICS
from tools.revisions.recorded import read_answers, read_audit, read_run_probabilities
from tools.revisions.revision import Revision, classes_of
from tools.revisions.significance import (
    LEVEL,
    Answers,
    Difference,
    compare_accuracy,
    compare_metric,
    holm,
)

BETTER, WORSE, NO_CHANGE = "better", "worse", "no significant change"
NOT_COMPARABLE = "not comparable"
SAME, ADDED, REMOVED = "same predictions", "new", "removed"


class Paired(NamedTuple):
    """The answers of two models to the same test images, whose labels are (n,)."""

    labels: NDArray[np.int64]
    before: Answers
    after: Answers


@dataclass(frozen=True)
class Verdict:
    """The verdict on a run: one of the words above, and why it, or a metric, is not comparable.

    `metrics` holds the differences by metric name, `classes` those in accuracy on the test images
    of each class; the p values of both are corrected. They follow from `paired`, which is None if
    there is nothing to compare.
    """

    run: str
    word: str
    reason: str = ""
    metrics: dict[str, Difference] = field(default_factory=dict)
    classes: dict[str, Difference] = field(default_factory=dict)
    paired: Paired | None = field(default=None, compare=False)


def judge_all(before: Revision, after: Revision, metrics: list[str]) -> list[Verdict]:
    """The verdict on every run of either revision, removed runs last.

    P values are corrected over the runs whose predictions changed: separately for each metric, and
    together for all classes of these runs.
    """
    names = [*after.runs, *(name for name in before.runs if name not in after.runs)]
    verdicts = [judge(name, before, after, metrics) for name in names]
    for kind in ("metrics", "classes"):
        verdicts = correct_over_runs(verdicts, kind)
    return [
        replace(verdict, word=judge_difference("accuracy", verdict.metrics["accuracy"]))
        if verdict.metrics
        else verdict
        for verdict in verdicts
    ]


def judge(run: str, before: Revision, after: Revision, metrics: list[str]) -> Verdict:
    """The verdict on one run, its p values not yet corrected."""
    if run not in before.runs:
        return Verdict(run, ADDED)
    if run not in after.runs:
        return Verdict(run, REMOVED)
    try:
        require_same_test_images(run, before, after)
        labels, old = read_answers(before, run)
        labels_after, new = read_answers(after, run)
        if not np.array_equal(labels, labels_after):
            raise InputError("the predictions are for test images with other labels")
    except InputError as error:
        return Verdict(run, NOT_COMPARABLE, str(error))
    probability_error = ""
    if any(METRICS[name].needs_probabilities for name in metrics):
        try:
            old, new = (
                Answers(answers.predicted, read_run_probabilities(revision, run, len(labels)))
                for answers, revision in ((old, before), (new, after))
            )
        except InputError as error:
            probability_error = str(error)
    if same(old, new):
        return Verdict(run, SAME)
    both = old.probabilities is not None and new.probabilities is not None
    return Verdict(
        run,
        NO_CHANGE,
        probability_error,
        metrics={
            name: compare_metric(name, labels, old, new)
            for name in metrics
            if both or not METRICS[name].needs_probabilities
        },
        classes=compare_classes(labels, old, new, classes_of(after, run)),
        paired=Paired(labels, old, new),
    )


def same(before: Answers, after: Answers) -> bool:
    """Whether two models predict the same for all images, with the same probabilities if read."""
    probabilities: list[Any] = [before.probabilities, after.probabilities]
    return np.array_equal(before.predicted, after.predicted) and np.array_equal(*probabilities)


def require_same_test_images(run: str, before: Revision, after: Revision) -> None:
    """Raises an InputError, with the reason, if the two were scored on different test images.

    They are the same if dvc.lock has the same hash for what `evaluate` read. If it differs, the
    pixels may still be the same before normalization: then the audit's hashes are equal.
    """
    old, new = (revision.runs[run]["dataset"] for revision in (before, after))
    if old != new:
        raise InputError(f"data set {old} before, {new} after")
    read = [
        [
            dep["md5"]
            for dep in revision.stages.get(f"evaluate@{run}", {}).get("deps", [])
            if dep["path"].endswith("/test")
        ]
        for revision in (before, after)
    ]
    if read[0] and read[0] == read[1]:
        return
    tests = [read_audit(revision, old)["test"] for revision in (before, after)]
    for revision, test in zip((before, after), tests, strict=True):
        if "sha256" not in test:
            raise InputError(f"{revision.name} has no hash of the test images that it scored")
    if tests[0]["sha256"] != tests[1]["sha256"]:
        raise InputError(
            f"different test images: {tests[0]['images']:,} ({tests[0]['sha256'][:8]}) before, "
            f"{tests[1]['images']:,} ({tests[1]['sha256'][:8]}) after"
        )


def compare_classes(
    labels: NDArray[np.int64], before: Answers, after: Answers, classes: list[str]
) -> dict[str, Difference]:
    """For each class that has test images, the accuracy on them, before and after."""
    differences = {}
    for label, name in enumerate(classes):
        chosen = labels == label
        if chosen.any():
            right = [answers.predicted[chosen] == label for answers in (before, after)]
            differences[name] = compare_accuracy(*right)
    return differences


def correct_over_runs(verdicts: list[Verdict], kind: str) -> list[Verdict]:
    """The verdicts with corrected p values of one `kind`, "metrics" or "classes".

    Each metric is its own family, with one p value per run; all classes of all runs are one family.
    """
    families: dict[str, list[tuple[int, str]]] = {}
    for index, verdict in enumerate(verdicts):
        for name in getattr(verdict, kind):
            families.setdefault(name if kind == "metrics" else "", []).append((index, name))
    corrected: list[dict[str, Difference]] = [{} for _ in verdicts]
    for members in families.values():
        found = [getattr(verdicts[index], kind)[name] for index, name in members]
        p_values = holm([difference.p for difference in found])
        for (index, name), difference, p in zip(members, found, p_values, strict=True):
            corrected[index][name] = replace(difference, p=p)
    return [
        replace(verdict, metrics=new) if kind == "metrics" else replace(verdict, classes=new)
        for verdict, new in zip(verdicts, corrected, strict=True)
    ]


def judge_difference(metric: str, difference: Difference) -> str:
    """BETTER, WORSE or NO_CHANGE, from a p value that is already corrected."""
    gain = difference.after - difference.before
    if difference.p >= LEVEL or gain == 0:
        return NO_CHANGE
    return BETTER if (gain > 0) != METRICS[metric].lower_is_better else WORSE
