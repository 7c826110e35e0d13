"""Two charts of many experiments as inline SVG, which share the key of each experiment."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tools.pages.scale import Tick, choose_powers, choose_ticks, place, scale_values

STEP, HEIGHT, TOP, SIDE = 150, 240, 44, 70  # of parallel coordinates; pixels, as below
WIDTH, TALL, LEFT, RIGHT, ABOVE, BELOW = 640, 300, 52, 130, 14, 44  # of accuracy against time
NAME = (90, 13)  # of a point, at its right
APART = 1.6  # times the longest time is the end of the axis
SHADES = 5  # of lines, from the least to the most accurate
RESULT = "validation accuracy"


class Tried(NamedTuple):
    """A recipe that was tried: its key on the page, name, values as YAML has them, and result.

    `accuracy`, with the ends of its interval, is on the validation images; `milliseconds` is the
    median time for one image, None where it was not measured. `kind` is "default", "best" or "".
    """

    key: str
    name: str
    values: Mapping[str, str]
    accuracy: float
    interval: tuple[float, float]
    milliseconds: float | None = None
    kind: str = ""

    @property
    def title(self) -> str:
        """What a pointer on it shows."""
        shown = [f"{name}={value}" for name, value in self.values.items()]
        time = [] if self.milliseconds is None else [f"{self.milliseconds:.3g} ms per image"]
        return ", ".join([f"{self.name}: {RESULT} {self.accuracy:.4f}", *time, *shown])


class Axis(NamedTuple):
    """A vertical axis at `x`, with texts at heights."""

    name: str
    x: float
    ticks: list[Tick]


class Item(NamedTuple):
    """A recipe in a chart: `points` is a line, or one point and an interval."""

    key: str
    title: str
    kind: str
    name: str
    points: list[tuple[float, float]]


class Area(NamedTuple):
    """Where a chart has its values: the pixels of its sides, from the left and from above."""

    left: int
    right: int
    top: int
    bottom: int


class Chart(NamedTuple):
    """A chart of some pixels, with its items in the order in which they are drawn.

    `across` is written below it, at places from the left.
    """

    title: str
    width: int
    height: int
    area: Area
    axes: list[Axis]
    items: list[Item]
    across: Sequence[Tick] = ()


def draw_parallel(title: str, tried: Sequence[Tried]) -> Chart | None:
    """Parallel coordinates: a line for each recipe through its values, and at last its accuracy.

    The axes are the parameters that differ; None if none does.
    """
    known = tried[0].values if tried else {}
    names = [name for name in known if len({one.values[name] for one in tried}) > 1]
    if not names:
        return None
    columns = [scale_values([one.values[name] for one in tried]) for name in names]
    columns.append(scale_values([f"{one.accuracy:.4f}" for one in tried]))
    axes = [
        Axis(
            name,
            SIDE + STEP * index,
            [Tick(height_of(tick.at), tick.text) for tick in column.ticks],
        )
        for index, (name, column) in enumerate(zip([*names, RESULT], columns, strict=True))
    ]
    items = [
        Item(
            one.key,
            one.title,
            one.kind or f"shade{min(int(columns[-1].places[index] * SHADES), SHADES - 1)}",
            one.name,
            [
                (axis.x, height_of(column.places[index]))
                for axis, column in zip(axes, columns, strict=True)
            ],
        )
        for index, one in enumerate(tried)
    ]
    order = sorted(
        zip(tried, items, strict=True), key=lambda pair: (pair[0].kind, pair[0].accuracy)
    )
    right, bottom = SIDE + STEP * len(names), TOP + HEIGHT
    area = Area(SIDE, right, TOP, bottom)
    return Chart(title, right + SIDE, bottom + 16, area, axes, [item for _, item in order])


def height_of(place: float) -> float:
    """The y of a place on an axis of parallel coordinates."""
    return round(TOP + HEIGHT * (1 - place), 1)


def draw_scatter(title: str, tried: Sequence[Tried]) -> Chart | None:
    """Accuracy against the time for one image; None if no time was measured."""
    timed = [(one, time) for one in tried if (time := one.milliseconds or 0.0) > 0]
    if not timed:
        return None
    low = min(one.interval[0] for one, _ in timed)
    high = max(one.interval[1] for one, _ in timed)
    area = Area(LEFT, WIDTH - RIGHT, ABOVE, TALL - BELOW)
    least, most = min(time for _, time in timed) / APART, max(time for _, time in timed) * APART

    def at_time(milliseconds: float) -> float:
        share = place(milliseconds, least, most, logarithmic=True)
        return round(area.left + (area.right - area.left) * share, 1)

    def at_accuracy(accuracy: float) -> float:
        share = place(accuracy, low, high)
        return round(area.bottom + (area.top - area.bottom) * share, 1)

    items = list[Item]()
    for one, time in sorted(timed, key=lambda pair: (pair[0].kind != "default", -pair[0].accuracy)):
        points = [(at_time(time), at_accuracy(y)) for y in (one.accuracy, *one.interval)]
        kind = f"{one.kind} crowded" if is_crowded(points[0], items) else one.kind
        items.append(Item(one.key, one.title, kind, one.name, points))
    ticks = [Tick(at_accuracy(one), f"{one:.3g}") for one in choose_ticks(low, high)]
    across = [Tick(at_time(one), f"{one:g}") for one in choose_powers(least, most)]
    axis = Axis(RESULT, LEFT, ticks)
    return Chart(title, WIDTH, TALL, area, [axis], items[::-1], across)


def is_crowded(at: tuple[float, float], items: Sequence[Item]) -> bool:
    """Whether the name at a point would lie on that of another one."""
    return any(
        abs(at[0] - x) < NAME[0] and abs(at[1] - y) < NAME[1]
        for x, y in (item.points[0] for item in items if not item.kind.endswith("crowded"))
    )
