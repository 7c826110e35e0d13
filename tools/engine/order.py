"""Which stage goes next."""

from collections.abc import Iterable
from pathlib import Path

from stages.runtime.files import read_json
from tools.engine.plan import Stage
from tools.engine.processes import SECONDS
from tools.engine.stages import kind_of

# What `logs/seconds.json` was after a first run on the sample, on two cores: for a new clone.
FIRST_SECONDS = Path(__file__).with_name("first_seconds.json")
UNKNOWN_SECONDS = 10.0


def read_seconds() -> dict[str, float]:
    """The seconds that each stage took; none if the file is missing, or damaged, which it says."""
    if not SECONDS.exists():
        return {}
    try:
        return {name: float(seconds) for name, seconds in read_json(SECONDS).items()}
    except (ValueError, AttributeError, TypeError):
        print(f"{SECONDS} was damaged: the times in it are measured again")
        return {}


def expect_seconds(names: Iterable[str], taken: dict[str, float]) -> dict[str, float]:
    """The seconds that each stage is expected to take: those `taken`, or else FIRST_SECONDS.

    A stage that neither knows takes as long as the longest of its kind.
    """
    known = read_json(FIRST_SECONDS) | taken
    longest = dict[str, float]()
    for name, seconds in known.items():
        kind = kind_of(name)
        longest[kind] = max(seconds, longest.get(kind, 0.0))
    return {name: known.get(name, longest.get(kind_of(name), UNKNOWN_SECONDS)) for name in names}


def measure_urgency(stages: dict[str, Stage], seconds: dict[str, float]) -> dict[str, float]:
    """For each stage, the seconds of the longest chain that starts with it."""
    urgency = dict(seconds)
    for name in reversed(stages):  # a stage is after those that it depends on
        for before in stages[name].upstream:
            urgency[before] = max(urgency[before], seconds[before] + urgency[name])
    return urgency


def next_stage(
    stages: dict[str, Stage],
    waiting: list[str],
    states: dict[str, str],
    running: list[str],
    jobs: int,
) -> str | None:
    """The first waiting stage whose upstream is done, if it may run in parallel with the others.

    A stage that runs alone goes first when nothing runs. Else it waits until nothing does: before
    it, all others that can run do, or a core would wait for the longest of those that run.
    """
    if len(running) >= jobs or any(stages[name].alone for name in running):
        return None
    ready = [name for name in waiting if all(b in states for b in stages[name].upstream)]
    if running:
        ready = [name for name in ready if not stages[name].alone]
    else:
        ready.sort(key=lambda name: not stages[name].alone)
    return next(iter(ready), None)
