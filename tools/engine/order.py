"""Which stage goes next."""

from stages.runtime.files import read_json
from tools.engine.plan import Stage
from tools.engine.processes import SECONDS

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


def measure_urgency(stages: dict[str, Stage], seconds: dict[str, float]) -> dict[str, float]:
    """For each stage, the seconds of the longest chain that starts with it."""
    urgency = {name: seconds.get(name, UNKNOWN_SECONDS) for name in stages}
    for name in reversed(stages):  # a stage is after those that it depends on
        for before in stages[name].upstream:
            own = seconds.get(before, UNKNOWN_SECONDS)
            urgency[before] = max(urgency[before], own + urgency[name])
    return urgency


def next_stage(
    stages: dict[str, Stage],
    waiting: list[str],
    states: dict[str, str],
    running: list[str],
    jobs: int,
) -> str | None:
    """The first waiting stage whose upstream is done, if it may run in parallel with the others.

    A stage that runs alone goes first when nothing runs. Else it waits until the others end, and
    no other starts after its turn has come.
    """
    if len(running) >= jobs or any(stages[name].alone for name in running):
        return None
    ready = [name for name in waiting if all(b in states for b in stages[name].upstream)]
    if not running:
        ready.sort(key=lambda name: not stages[name].alone)
    return next((name for name in ready[:1] if not (stages[name].alone and running)), None)
