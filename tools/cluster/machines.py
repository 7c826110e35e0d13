"""The machines of a cluster, as this one sees them: which of them compute as it does."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stages.runtime.errors import InputError
from tools.cluster.delivery import LOST
from tools.cluster.facts import Facts, explain_difference

WITHOUT_MACHINES = 30.0  # seconds without any machine, after which it is given up
CUT = 60.0  # seconds without an answer of the scheduler; a cut connection is noticed after 30


@dataclass
class Machines:
    """Those that stages go to, and why they do not go to others, by address."""

    here: Facts
    any_processor: bool
    say: Callable[[str], None]
    usable: dict[str, Facts] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    answered: float = field(default_factory=time.monotonic)  # when the scheduler last has
    seen: float = field(default_factory=time.monotonic)  # when a machine was last there

    @property
    def slots(self) -> int:
        """The number of stages that may run at a time."""
        return sum(facts.slots for facts in self.usable.values())

    @property
    def share_this_one(self) -> bool:
        """Whether a worker runs on this machine, and would slow what is timed here."""
        return any(facts.host == self.here.host for facts in self.usable.values())

    @property
    def resource(self) -> str:
        """What a machine must offer."""
        return f"stage-{self.here.fingerprint(self.any_processor)}"

    def learn(self, found: Mapping[str, Mapping[str, Any]] | None) -> None:
        """Takes the scheduler's list, by address, and says of new ones why they are not used.

        Raises:
            InputError: it has none, as Dask's own scheduler.
        """
        if found is None:
            raise InputError(
                "its scheduler is not one of this project; run `make scheduler`, or give Dask's "
                "own `--preload tools.cluster.join`"
            )
        self.answered = time.monotonic()
        facts = {address: Facts(**one) for address, one in found.items()}
        reasons = {
            address: explain_difference(one, self.here, self.any_processor)
            for address, one in facts.items()
        }
        for address, reason in reasons.items():
            if reason and address not in self.refused:
                self.say(f"{describe(facts[address])} is not used: {reason}")
        self.usable = {address: one for address, one in facts.items() if not reasons[address]}
        self.refused = {address: reason for address, reason in reasons.items() if reason}
        if self.usable:
            self.seen = time.monotonic()

    def require(self) -> None:
        """Raises an InputError if the scheduler, or for some time every machine, is lost."""
        if time.monotonic() - self.answered > CUT:
            raise InputError(LOST)
        if self.answered - self.seen > WITHOUT_MACHINES:
            raise InputError(f"no machine has been there for {WITHOUT_MACHINES:.0f} seconds")


def describe(facts: Facts) -> str:
    """A machine, in words."""
    return f"{facts.name} ({facts.slots} slot{'s' * (facts.slots > 1)})"
