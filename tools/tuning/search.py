"""The search: asks Optuna for recipes, has them trained, and tells it what came of them.

It asks for a batch, and tells what came of it in the order in which it asked: the same recipes with
the same results, however many workers there are and whichever ends first. A search that was killed
asks for the same recipes when it starts again, and those that were trained are in the cache.
"""

from collections.abc import Callable
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState, create_trial

from tools.tuning.batch import Asked, Make, try_batch
from tools.tuning.plan import Plan
from tools.tuning.rows import Row
from tools.tuning.space import read_defaults, to_distributions, to_drawn, to_values

BATCH = 6  # recipes; part of what a search is, so not the number of workers


def search(plan: Plan, trials: int, make: Make, report: Callable[[Row], None]) -> list[Row]:
    """The rows of a search with so many recipes, of which that of params.yaml is the first.

    `report` is called with each row, in order, as soon as it is known.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=plan.seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    distributions = to_distributions(plan.space)
    rows, first = list[Row](), dict[str, int]()
    while len(rows) < trials:
        numbers = range(len(rows), min(len(rows) + BATCH, trials))
        asked = [ask(plan, study, distributions, number) for number in numbers]
        for one in asked:
            first.setdefault(plan.key_of(one.values), one.number)
        made = try_batch(plan, asked, rows, first, make, report)
        for one, row in zip(asked, made, strict=True):
            tell(plan, study, distributions, one, row)
        rows += made
    return rows


def ask(plan: Plan, study: Any, distributions: dict[str, BaseDistribution], number: int) -> Asked:
    """The next recipe: the first one is that of params.yaml."""
    if number == 0:
        return Asked(0, read_defaults(plan.space, plan.params))
    trial = study.ask(distributions)
    return Asked(number, to_values(plan.space, trial.params), trial)


def tell(
    plan: Plan, study: Any, distributions: dict[str, BaseDistribution], asked: Asked, row: Row
) -> None:
    """Tells Optuna what came of a recipe; of that of params.yaml only if the space has it."""
    if asked.trial is None:
        drawn = to_drawn(plan.space, asked.values)
        if drawn is not None and row.accuracy is not None:
            told = create_trial(params=drawn, distributions=distributions, value=row.accuracy)
            study.add_trial(told)
    elif row.accuracy is not None:
        study.tell(asked.trial, row.accuracy)
    else:
        for epoch, accuracy in enumerate(row.curve):
            asked.trial.report(accuracy, epoch)
        study.tell(asked.trial, state=TrialState.PRUNED if row.curve else TrialState.FAIL)
