"""Names in params.yaml: dvc.yaml makes commands and paths of them."""

import re
from collections.abc import Iterator
from typing import Any

from stages.runtime.errors import InputError
from stages.runtime.text import NAME

USED = {  # names within a block that dvc.yaml fills in, too
    "data": (),
    "features": ("dataset", "backbone"),
    "models": ("dataset", "layout", "framework", "model"),
}


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
    for section, used in USED.items():
        blocks = sections.get(section)
        for key, block in blocks.items() if isinstance(blocks, dict) else ():
            yield f"{section}:", key
            if isinstance(block, dict):
                yield from (
                    (f"{section}.{key}.{name}:", block[name]) for name in used if name in block
                )
