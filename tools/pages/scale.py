"""Scales of charts: where a value is between the two ends of an axis, and what is written there."""

from collections.abc import Sequence
from math import ceil, floor, isfinite, log10
from typing import NamedTuple

WIDE = 20  # times the smallest is the largest: positive numbers then have a logarithmic scale
FEW = 6  # values that are all written at an axis
STEPS = (1, 2, 2.5, 5, 10)  # between two numbers that are written, times a power of ten


class Tick(NamedTuple):
    """What is written at an axis, and where, 0 to 1."""

    at: float
    text: str


class Scale(NamedTuple):
    """Where each of some values is, 0 to 1, and what is written at their axis."""

    places: list[float]
    ticks: list[Tick]


def scale_values(texts: Sequence[str]) -> Scale:
    """The scale of values as YAML has them: of numbers if all are, else their order."""
    numbers = [to_number(text) for text in texts]
    known = [number for number in numbers if number is not None]
    if len(known) < len(texts):
        order = sorted(
            set(texts), key=lambda text: (to_number(text) is None, to_number(text), text)
        )
        last = max(len(order) - 1, 1)
        places = [order.index(text) / last for text in texts]
        return Scale(places, [Tick(index / last, text) for index, text in enumerate(order)])
    low, high = min(known), max(known)
    wide = low > 0 and high / low > WIDE
    values = sorted(set(known))
    if len(values) > FEW:
        values = [low, (low * high) ** 0.5 if wide else (low + high) / 2, high]
    places = [place(number, low, high, wide) for number in known]
    return Scale(places, [Tick(place(one, low, high, wide), f"{one:.4g}") for one in values])


def to_number(text: str) -> float | None:
    """The number that a text is; None if it is none, or has no place on an axis, such as inf."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None


def place(number: float, low: float, high: float, logarithmic: bool = False) -> float:
    """Where a number is between two others, 0 to 1; in the middle if these are equal."""
    if logarithmic:
        number, low, high = log10(number), log10(low), log10(high)
    return (number - low) / (high - low) if high > low else 0.5


def choose_ticks(low: float, high: float) -> list[float]:
    """A few round numbers from `low` to `high`."""
    span = (high - low) or 1.0
    power = 10.0 ** floor(log10(span / FEW))
    step = next(one * power for one in STEPS if span / (one * power) <= FEW)
    return [step * index for index in range(ceil(low / step), floor(high / step) + 1)]


def choose_powers(low: float, high: float) -> list[float]:
    """The numbers 1, 2 and 5, times powers of ten, from `low` to `high`; only 1 if far."""
    steps = (1, 2, 5) if high / low < 100 else (1,)
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    return [
        number for power in powers for one in steps if low <= (number := one * 10.0**power) <= high
    ]
