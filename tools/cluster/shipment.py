"""What is sent to a machine of a cluster: stages with all that they declare; and its answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tools.store.objects import hash_bytes
from tools.trials.contents import File, Files

DONE, FAILED, LACKING, CANCELLED = "done", "failed", "lacking", "cancelled"


@dataclass(frozen=True)
class Step:
    """A stage: its commands, and for each dependency its files; None if an earlier step writes it.

    `parameters` are the values that it declares, by file and dotted name. With `comes_home`, the
    files of its outputs are sent to the one who asked; else they stay where they were made.
    """

    name: str
    commands: list[str]
    deps: Mapping[str, Files | None]
    parameters: Mapping[str, Mapping[str, Any]]
    outs: list[str]
    comes_home: bool = True

    @property
    def key(self) -> str:
        """The same for all steps that make the same, wherever their outputs go."""
        said = [self.commands, pack_all(self.deps), dict(self.parameters), sorted(self.outs)]
        return hash_bytes(json.dumps(said, sort_keys=True).encode())


@dataclass(frozen=True)
class Shipment:
    """Steps, one after the other, on one machine.

    With `follows`, the one who asked hears what the command of the last one prints, as it does.
    """

    steps: list[Step]
    follows: bool = False


@dataclass(frozen=True)
class Answer:
    """What came of a shipment: for each step that has ended its outputs' files, and its seconds.

    A step that `machine` had run before took 0 seconds. `reason` says why one failed, `log` is what
    the last one has printed, `lacking` are the MD5s of files that were nowhere.
    """

    state: str
    machine: str
    outs: list[dict[str, Files]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    log: str = ""
    reason: str = ""
    lacking: list[str] = field(default_factory=list)


def write_shipment(shipment: Shipment) -> str:
    """A shipment as a JSON text."""
    steps = [{**step.__dict__, "deps": pack_all(step.deps)} for step in shipment.steps]
    return json.dumps({"steps": steps, "follows": shipment.follows})


def read_shipment(text: str) -> Shipment:
    """A shipment from its JSON text."""
    content = json.loads(text)
    steps = [Step(**(step | {"deps": unpack_all(step["deps"])})) for step in content["steps"]]
    return Shipment(steps, content["follows"])


def write_answer(answer: Answer) -> str:
    """An answer as a JSON text."""
    return json.dumps({**answer.__dict__, "outs": [pack_all(outs) for outs in answer.outs]})


def read_answer(text: str) -> Answer:
    """An answer from its JSON text."""
    content = json.loads(text)
    return Answer(**(content | {"outs": [unpack_all(outs) for outs in content["outs"]]}))


def pack_all(contents: Mapping[str, Files | None]) -> dict[str, Any]:
    """The files of several paths, for JSON."""
    return {path: files if files is None else pack(files) for path, files in contents.items()}


def pack(files: Files) -> dict[str, list[Any]]:
    """The files of a path, for JSON."""
    return {inner: [file.md5, file.size, file.executable] for inner, file in files.items()}


def unpack_all(packed: Mapping[str, Any]) -> dict[str, Any]:
    """The files of several paths, from JSON."""
    return {
        path: files if files is None else {inner: File(*one) for inner, one in files.items()}
        for path, files in packed.items()
    }
