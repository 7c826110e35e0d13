"""Whether the best recipe of a search is better than the default, on images that chose it.

Both are trained again with fresh seeds, each on all training images of its seed, and compared on
the validation images of that seed. That takes the luck of a seed out of the comparison, but not
that of the images: every one of them also took part in the search, so that the best of k recipes is
the one that happens to suit them. Persistent luck of this kind is what makes the best of many look
better than it is (Cawley and Talbot 2010, On Over-fitting in Model Selection and Subsequent
Selection Bias in Performance Evaluation, JMLR 11).

Two corrections make up for it. An image is one observation, however many seeds held it out: what
counts is whether the best was right on it with more seeds than the default, or with fewer. If the
two are equally accurate, both are equally likely, so that the number of images gained is binomial,
with probability 1/2, among those gained or lost (the sign test; exact). And the p value of this
test is multiplied by the number of recipes that could have been chosen (Bonferroni): the chance
that any of k recipes no better than the default has a p value below 0.05 / k is at most 0.05,
whatever their dependence, so it is for the one that was chosen, by whatever rule. The test has two
sides, as all tests here do, so that the chance of a false `better` is half of that.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from stages.runtime.errors import InputError
from tools.revisions.significance import LEVEL
from tools.trials.trial import FAILED, Outcome, Trial
from tools.tuning.batch import Make
from tools.tuning.plan import Plan
from tools.tuning.rows import Row

SEEDS = 5
FIRST_SEED = 1001  # after the seed of the search, which uses that alone
MOST_SEED = 2**32  # what numpy and scikit-learn accept


@dataclass(frozen=True)
class Comparison:
    """The default and the best with each fresh seed, and whether the best is better.

    `before` and `after` are their accuracies, one per seed, on `images` different images, of which
    `gained` were more often right with the best, and `lost` less often. `p` is corrected for the
    number of `candidates`, of which the best is one.
    """

    seeds: list[int]
    before: list[float]
    after: list[float]
    images: int
    gained: int
    lost: int
    candidates: int
    p: float

    @property
    def is_better(self) -> bool:
        """Whether the best is significantly better than the default."""
        return self.p < LEVEL and self.gained > self.lost


def compare_with_default(
    plan: Plan,
    default: Row,
    best: Row,
    candidates: int,
    make: Make,
    identify: Callable[[Trial], NDArray[np.bytes_]],
) -> Comparison:
    """Trains the default and the best with fresh seeds and compares them.

    `identify` names the validation images of a trial, (n,): the same image has the same name.

    Raises:
        InputError: one of them cannot be trained.
    """
    seeds = [(plan.seed + FIRST_SEED + number) % MOST_SEED for number in range(SEEDS)]
    trials = [plan.to_trial(row.values, seed=seed) for row in (default, best) for seed in seeds]
    outcomes = make(trials, lambda number, outcome: None, None)
    for trial, outcome in zip(trials, outcomes, strict=True):
        if outcome.state == FAILED:
            raise InputError(f"with seed {trial.values['seed']}: {outcome.reason}")
    before, after = (
        [to_right(one) for one in part] for part in (outcomes[:SEEDS], outcomes[SEEDS:])
    )
    names = [identify(trial) for trial in trials[:SEEDS]]
    images, gained, lost, p = sign_test(before, after, names)
    return Comparison(
        seeds,
        [float(right.mean()) for right in before],
        [float(right.mean()) for right in after],
        images,
        gained,
        lost,
        candidates,
        min(1.0, p * candidates),
    )


def to_right(outcome: Outcome) -> NDArray[np.bool_]:
    """Which validation images a trial classifies correctly, (n,)."""
    return outcome.labels == outcome.predicted


def sign_test(
    before: Sequence[NDArray[np.bool_]],
    after: Sequence[NDArray[np.bool_]],
    names: Sequence[NDArray[np.bytes_]],
) -> tuple[int, int, int, float]:
    """The sign test over images on two recipes with several seeds.

    Returns how many different images there are, how many were gained and lost, and p. The arguments
    have one array (n,) per seed; `names` says which images these are.
    """
    different, which = np.unique(np.concatenate(names), return_inverse=True)
    gains = np.zeros(len(different), dtype=np.int64)
    np.add.at(gains, which, np.concatenate(after).astype(int) - np.concatenate(before).astype(int))
    gained, lost = int((gains > 0).sum()), int((gains < 0).sum())
    p = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    return len(different), gained, lost, float(p)
