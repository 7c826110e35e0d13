"""The search space of a run as Optuna draws from it, and what is drawn as values of parameters."""

from collections.abc import Mapping
from decimal import Decimal
from math import log10
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from stages.schema.space import Choices, Dimension, Path, Range, find, put, same

DIGITS = 4  # of a number that is drawn: so that a person can type it

Space = Mapping[Path, Dimension]  # by places in the parameters of the run
Values = dict[Path, Any]


def name_of(path: Path) -> str:
    """The name of a dimension: the keys below `params`, joined by dots."""
    return ".".join(map(str, path))


def to_distributions(space: Space) -> dict[str, BaseDistribution]:
    """What Optuna draws from, by name; of choices it draws the index."""
    return {name_of(path): to_distribution(dimension) for path, dimension in space.items()}


def to_distribution(dimension: Dimension) -> BaseDistribution:
    """What Optuna draws one parameter from."""
    if isinstance(dimension, Choices):
        return CategoricalDistribution(range(len(dimension.choices)))
    low, high, log, step = dimension.low, dimension.high, dimension.log, dimension.step
    if isinstance(low, int):
        return IntDistribution(low, high, log=log, step=step or 1)
    return FloatDistribution(low, high, log=log, step=step)


def to_values(space: Space, drawn: Mapping[str, Any]) -> Values:
    """The values that Optuna has drawn."""
    return {path: to_value(dimension, drawn[name_of(path)]) for path, dimension in space.items()}


def to_value(dimension: Dimension, drawn: Any) -> Any:
    """The value of one parameter; a fraction is rounded."""
    if isinstance(dimension, Choices):
        return dimension.choices[drawn]
    low, high, step = dimension.low, dimension.high, dimension.step
    if isinstance(low, int):
        return int(drawn)
    if step is not None:  # 3 * 0.1 is 0.30000000000000004
        return float(Decimal(str(low)) + round((drawn - low) / step) * Decimal(str(step)))
    narrow = max(abs(low), abs(high)) / (high - low)
    digits = DIGITS + max(0, int(log10(narrow)))
    return min(max(float(f"{drawn:.{digits}g}"), low), high)


def to_drawn(space: Space, values: Values) -> dict[str, Any] | None:
    """What Optuna would have drawn for these values; None if the space does not have them."""
    drawn = dict[str, Any]()
    for path, dimension in space.items():
        value = values[path]
        if isinstance(dimension, Choices):
            places = [i for i, one in enumerate(dimension.choices) if same(one, value)]
            if not places:
                return None
            drawn[name_of(path)] = places[0]
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if not is_in(dimension, value):
            return None
        drawn[name_of(path)] = value
    return drawn


def is_in(dimension: Range, value: float) -> bool:
    """Whether a range has a value."""
    if not dimension.low <= value <= dimension.high:
        return False
    if isinstance(dimension.low, int) and not isinstance(value, int):
        return False
    first, one = Decimal(str(dimension.low)), Decimal(str(value))
    return dimension.step is None or not (one - first) % Decimal(str(dimension.step))


def read_defaults(space: Space, params: Any) -> Values:
    """The values that the parameters of the run have in params.yaml."""
    return {path: find(params, path) for path in space}


def to_settings(run: str, params: Any, values: Values) -> dict[str, Any]:
    """The parameters of params.yaml that differ from `params`, by dotted name, with `values`.

    A list is one value: dotted names do not reach into it.
    """
    changed = params
    for path, value in values.items():
        changed = put(changed, path, value)
    settings = dict[str, Any]()
    for path in values:
        place = reachable(params, path)
        if not same(find(changed, place), find(params, place)):
            settings[".".join(["models", run, "params", *place])] = find(changed, place)
    return settings


def reachable(params: Any, path: Path) -> Path:
    """The part of a path that a dotted name can express."""
    for depth, key in enumerate(path):
        is_plain = isinstance(key, str) and "." not in key
        if not is_plain or not isinstance(find(params, path[:depth]), dict):
            return path[:depth]
    return path
