"""How much of the differences between recipes each parameter explains."""

from collections.abc import Sequence

import optuna
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial

from tools.tuning.plan import Plan
from tools.tuning.rows import COMPLETE, Row
from tools.tuning.space import to_distributions, to_drawn

FEWEST = 4  # recipes to fit a forest to


def find_importances(plan: Plan, rows: Sequence[Row]) -> dict[str, float]:
    """How much of the variance of accuracy over the space each parameter explains, of a sum of 1.

    By functional ANOVA of a random forest that is fitted to the recipes (Hutter et al. 2014), each
    parameter alone, the largest first; empty if there are too few recipes, or all are equally
    accurate.
    """
    distributions = to_distributions(plan.space)
    study = optuna.create_study(direction="maximize")
    for row in rows:
        drawn = to_drawn(plan.space, row.values)
        if row.state == COMPLETE and drawn is not None:
            study.add_trial(
                create_trial(params=drawn, distributions=distributions, value=row.accuracy)
            )
    if len(study.trials) < FEWEST or len({trial.value for trial in study.trials}) == 1:
        return {}
    return get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=plan.seed))
