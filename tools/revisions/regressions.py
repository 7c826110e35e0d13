"""Which runs got worse by more than `review.tolerance` in params.yaml allows."""

from collections.abc import Iterator

from stages.runtime.errors import InputError
from stages.scoring.metrics import METRICS
from tools.revisions.revision import Revision
from tools.revisions.verdicts import WORSE, Verdict, judge_all, judge_difference

Tolerance = dict[str, float | None]  # by metric


def judge_revisions(before: Revision, after: Revision) -> tuple[list[Verdict], Tolerance]:
    """The verdict on every run of either revision, and the tolerance of the later one.

    Raises:
        InputError: the tolerance is for a metric that this checkout does not know.
    """
    tolerance = after.parameters.get("review", {}).get("tolerance", {})
    metrics = ["accuracy", *(name for name in tolerance if tolerance[name] is not None)]
    if unknown := set(metrics) - METRICS.keys():
        raise InputError(
            f"review.tolerance of {after.name} has {', '.join(sorted(unknown))}; this checkout "
            f"knows {', '.join(METRICS)}: review from a checkout of {after.name}"
        )
    return judge_all(before, after, list(dict.fromkeys(metrics))), tolerance


def find_regressions(verdicts: list[Verdict], tolerance: Tolerance) -> Iterator[str]:
    """One line for each metric of a run that got significantly worse by more than its tolerance.

    A tolerance of None accepts any loss.
    """
    for verdict in verdicts:
        for metric, difference in verdict.metrics.items():
            allowed = tolerance.get(metric)
            loss = abs(difference.after - difference.before)
            if (
                allowed is not None
                and judge_difference(metric, difference) == WORSE
                and loss > allowed
            ):
                yield (
                    f"{verdict.run}: test {metric} got significantly worse, by {loss:.4f}; "
                    f"review.tolerance.{metric} in params.yaml allows {allowed}"
                )
