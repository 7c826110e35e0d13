"""What differs between two versions of dvc.lock, and why."""

from typing import Any

Stages = dict[str, dict[str, Any]]  # as in dvc.lock
FEW = 3


def explain(before: Stages, after: Stages) -> dict[str, list[str]]:
    """For each stage that ran for another reason than before: what it saw changed.

    A stage that follows from an earlier one says whose output it reads. No reason at all means
    other outputs from the same inputs.
    """
    writers = {out["path"]: name for name in after for out in after[name].get("outs", [])}
    found = {}
    for name, new in after.items():
        old = before.get(name)
        if old is None:
            found[name] = ["a new stage"]
        elif reasons := [
            *(["another command"] if old["cmd"] != new["cmd"] else []),
            *explain_parameters(flatten(old.get("params", {})), flatten(new.get("params", {}))),
            *explain_deps(old.get("deps", []), new.get("deps", []), writers),
        ]:
            found[name] = reasons
        elif old.get("outs") != new.get("outs"):
            found[name] = []
    return found


def explain_parameters(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What changed among parameters by name, or how many if they are more than `FEW`."""
    changed = [
        name
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name) or (name in before) != (name in after)
    ]
    if len(changed) > FEW:
        return [f"{len(changed)} parameters"]
    return [f"`{name}`: {show(before, name)} → {show(after, name)}" for name in changed]


def explain_deps(
    before: list[dict[str, Any]], after: list[dict[str, Any]], writers: dict[str, str]
) -> list[str]:
    """What changed among dependencies as in dvc.lock; `writers` names the stage of an output."""
    old, new = ({dep["path"]: dep.get("md5") for dep in deps} for deps in (before, after))
    lines = []
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) == new.get(path):
            continue
        stages = [
            stage for out, stage in writers.items() if out == path or path.startswith(f"{out}/")
        ]
        state = "" if path in old and path in new else "no more " if path in old else "now "
        lines.append(state + (f"`{stages[0]}`" if stages else f"`{path}`"))
    return lines


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, its keys joined by dots; the file names of dvc.lock left out."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = key if not prefix else f"{prefix}.{key}"
        if isinstance(value, dict) and value:
            flat |= flatten(value, "" if key in ("params.yaml", "pyproject.toml") else name)
        else:
            flat[name] = value
    return flat


def show(values: dict[str, Any], name: str) -> str:
    """A value as in YAML; a dash for null and for none, which DVC does not tell apart."""
    value = values.get(name)
    if isinstance(value, bool):
        return str(value).lower()
    return "-" if value is None else str(value)
