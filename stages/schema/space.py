"""The search space of a run: its block `tune`, whose keys are those of `params`."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from math import isfinite
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from stages.runtime.errors import InputError
from stages.runtime.text import cut
from stages.schema.validation import Strict, show_value, validate

KEYS = ("low", "high", "log", "step", "choices")
EXAMPLE = "{low: 0.1, high: 10.0, log: true} or {choices: [a, b]}"
LARGEST = 2**53  # up to here, every integer is a float

Path = tuple[Any, ...]  # keys below `params`: of mappings, indices of lists, names in lists


def require_number(value: Any) -> Any:
    """A number of a range.

    Raises:
        ValueError: it is none, or too large to search from.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("expected a number")
    if abs(value) > LARGEST if isinstance(value, int) else not isfinite(value):
        raise ValueError(f"expected a finite number, or an integer up to {LARGEST}")
    return value


Number = Annotated[Any, AfterValidator(require_number)]


class Range(Strict):
    """All numbers from `low` to `high`, both included: integers if these are integers."""

    low: Number
    high: Number
    log: bool = False  # as likely between 1 and 10 as between 10 and 100
    step: Number | None = None

    @model_validator(mode="after")
    def require_order(self) -> "Range":
        """Refuses a range without numbers, or of two kinds of numbers."""
        low, high, step = self.low, self.high, self.step
        shown = f"low {low!r}, high {high!r}" + (f", step {step!r}" if step is not None else "")
        if len({type(one) for one in (low, high, step) if one is not None}) > 1:
            raise ValueError(f"{shown}: write all as integers, or all with a point, such as 10.0")
        if low >= high:
            raise ValueError(f"{shown}: low must be lower than high")
        if self.log and step is not None:
            raise ValueError(f"{shown}: log and step do not go together; remove one")
        if self.log and low <= 0:
            raise ValueError(f"{shown}: with log, low must be greater than 0")
        if step is not None and step <= 0:
            raise ValueError(f"{shown}: step must be greater than 0")
        if step is not None:
            first, last, each = (Decimal(str(one)) for one in (low, high, step))
            if over := (last - first) % each:
                raise ValueError(f"{shown}: no step ends at high; choose e.g. {last - over}")
        return self


class Choices(Strict):
    """Any of some values, which have no order."""

    choices: Annotated[list[Any], Field(min_length=1)]

    @model_validator(mode="after")
    def require_different(self) -> "Choices":
        """Refuses a value that is there twice."""
        for index, one in enumerate(self.choices):
            if any(same(one, other) for other in self.choices[:index]):
                raise ValueError(f"the choice {show_value(one)} is there twice")
        return self


Dimension = Range | Choices


def same(one: Any, other: Any) -> bool:
    """Whether two values of YAML are the same; 1, 1.0 and true are not."""
    return repr(one) == repr(other)


def read_space(tune: dict[Any, Any], params: Any, *at: str) -> dict[Path, Dimension]:
    """The dimensions of a block `tune`, which is under the keys `at`, by their places in `params`.

    Raises:
        InputError: one is not valid, or is about nothing in `params`.
    """
    return dict(walk(tune, params, (), at))


def walk(
    tune: dict[Any, Any], params: Any, path: Path, at: Sequence[str]
) -> Iterator[tuple[Path, Dimension]]:
    """Yields the dimensions in `tune`, which is about what is at `path`, `params`."""
    known = children(params)
    for key, value in tune.items():
        place, here = [*at, str(key)], (*path, key)
        if key not in known:
            names = cut([str(one) for one in known])
            inside = ".".join(["params", *map(str, path)])
            raise InputError(f"{'.'.join(place)}: not in {inside}, which has {names}; add it there")
        current = known[key]
        if isinstance(value, list):
            if not isinstance(current, list) or len(current) != len(value):
                raise InputError(
                    f"{'.'.join(place)}: {len(value)} ranges, but {key} in params is "
                    f"{show_value(current)}; write one range for each of its elements"
                )
            for index, one in enumerate(value):
                yield (*here, index), read_dimension(one, [*place, str(index)])
        elif isinstance(value, dict) and children(current) and not is_dimension(value):
            yield from walk(value, current, here, place)
        else:
            yield here, read_dimension(value, place)


def children(value: Any) -> dict[Any, Any]:
    """What is below a value in params: of a mapping, or of a list of [name, block]."""
    if isinstance(value, dict):
        return value
    named = isinstance(value, list) and all(
        isinstance(one, list) and len(one) > 1 and isinstance(one[0], str) for one in value
    )
    return {one[0]: one[1] for one in value} if named else {}


def is_dimension(value: Any) -> bool:
    """Whether a value in `tune` is a dimension, not a mapping of more of them."""
    return isinstance(value, dict) and bool(value) and set(value) <= set(KEYS)


def read_dimension(value: Any, at: Sequence[str]) -> Dimension:
    """The dimension that a value in `tune` describes."""
    if not isinstance(value, dict) or not set(value) & set(KEYS):
        raise InputError(f"{'.'.join(at)} is {show_value(value)}: expected e.g. {EXAMPLE}")
    kind: Any = Choices if "choices" in value else Range
    dimension: Dimension = validate(kind, value, *at)
    return dimension


def ends_of(dimension: Dimension) -> list[Any]:
    """The values of a dimension that show whether all are valid: both ends, or all choices."""
    if isinstance(dimension, Choices):
        return dimension.choices
    return [dimension.low, dimension.high]


def put(params: Any, path: Path, value: Any) -> Any:
    """`params` with a value at a place; the rest is shared."""
    if not path:
        return value
    key, *rest = path
    if isinstance(params, dict):
        return params | {key: put(params[key], tuple(rest), value)}
    if isinstance(key, int):
        return [put(one, tuple(rest), value) if i == key else one for i, one in enumerate(params)]
    return [
        [one[0], put(one[1], tuple(rest), value), *one[2:]] if one[0] == key else one
        for one in params
    ]


def find(params: Any, path: Path) -> Any:
    """The value at a place in `params`."""
    for key in path:
        params = params[key] if isinstance(key, int) else children(params)[key]
    return params
