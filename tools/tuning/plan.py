"""What is searched, and how."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tools.trials.trial import Trial
from tools.tuning.space import Space, Values, to_settings


@dataclass(frozen=True)
class Plan:
    """What is searched: a run with its data set and parameters, and how.

    With `folds` 0, the images that the run itself holds out decide. `stops` says that its trainings
    report epochs and hopeless ones are stopped.
    """

    run: str
    dataset: str
    params: Mapping[str, Any]
    space: Space
    seed: int
    folds: int
    stops: bool

    @property
    def for_stopping(self) -> list[int]:
        """The fold that decides when to stop a training, if any does."""
        return [1] if self.stops and self.folds else []

    @property
    def for_ranking(self) -> list[int]:
        """The folds by which recipes are ranked; 0 is the run's own held-out images."""
        return [*range(len(self.for_stopping) + 1, self.folds + 1)] if self.folds else [0]

    def to_trial(self, values: Values, fold: int = 0, seed: int | None = None) -> Trial:
        """The trial of a recipe on a fold, or on the run's own held-out images."""
        settings = to_settings(self.run, self.params, values)
        trial = Trial(self.run, settings if seed is None else settings | {"seed": seed})
        return trial.on_fold(self.dataset, self.folds, fold) if fold else trial

    def key_of(self, values: Values) -> str:
        """The same text for values that make the same recipe."""
        return repr(to_settings(self.run, self.params, values))
