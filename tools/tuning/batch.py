"""A batch of recipes: has each trained on its folds, and none twice."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tools.trials.trial import FAILED, Outcome, Trial
from tools.tuning.plan import Plan
from tools.tuning.pruning import find_hopeless, read_curve
from tools.tuning.rows import COMPLETE, REPEATED, STOPPED, Row, to_row
from tools.tuning.space import Values

Report = Callable[[int, Outcome], None]
Stop = Callable[[int, Sequence[Mapping[str, float]]], bool]
Make = Callable[[Sequence[Trial], Report, Stop | None], list[Outcome]]  # as run_trials


@dataclass(frozen=True)
class Asked:
    """A recipe to try; `trial` is Optuna's, None for that of params.yaml."""

    number: int
    values: Values
    trial: Any = None


def try_batch(
    plan: Plan,
    asked: Sequence[Asked],
    before: Sequence[Row],
    first: Mapping[str, int],
    make: Make,
    report: Callable[[Row], None],
) -> list[Row]:
    """The rows of a batch of recipes. `first` has the number of each recipe when first asked for.

    Those that were asked for before are not tried again.
    """
    known = {row.number: row for row in before}
    rows = list[Row]()

    def find(row: Row | None = None) -> None:
        """Keeps a row, and reports those that come next in order."""
        if row is not None:
            known[row.number] = row
        for one in asked[len(rows) :]:
            original = known.get(first[plan.key_of(one.values)])
            if original is None:
                return
            is_new = original.number == one.number
            rows.append(original if is_new else repeat(original, one.number))
            report(rows[-1])

    try_new(
        plan,
        [one for one in asked if first[plan.key_of(one.values)] == one.number],
        [row.curve for row in before if row.state == COMPLETE],
        make,
        find,
    )
    find()
    return rows


def try_new(
    plan: Plan,
    asked: Sequence[Asked],
    others: Sequence[Sequence[float]],
    make: Make,
    find: Callable[[Row], None],
) -> None:
    """Has recipes trained, and calls `find` with the row of each when it is known.

    If the plan stops trainings, each is first trained on the fold that decides this; `others` are
    the curves of those that were not stopped in earlier batches.
    """
    curves = dict[int, list[float]]()

    def after_stopping(one: Asked, outcomes: list[Outcome]) -> None:
        curve = read_curve(outcomes[0].curve)
        hopeless = find_hopeless(curve, others)
        if outcomes[0].state == FAILED:
            find(to_row(one.number, one.values, outcomes, curve))
        elif hopeless is None:
            curves[one.number] = curve
        else:
            epoch, missed = hopeless
            best = max(curve[:epoch])
            reason = f"after epoch {epoch}: best {best:.4f}, the median of others is {missed:.4f}"
            seen = tuple(curve[:epoch])
            find(Row(one.number, one.values, STOPPED, curve=seen, reason=reason))

    def after_ranking(one: Asked, outcomes: list[Outcome]) -> None:
        find(to_row(one.number, one.values, outcomes, curves.get(one.number, [])))

    if plan.for_stopping:

        def stop(_: int, epochs: Sequence[Mapping[str, float]]) -> bool:
            return find_hopeless(read_curve(epochs), others) is not None

        run_folds(plan, asked, plan.for_stopping, make, after_stopping, stop)
        asked = [one for one in asked if one.number in curves]
    run_folds(plan, asked, plan.for_ranking, make, after_ranking)


def run_folds(
    plan: Plan,
    asked: Sequence[Asked],
    folds: Sequence[int],
    make: Make,
    end: Callable[[Asked, list[Outcome]], None],
    stop: Stop | None = None,
) -> None:
    """Has recipes trained on folds, and calls `end` with one when all of its folds have ended."""
    outcomes = dict[int, Outcome]()

    def note(number: int, outcome: Outcome) -> None:
        outcomes[number] = outcome
        which = number // len(folds)
        own = range(which * len(folds), (which + 1) * len(folds))
        if all(one in outcomes for one in own):
            end(asked[which], [outcomes[one] for one in own])

    make([plan.to_trial(one.values, fold) for one in asked for fold in folds], note, stop)


def repeat(row: Row, number: int) -> Row:
    """The row of a recipe that was asked for again."""
    reason = f"as trial {row.number}"
    return replace(row, number=number, state=REPEATED, reason=reason, same_as=row.number)
