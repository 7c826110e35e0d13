"""Names in params.yaml: dvc.yaml makes commands and paths of them."""

import re
from collections.abc import Iterator
from typing import Any

from stages.runtime.errors import InputError
from stages.runtime.text import NAME

IN_A_RUN = ("dataset", "layout", "framework", "model")


def require_names(parameters: Any) -> None:
    """Raises an InputError if a name has a character that means something to a shell or a path.

    For whoever lets DVC build a command from params.yaml before `check` has seen it.
    """
    for at, name in find_names(parameters):
        if not re.fullmatch(NAME, str(name)):
            raise InputError(
                f"params.yaml: {at} {str(name)[:40]!r} is not a name: use letters, digits, - and "
                "_, and begin with a letter or digit"
            )


def find_names(parameters: Any) -> Iterator[tuple[str, Any]]:
    """Yields where each name is, and the name."""
    sections = parameters if isinstance(parameters, dict) else {}
    for section in ("data", "models"):
        blocks = sections.get(section)
        for key, block in blocks.items() if isinstance(blocks, dict) else ():
            yield f"{section}:", key
            if section == "models" and isinstance(block, dict):
                yield from (
                    (f"models.{key}.{name}:", block[name]) for name in IN_A_RUN if name in block
                )
