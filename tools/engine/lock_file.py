"""Writes dvc.lock: whole or not at all, only the stages that changed, as DVC would."""

import re
import shutil
from pathlib import Path
from typing import Any

import voluptuous
import yaml
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.utils.serialize import dump_yaml, dumps_yaml, parse_yaml_for_update

from stages.runtime.errors import InputError
from stages.runtime.files import atomic_write
from stages.runtime.inputs import require_file
from stages.runtime.lock import LARGEST, LOCK, parse, parse_once
from stages.runtime.yaml_input import find_mistake, require_no_conflict
from tools.engine.programs import show_file

HEAD = "schema: '2.0'\nstages:\n"
# As DVC writes it: each stage is a line with two blanks before its name, then lines with more.
FORMAT = re.compile(re.escape(HEAD) + r"((?:  \S.*:\n(?:    .*\n)+)*)")
LAST_GOOD = Path(".dvc/tmp/dvc.lock")
DAMAGED = Path("logs/dvc.lock")


def write_entries(path: Path, entries: dict[str, Any], order: list[str]) -> None:
    """Writes the `entries`, by the names of their stages, into a dvc.lock.

    The stages end in the given `order`, those that it lacks at the end. DVC itself parses and
    formats the whole file, in half a second, and truncates it before it writes.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else HEAD
    found = FORMAT.fullmatch(text)
    with atomic_write(path) as partial:
        if found is None:  # edited by hand, e.g. with a comment: what DVC would make of it
            content = parse_yaml_for_update(text, path)
            content.setdefault("schema", "2.0")
            content.setdefault("stages", {}).update(entries)
            dump_yaml(partial, content)
            return
        blocks = {read_name(block): block for block in re.split(r"(?m)^(?=  \S)", found[1])[1:]}
        for name, entry in entries.items():
            blocks[name] = dumps_yaml({"stages": {name: entry}}).partition("\n")[2]
        places = {name: place for place, name in enumerate(order)}
        names = sorted(blocks, key=lambda name: places.get(name, len(order)))
        partial.write_text(HEAD + "".join(blocks[name] for name in names), encoding="utf-8")


def read_name(block: str) -> str:
    """The name of the stage in its lines."""
    (name,) = yaml.load(block.partition("\n")[0], yaml.CSafeLoader)
    return str(name)


def restore_damaged() -> str | None:
    """Replaces a dvc.lock that a killed DVC left empty or cut off, and says so.

    It needs DVC's lock on the repository, else it may see what DVC is writing. A stage that the
    last good file lacks comes from DVC's run cache or runs again.

    Raises:
        InputError: no kill did it: a merge has left its marks there, or a person a mistake.
    """
    if not LOCK.exists():
        return None
    require_file(LOCK, LARGEST, "remove it")
    content = LOCK.read_bytes()
    if not is_damaged(content):
        shutil.copyfile(LOCK, LAST_GOOD)
        return None
    require_not_edited(content)
    source, good = "that before the last call", b""
    if LAST_GOOD.exists():
        good = LAST_GOOD.read_bytes()
    if is_damaged(good):
        source = "that of the last commit"
        good = (show_file(Path.cwd(), "HEAD", str(LOCK)) or "").encode()
    DAMAGED.parent.mkdir(exist_ok=True)
    shutil.copyfile(LOCK, DAMAGED)
    if is_damaged(good):
        LOCK.unlink()
        return f"dvc.lock was damaged and is made again; the damaged one is {DAMAGED}"
    with atomic_write(LOCK) as path:
        path.write_bytes(good)
    return f"dvc.lock was damaged: restored {source}; the damaged one is {DAMAGED}"


def is_damaged(content: bytes) -> bool:
    """Whether this is not all of a dvc.lock: what is left of a cut one may be valid, too."""
    if content.startswith(HEAD.encode()) and not content.endswith(b"\n"):  # DVC ends the last line
        return True
    try:
        COMPILED_LOCKFILE_SCHEMA(parse_once(content))
    except (yaml.YAMLError, voluptuous.Invalid, ValueError):
        return True
    return False


def require_not_edited(content: bytes) -> None:
    """Raises InputError if a merge or a person has left a dvc.lock invalid: a kill only cuts it."""
    try:
        require_no_conflict(content, str(LOCK))
        parse(content)
    except (yaml.YAMLError, ValueError) as error:
        found = find_mistake(content, error)
        if found is not None and found.remedy:
            raise InputError(f"{LOCK}: {found}; {found.remedy}") from None
