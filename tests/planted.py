"""A planted objective in the place of trainings: it takes trials and says what came of them."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.schema.space import read_space
from tools.trials.trial import FAILED, FROM_CACHE, RAN, STOPPED, Outcome, Trial
from tools.tuning.batch import Report, Stop
from tools.tuning.plan import Plan

RUN, DATASET = "a", "images"
SEARCHED = 100


def plan(
    params: dict[str, Any], tune: dict[str, Any], folds: int = 5, stops: bool = False, seed: int = 0
) -> Plan:
    """A plan to search a space of the run."""
    return Plan(RUN, DATASET, params, read_space(tune, params), seed, folds, stops)


@dataclass
class Planted:
    """Trials of which `quality` says how often they are right, from the parameters of the run.

    Each recipe has its luck with each of `count` images: the same on a fold and with any seed. A
    seed holds out `share` of them. `curves` gives learning curves. `order` shuffles in which order
    trials end, as workers do; `most` trials are made, then comes Ctrl-C. `made` is what is in the
    cache.
    """

    params: dict[str, Any]
    quality: Callable[[dict[str, Any]], float]
    count: int = 1000
    share: float = 0.3
    luck: int = 0
    curves: Callable[[dict[str, Any]], list[float]] = lambda params: [0.5]
    order: int = 0
    most: int = 10**9
    made: dict[str, Outcome] = field(default_factory=dict)
    ran: int = 0

    def __call__(self, trials: Sequence[Trial], report: Report, stop: Stop | None) -> list[Outcome]:
        """As run_trials."""
        outcomes = dict[int, Outcome]()
        numbers = [*range(len(trials))]
        random.Random(self.order).shuffle(numbers)
        for number in numbers if self.order else sorted(numbers):
            outcomes[number] = self.make(trials[number], number, stop)
            report(number, outcomes[number])
        return [outcomes[number] for number in range(len(trials))]

    def make(self, trial: Trial, number: int, stop: Stop | None) -> Outcome:
        """What comes of a trial, which ends with the epoch after which `stop` says so."""
        key = repr(sorted(trial.values.items()))
        if key in self.made:
            return self.made[key]
        if self.ran == self.most:
            raise KeyboardInterrupt
        self.ran += 1
        params = self.params | {
            name.removeprefix(f"models.{RUN}.params."): value
            for name, value in trial.values.items()
            if name.startswith("models.")
        }
        quality = self.quality(params)
        if np.isnan(quality):
            return Outcome(FAILED, reason="it diverged (logs/trials/train-a-1234567.log)")
        curve = [
            {"epoch": float(epoch), "val_accuracy": one}
            for epoch, one in enumerate(self.curves(params))
        ]
        for epoch in range(1, len(curve)):
            if stop and stop(number, curve[:epoch]):
                return Outcome(STOPPED, curve=tuple(curve[:epoch]), reason="hopeless")
        held = self.hold_out(trial)
        generator = np.random.default_rng([self.luck, *repr(sorted(params.items())).encode()])
        right = (generator.random(self.count) < quality)[held]
        labels = np.ones(len(right), dtype=np.int64)
        self.made[key] = Outcome(FROM_CACHE, key, labels, labels * right, curve=tuple(curve))
        return Outcome(RAN, key, labels, labels * right, curve=tuple(curve))

    def hold_out(self, trial: Trial) -> NDArray[np.int64]:
        """Which images the trial is compared on."""
        folds, fold = trial.folds, trial.fold
        images = np.arange(self.count)
        if folds:
            return images[images % folds == fold - 1]
        generator = np.random.default_rng(trial.values.get("seed", SEARCHED))
        return generator.permutation(images)[: round(self.share * self.count)]

    def identify(self, trial: Trial) -> NDArray[np.bytes_]:
        """The names of the images that the trial is compared on."""
        return self.hold_out(trial).astype(np.bytes_)
