"""How far a trial is: which of its stages have their outputs, and which is next."""

from dataclasses import dataclass, field, replace
from typing import Any

from stages.runtime.errors import InputError
from stages.runtime.lock import read_lock_file
from tools.engine.places import Ended
from tools.engine.stages import kind_of
from tools.store.runs import get_key
from tools.trials.chain import Entry, Link, make_entry
from tools.trials.contents import Files, read_outputs, require_intact
from tools.trials.lab import Lab
from tools.trials.trial import Trial

GATES = ("check", "audit")  # stages whose output says no more than that others may go on


@dataclass
class Progress:
    """A trial, and how far it is: what its stages up to `position` have written, by path.

    `key` is that of the record of the last of them; `ended` says how long that took, 0 from the
    cache, and where. The one `for_gates` has the values of params.yaml, and ends where all gates
    are passed.
    """

    trial: Trial
    parameters: dict[str, Any]
    contents: dict[str, Files]
    for_gates: bool = False
    position: int = 0
    key: str = ""
    ended: Ended = field(default_factory=lambda: Ended(0.0))


@dataclass(frozen=True)
class Need:
    """A stage that must run, and the key of its record."""

    link: Link
    entry: Entry
    key: str


def advance(lab: Lab, progress: Progress, here: bool = True) -> Need | None:
    """Goes on to the first stage that must run, and returns it; None at the end.

    Stages that run `here` need the outputs of those before; to know that a trial has ended, it is
    enough that it has the last ones.
    """
    ahead = replace(progress, contents=dict(progress.contents))
    need = walk(lab, ahead, here=False)
    if need is not None and here:
        return walk(lab, progress, here=True)
    progress.__dict__.update(ahead.__dict__)
    return need


def walk(lab: Lab, progress: Progress, here: bool) -> Need | None:
    """As `advance`, through stages whose outputs are known; with `here`, those that are here."""
    gates = [link for link in lab.chain if kind_of(link.name) in GATES]
    chain = lab.chain
    if progress.for_gates:
        chain = chain[: chain.index(gates[-1]) + 1] if gates else []
    for link in chain[progress.position :]:
        if link in gates and not progress.for_gates:
            contents = {path: lab.gates[path] for path in link.outs}
        else:
            entry = make_entry(link, progress.parameters, lab.roots, progress.contents)
            if not link.is_recorded:
                contents = read_outputs(lab.repo, believe_audit(link, entry))
            else:
                key, found = lab.find_outputs(link, entry, here or link is lab.chain[-1])
                if found is None:
                    return Need(link, entry, key)
                progress.key, contents = key, found
        progress.contents |= contents
        progress.position += 1
    return None


def believe_audit(link: Link, entry: Entry) -> list[dict[str, Any]]:
    """The outputs of the audit, if dvc.lock says that it has passed with just these inputs.

    Trials never open the test images, so they do not run it: they train on no other images than
    the pipeline does, and hold out others.

    Raises:
        InputError: dvc.lock does not say so.
    """
    recorded = read_lock_file().get(link.name, {})
    known = {key: recorded.get(key) for key in entry}
    if get_key(known | {"outs": []}) != get_key(entry | {"outs": []}):
        raise InputError(
            f"{link.name} has not passed with the data and code that are here; run `make repro`"
        )
    outs: list[dict[str, Any]] = recorded["outs"]
    return outs


def go_to_gates(lab: Lab) -> Progress:
    """What is to be done before the first trial: the gates are passed with params.yaml's values."""
    return Progress(Trial(lab.run, {}), lab.parameters, {}, for_gates=True)


def skip_check(lab: Lab, progress: Progress) -> None:
    """Takes what `check` has written from dvc.lock: it is the same for all valid parameters."""
    outs = read_lock_file().get(lab.chain[0].name, {}).get("outs", [])
    progress.contents |= read_outputs(lab.repo, outs)
    progress.position = 1


def open_gates(lab: Lab, progress: Progress) -> None:
    """Keeps the outputs of the gates that were passed, for all trials.

    Raises:
        InputError: one that later stages read is not in DVC's cache, as in a fresh clone.
    """
    gates = [link for link in lab.chain if kind_of(link.name) in GATES]
    needed = {path for link in lab.chain if link not in gates for path in link.deps}
    for path in (path for link in gates for path in link.outs):
        for file in progress.contents[path].values() if path in needed else ():
            require_intact(lab.repo, file, path, lab.checked)
        lab.gates[path] = progress.contents[path]
