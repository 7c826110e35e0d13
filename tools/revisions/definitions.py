"""What a revision says of its pipeline: parameters, dvc.yaml and dvc.lock, checked before DVC."""

from pathlib import Path
from typing import Any

from stages.runtime.errors import InputError
from stages.runtime.inputs import reading
from stages.runtime.lock import LOCK, Stages, read_lock, read_lock_file
from stages.runtime.parameters import PARAMETERS, parse, read_parameters
from stages.runtime.yaml_input import reading_yaml
from tools.engine.names import require_names
from tools.engine.programs import show_file
from tools.engine.readable import PIPELINES, require_readable, require_yaml

NEEDED = ("seed", "normalize")
BLOCKS = {"data": ("path", "classes"), "models": ("dataset", "params")}


def read_definitions(
    title: str, commit: str, remedy: str = "choose another revision"
) -> tuple[Any, Stages]:
    """The parameters, and the stages in dvc.lock, of a commit, or of the workspace if it is empty.

    Raises:
        InputError: one is missing, or a file that DVC reads is not valid; the message names the
            revision, which is called `title`, and the place.
    """
    if not commit:
        for path in (PARAMETERS, LOCK):
            require_there(title, path, path.is_file())
        return read_edited(title)
    texts = {path: read_text(title, commit, path) for path in (*PIPELINES, PARAMETERS, LOCK)}
    for path in (PARAMETERS, LOCK):
        require_there(title, path, texts[path] is not None)
    for path in PIPELINES:
        require_yaml(f"{title}: {path}", texts[path] or "", remedy, can_edit=False)
    name, text = f"{title}: {PARAMETERS}", texts[PARAMETERS] or ""
    with reading_yaml(name, text, "YAML file", remedy, can_edit=False):
        parameters = parse(text)
    require_names(parameters)
    require_blocks(name, parameters, remedy)
    return parameters, read_lock(texts[LOCK] or "", f"{title}: {LOCK}", remedy)


def read_edited(title: str) -> tuple[Any, Stages]:
    """The parameters of the workspace, and what dvc.lock records, if there is one.

    Raises:
        InputError: one is not valid; the message calls the workspace `title`.
    """
    require_readable()
    parameters = read_parameters()
    require_blocks(f"{title}: {PARAMETERS}", parameters, "correct it: `make repro` names the place")
    return parameters, read_lock_file()


def require_blocks(name: str, parameters: Any, remedy: str) -> None:
    """Refuses parameters without the blocks that every revision has; `check` knows all of today's.

    Raises:
        InputError: one is missing; the message has the `name` of the file and the `remedy`.
    """
    sections = parameters if isinstance(parameters, dict) else {}
    for key in NEEDED:
        if key not in sections:
            raise InputError(f"{name}: {key} is missing; {remedy}")
    for section, needed in BLOCKS.items():
        blocks = sections.get(section)
        if not isinstance(blocks, dict) or not blocks:
            raise InputError(f"{name}: {section} has no blocks; {remedy}")
        for key, block in blocks.items():
            for one in needed:
                if not isinstance(block, dict) or one not in block:
                    raise InputError(f"{name}: {section}.{key}.{one} is missing; {remedy}")
    for run, block in sections["models"].items():
        if block["dataset"] not in sections["data"]:
            dataset = block["dataset"]
            raise InputError(f"{name}: models.{run}.dataset is {dataset!r}, not in data; {remedy}")


def require_there(title: str, path: Path, is_there: bool) -> None:
    """Raises an InputError if a revision does not have a file."""
    if not is_there:
        raise InputError(f"{title} has no {path}; choose a revision where `dvc repro` has run")


def read_text(title: str, commit: str, path: Path) -> str | None:
    """A file in a commit, None if it is missing there."""
    with reading(f"{title}: {path}", "text file", "choose another revision"):
        return show_file(Path.cwd(), commit, str(path))
