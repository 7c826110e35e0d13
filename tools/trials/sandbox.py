"""A folder that has what a stage declares, and nothing else, for its command to run in."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from dvc.repo import Repo
from ruamel.yaml import YAML

from stages.runtime.errors import InputError
from stages.runtime.files import write_json
from stages.runtime.parameters import PARAMETERS
from tools.store.objects import hash_content
from tools.trials.chain import Entry, Link, Root, require
from tools.trials.contents import Files, require_intact
from tools.trials.values import with_values

SMALL = 10_000_000  # bytes: what is smaller is copied, so that an edit does not matter


def copy_roots(repo: Repo, roots: Mapping[str, Root], folder: Path, checked: set[str]) -> None:
    """Copies what is small of the workspace to `folder`; of the rest, makes links to it.

    Raises:
        InputError: a file has changed since it was hashed, or is not in DVC's cache.
    """
    for path, root in roots.items():
        if Path(path).is_absolute():  # it is read where it is
            continue
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if not root.is_here:
            link_objects(repo, root.files, target, path, checked)
        elif sum(file.size for file in root.files.values()) >= SMALL:
            target.symlink_to(Path(path).resolve())
        else:
            for inner, file in root.files.items():
                copy = target / inner if inner else target
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(Path(path, inner), copy)
                if hash_content(copy) != file.md5:
                    raise InputError(f"{Path(path, inner)} changed while it was read; run again")


def lay_out(
    repo: Repo,
    link: Link,
    entry: Entry,
    copies: Path,
    contents: Mapping[str, Files],
    folder: Path,
    checked: set[str],
) -> None:
    """Fills an empty folder with the inputs of a stage: its code, data and values of parameters.

    `copies` has the roots of the chain. Nothing is copied again: files are hard links.
    """
    for path in link.deps:
        if Path(path).is_absolute():
            continue
        target, source = folder / path, copies / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            target.symlink_to(source.readlink())
        elif source.exists():
            link_tree(source, target)
        else:
            link_objects(repo, require(contents, path), target, path, checked)
    for path in link.outs:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
    write_values(folder, entry.get("params", {}))


def write_values(folder: Path, parameters: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes params.yaml and other files of parameters, by their names, with these values alone."""
    for name, values in {str(PARAMETERS): {}, **parameters}.items():
        content = with_values({}, values)
        if name.endswith(".toml"):
            (folder / name).write_text(tomlkit.dumps(content), encoding="utf-8")
        elif name.endswith(".json"):
            write_json(folder / name, content)
        else:  # all that a reader expects to be text is text
            with (folder / name).open("w", encoding="utf-8") as file:
                YAML(typ="safe").dump(content, file)


def link_tree(source: Path, target: Path) -> None:
    """Makes `target` a file or folder of hard links to `source`."""
    if source.is_dir():
        shutil.copytree(source, target, copy_function=os.link)
    else:
        os.link(source, target)


def link_objects(repo: Repo, files: Files, target: Path, name: str, checked: set[str]) -> None:
    """Makes `target` a file or folder of hard links to objects in DVC's cache."""
    for inner, file in files.items():
        source = require_intact(repo, file, name, checked)
        place = target / inner if inner else target
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, place)
        except OSError:  # the cache is in another file system, or has too many links
            place.symlink_to(source.resolve())
