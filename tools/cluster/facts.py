"""What decides whether a machine computes the same bytes as this one."""

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path

from tools.store.objects import hash_bytes

ROOT = Path(__file__).parents[2]
# What runs a stage, beside the stage's own code, which it brings along.
RUNNER = ("tools/cluster", "tools/engine/processes.py", "tools/trials/sandbox.py", "tools/store")
LOCKS = ("requirements.lock", "requirements-cluster.lock")
PROCESSOR_LINES = ("vendor_id", "model name", "flags", "CPU implementer", "CPU part", "Features")


@dataclass(frozen=True)
class Facts:
    """A machine: its name and what it offers; stages go to those that agree in all but these.

    `host` is the same for all processes of a machine. `packages` are the installed ones, by name.
    """

    name: str
    host: str
    slots: int
    python: str
    system: str
    processor: str
    runner: str
    lock: str
    packages: dict[str, str] = field(default_factory=dict)

    def fingerprint(self, any_processor: bool = False) -> str:
        """The same for all machines that stages may go to; `any_processor` leaves that out."""
        said = [self.python, self.system, self.runner, self.lock, self.packages]
        said += [] if any_processor else [self.processor]
        return hash_bytes(json.dumps(said, sort_keys=True).encode())[:16]


def find_facts(name: str = "", slots: int = 0) -> Facts:
    """What is so on this machine, and in this environment."""
    return Facts(
        name=name or socket.gethostname(),
        host=find_host(),
        slots=slots,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        processor=name_processor(),
        runner=hash_runner(),
        lock=hash_bytes("".join(read_locks()).encode()),
        packages=find_packages(),
    )


def read_locks() -> list[str]:
    """The locks of the packages that run a stage, or bring it here."""
    return [(ROOT / name).read_text(encoding="utf-8") for name in LOCKS]


def find_packages() -> dict[str, str]:
    """The installed versions of the packages that the locks name."""
    names = {name for lock in read_locks() for name in re.findall(r"^([\w.-]+)==", lock, re.M)}
    found = dict[str, str]()
    for one in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", one.name or "").lower()
        if name in names:
            found.setdefault(name, one.version)  # the first is the one that is imported
    return found


def find_host() -> str:
    """What is the same for all processes of this machine until it starts again, and for no other.

    In a container of its own network, a worker has the same as its neighbors: then `profile` waits
    for them, as it should, since they share the processor.
    """
    boot = Path("/proc/sys/kernel/random/boot_id")
    return boot.read_text(encoding="utf-8").strip() if boot.exists() else socket.gethostname()


def name_processor() -> str:
    """The processor's model, and a hash of all instructions that it has."""
    information = Path("/proc/cpuinfo")
    if not information.exists():
        return f"{platform.processor()} {os.uname().version}"
    first = information.read_text(encoding="utf-8").partition("\n\n")[0]
    values = dict(re.findall(r"^(.+?)\s*: (.*)$", first, re.M))
    said = {name: sorted(values.get(name, "").split()) for name in PROCESSOR_LINES}
    name = values.get("model name", platform.machine())
    return f"{name} ({hash_bytes(json.dumps(said).encode())[:6]})"


def hash_runner() -> str:
    """A hash of the code that runs a stage."""
    digest = hashlib.md5(usedforsecurity=False)
    for name in RUNNER:
        path = ROOT / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(f"{file.relative_to(ROOT)}\n".encode() + file.read_bytes())
    return digest.hexdigest()


def explain_difference(there: Facts, here: Facts, any_processor: bool) -> str:
    """Why stages do not go to a machine, with what to do; empty if they may."""
    if there.fingerprint(any_processor) == here.fingerprint(any_processor):
        return ""
    for what in ("system", "python"):
        if getattr(there, what) != getattr(here, what):
            title = what.capitalize()
            return f"{title} {getattr(there, what)}, here {getattr(here, what)}"
    setup = "run `make setup` there, in the same commit, and start its worker again"
    packages = sorted(there.packages.keys() | here.packages.keys())
    for name in packages:
        versions = [one.packages.get(name, "not installed") for one in (there, here)]
        if versions[0] != versions[1]:
            return f"{name} {versions[0]}, here {versions[1]}: {setup}"
    if there.lock != here.lock:
        return f"requirements.lock {there.lock[:7]}, here {here.lock[:7]}: {setup}"
    if there.runner != here.runner:
        return (
            f"tools/cluster and what it uses {there.runner[:7]}, here {here.runner[:7]}: "
            "check out the same commit there, and start its worker again"
        )
    return (
        f"{there.processor}, here {here.processor}: another kind may round differently; "
        "ANY_CPU=1 takes it nevertheless"
    )
