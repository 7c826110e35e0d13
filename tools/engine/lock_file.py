"""Writes dvc.lock: whole or not at all, only the stages that changed, as DVC would."""

import re
import shutil
from pathlib import Path
from typing import Any

import yaml
from dvc.utils.serialize import dumps_yaml

from stages.runtime.files import atomic_write
from tools.engine.programs import show_file
from tools.engine.stages import read_lock

HEAD = "schema: '2.0'\nstages:\n"
LOCK = Path("dvc.lock")
LAST_GOOD = Path(".dvc/tmp/dvc.lock")
DAMAGED = Path("logs/dvc.lock")
# Each stage is a line with two blanks before its name, then lines with more.
DVC_FORMAT = re.compile(
    r"(?P<head>schema: '2.0'\nstages:\n)(?P<stages>(  \S.*:\n(    .*\n)+)+)(?P<rest>(\S(?s:.*)\n)?)"
)
CONFLICT = "<<<<<<<"  # git has left both versions there: a person decides


def read_order() -> list[str]:
    """The names of the stages in dvc.lock, in their order there."""
    return list(read_lock(LOCK.read_text(encoding="utf-8"))) if LOCK.exists() else []


def restore_torn() -> str | None:
    """Replaces a dvc.lock that a killed DVC left empty or cut off, and says so.

    A stage that the last good one lacks comes from DVC's run cache or runs again.
    """
    if not LOCK.exists():
        return None
    text = LOCK.read_text(encoding="utf-8", errors="replace")
    if is_valid(text):
        shutil.copyfile(LOCK, LAST_GOOD)
        return None
    if CONFLICT in text:
        return None
    kept = LAST_GOOD.read_text(encoding="utf-8") if LAST_GOOD.exists() else ""
    source, good = "the one before the last call", kept
    if not is_valid(good):
        source, good = "the last commit", show_file(Path.cwd(), "HEAD", str(LOCK)) or ""
    DAMAGED.parent.mkdir(exist_ok=True)
    LOCK.replace(DAMAGED)
    if is_valid(good):
        with atomic_write(LOCK) as path:
            path.write_text(good, encoding="utf-8")
        return f"dvc.lock was damaged: restored {source}; the damaged one is {DAMAGED}"
    return f"dvc.lock was damaged and is made again; the damaged one is {DAMAGED}"


def is_valid(text: str) -> bool:
    """Whether a text is a whole dvc.lock, as far as one can see: DVC ends it with a newline."""
    try:
        stages = read_lock(text)
        complete = all("cmd" in stage for stage in stages.values())
    except (yaml.YAMLError, AttributeError, TypeError):
        return False
    return bool(stages) and complete and text.endswith("\n")


def write_entries(path: Path, entries: dict[str, Any], order: list[str]) -> None:
    """Writes the `entries`, by the names of their stages, into a dvc.lock.

    The stages end in the given `order`, those that it lacks at the end. DVC itself parses and
    formats the whole file, in half a second, and truncates it before it writes.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else HEAD
    head, blocks, rest = split(text)
    for name, entry in entries.items():
        blocks[name] = format_block(name, entry)
    places = {name: place for place, name in enumerate(order)}
    names = sorted(blocks, key=lambda name: places.get(name, len(order)))
    with atomic_write(path) as partial:
        parts = [head, *(blocks[name] for name in names), rest]
        partial.write_text("".join(parts), encoding="utf-8")


def split(text: str) -> tuple[str, dict[str, str], str]:
    """The lines of a dvc.lock before its stages, those of each stage by its name, and the rest."""
    found = DVC_FORMAT.fullmatch(text)
    if found:
        blocks = {
            read_name(block): block
            for block in re.split(r"^(?=  \S)", found["stages"], flags=re.M)[1:]
        }
        return found["head"], blocks, found["rest"]
    # Edited by hand, or empty: as DVC would write it.
    content = yaml.load(text, yaml.CSafeLoader) or {}
    others = {key: content[key] for key in content if key not in ("schema", "stages")}
    blocks = {name: format_block(name, entry) for name, entry in read_lock(text).items()}
    return HEAD, blocks, dumps_yaml(others) if others else ""


def read_name(block: str) -> str:
    """The name of the stage in its lines."""
    (name,) = yaml.load(block.partition("\n")[0], yaml.CSafeLoader)
    return str(name)


def format_block(name: str, entry: Any) -> str:
    """The lines of one stage, in DVC's own format."""
    return dumps_yaml({"stages": {name: entry}}).partition("\n")[2]
