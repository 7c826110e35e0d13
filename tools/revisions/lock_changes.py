"""What differs between two versions of dvc.lock, and why."""

from dataclasses import dataclass, field
from typing import Any

from stages.runtime.lock import Stages
from tools.revisions.markdown import code

FEW = 3


@dataclass
class Reasons:
    """Why a stage ran: what was edited, and which earlier stages wrote other outputs.

    `other_outputs` says whether its own outputs changed. If they did although nothing was edited
    and no earlier stage changed, the stage is not reproducible.
    """

    other_outputs: bool
    edits: list[str] = field(default_factory=list)
    upstream: list[str] = field(default_factory=list)


def explain(before: Stages, after: Stages) -> dict[str, Reasons]:
    """The reasons for each stage of `after` that differs from `before`."""
    rewritten = {
        out["path"]: name
        for name, stage in after.items()
        for out in stage.get("outs", [])
        if stage["outs"] != before.get(name, {}).get("outs")
    }
    found = {}
    for name, new in after.items():
        old = before.get(name)
        if old == new:
            continue
        reasons = Reasons(other_outputs=name in rewritten.values())
        if old is None:
            reasons.edits.append("a new stage")
        else:
            if old["cmd"] != new["cmd"]:
                reasons.edits.append("another command")
            reasons.edits += explain_parameters(old.get("params", {}), new.get("params", {}))
            for path in changed_deps(old.get("deps", []), new.get("deps", [])):
                writers = [stage for out, stage in rewritten.items() if overlap(out, path)]
                if writers:
                    reasons.upstream += writers
                else:
                    reasons.edits.append(code(path))
        found[name] = reasons
    return found


def explain_parameters(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The changed parameters of a stage, or their number if there are more than `FEW`."""
    old, new = flatten(before), flatten(after)
    changed = [
        name
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name) or (name in old) != (name in new)
    ]
    if len(changed) > FEW:
        return [f"{len(changed)} parameters"]
    return [f"{code(name)}: {show(old, name)} → {show(new, name)}" for name in changed]


def changed_deps(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[str]:
    """The paths of dependencies that differ."""
    old, new = ({dep["path"]: dep.get("md5") for dep in deps} for deps in (before, after))
    return sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))


def overlap(one: str, other: str) -> bool:
    """Whether two paths are the same or one is inside the other."""
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, its keys joined by dots, without the file names of dvc.lock."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = key if not prefix else f"{prefix}.{key}"
        if isinstance(value, dict) and value:
            flat |= flatten(value, "" if key in ("params.yaml", "pyproject.toml") else name)
        else:
            flat[name] = value
    return flat


def show(values: dict[str, Any], name: str) -> str:
    """A value as in YAML; a dash for null and for missing, which DVC does not distinguish."""
    value = values.get(name)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    return "-" if value is None else code(str(value))
