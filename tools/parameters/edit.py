"""Writes values into params.yaml: only their lines change."""

import re
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from ruamel.yaml import YAML, AliasToken

from stages.runtime.errors import InputError
from stages.runtime.files import atomic_write
from stages.runtime.parameters import PARAMETERS, parse
from tools.parameters.yaml_text import add_key, is_same, reads_as, replace_value

Keys = tuple[Any, ...]
MERGE = "tag:yaml.org,2002:merge"  # of the key <<
LABEL = re.compile(r"0|[1-9][0-9]{,8}")  # of a class, as a number


def set_values(text: str, values: Mapping[str, Any]) -> str:
    """The text of params.yaml with other values, by dotted names; comments and all else are kept.

    A key that is missing becomes the last of its mapping.

    Raises:
        InputError: a name has no place, or a value cannot be replaced without changing others.
    """
    expected, changed = parse(text), text
    for name, value in values.items():
        keys = find_keys(expected, name)
        changed = set_value(changed, keys, value)
        expected = replace(expected, keys, value)
        if not reads_as(changed, expected):
            raise InputError(
                f"{PARAMETERS}: {name} is written in an unusual way; set it by hand to {value!r}"
            )
    return changed


def write_text(text: str) -> None:
    """Writes params.yaml, or the file that it is a link to."""
    path = PARAMETERS.resolve()
    with atomic_write(path) as partial:
        partial.write_bytes(text.encode())
        shutil.copymode(path, partial)


def replace(content: Any, keys: Keys, value: Any) -> Any:
    """A copy of the content with another value under these keys."""
    if not keys:
        return value
    return {**content, keys[0]: replace(content.get(keys[0]), keys[1:], value)}


def find_keys(content: Any, name: str) -> Keys:
    """The keys that a dotted name refers to; one may have dots itself, or be a number.

    Raises:
        InputError: there is no mapping for it, or there are several values of this name.
    """
    found = [*list_keys(content, name)]
    if not found:
        around, _, last = name.rpartition(".")
        places = [*list_keys(content, around)] if around else [()]
        inner = [(keys, get(content, keys)) for keys in places]
        found = [(*keys, to_key(last, of)) for keys, of in inner if last and isinstance(of, dict)]
        if not found:
            raise InputError(
                f"{PARAMETERS} has no {name!r} and no mapping to set it in; check the name"
            )
    if len(found) > 1:
        raise InputError(f"{PARAMETERS}: {name} is the name of several values; set it by hand")
    return found[0]


def list_keys(content: Any, name: str) -> Iterator[Keys]:
    """All sequences of keys that a dotted name can refer to."""
    for key, value in content.items() if isinstance(content, dict) else ():
        if name == str(key):
            yield (key,)
        if name.startswith(f"{key}."):
            yield from ((key, *keys) for keys in list_keys(value, name[len(str(key)) + 1 :]))


def to_key(text: str, mapping: Mapping[Any, Any]) -> str | int:
    """A new key of a mapping: a number if that has labels that are numbers."""
    is_label = LABEL.fullmatch(text) and any(type(key) is int for key in mapping)
    return int(text) if is_label else text


def get(content: Any, keys: Keys) -> Any:
    """The value under these keys."""
    for key in keys:
        content = content[key]
    return content


def set_value(text: str, keys: Keys, value: Any) -> str:
    """The text of params.yaml with another value under these keys.

    Raises:
        InputError: another value would change with it.
    """
    node, construct = YAML().compose(text), YAML(typ="safe", pure=True).constructor.construct_object
    uses = {
        token.value: token.start_mark.line + 1
        for token in YAML(typ="safe", pure=True).scan(text)
        if isinstance(token, AliasToken)
    }
    for depth, key in enumerate(keys, start=1):
        name, mapping = ".".join(map(str, keys[:depth])), node
        own = [pair for pair in mapping.value if pair[0].tag != MERGE]
        pairs = [pair for pair in own if is_same(construct(pair[0], deep=True), key)]
        if not pairs and depth == len(keys):
            return add_key(text, mapping, key, value)
        if not pairs:
            raise InputError(f"{PARAMETERS}: {name} comes from a merge (<<); write it out there")
        ((at, node),) = pairs
        where = f"{PARAMETERS}: {name} (line {at.start_mark.line + 1})"
        if node.start_mark.index < at.start_mark.index:
            raise InputError(f"{where} is the alias *{node.anchor}; write out its value there")
        if node.anchor in uses:
            raise InputError(
                f"{where} has the anchor &{node.anchor}, which line {uses[node.anchor]} uses; "
                "write out the value there, or set it by hand"
            )
    if is_same(get(parse(text), keys), value):
        return text
    return replace_value(text, at, node, value)
