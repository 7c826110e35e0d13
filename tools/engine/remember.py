"""Makes DVC read once what it would read again for each stage, output or commit."""

import os
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

from dvc.dependency import param
from dvc.dvcfile import is_valid_filename
from dvc.fs import LocalFileSystem
from dvc.repo import Repo
from dvc.repo.stage import StageInfo
from dvc.scm import NoSCM
from dvc.utils import strictyaml
from dvc.utils.serialize import _toml, _yaml

MOST_TEXTS = 16  # that are known at a time


def remember_parameters() -> None:
    """Makes DVC parse params.yaml and pyproject.toml again only if they have changed.

    It does so for every stage: a third of the time of a call with nothing to do. And it walks
    through all that is in them for each value, 9 times per stage that runs.
    """
    parse, parsed = param.load_path, dict[str, tuple[tuple[int, int], Any]]()
    look_up, known = param.read_param_file, dict[str, tuple[Any, dict[str, Any]]]()

    def load(path: str, fs: Any, *arguments: Any, **options: Any) -> Any:
        if not isinstance(fs, LocalFileSystem):  # in a commit, where a path is another file
            return parse(path, fs, *arguments, **options)
        found = os.stat(path)
        state = (found.st_mtime_ns, found.st_size)
        if path not in parsed or parsed[path][0] != state:
            parsed[path] = (state, parse(path, fs, *arguments, **options))
        return parsed[path][1]

    def read(
        fs: Any, path: str, names: list[str] | None = None, flatten: bool = False, **options: Any
    ) -> Any:
        if not flatten or not names or not isinstance(fs, LocalFileSystem):
            return look_up(fs, path, names, flatten, **options)
        content = load(path, fs, **options)
        if path not in known or known[path][0] is not content:
            known[path] = (content, {})
        values = known[path][1]
        if new := [name for name in names if name not in values]:
            values |= look_up(fs, path, new, flatten=True, **options)
        return {name: values[name] for name in names if name in values}

    if parse.__module__ != __name__:
        param.load_path, param.read_param_file = load, read


def remember_parsed() -> None:
    """Makes DVC parse a text again only if it has changed, also that of a file in a commit.

    A dvc.lock takes 0.1 s, and DVC reads it up to ten times: for each repository that it opens, for
    each command on it, for each commit, most of which have the same one.
    """
    if _yaml.parse_yaml.__module__ == __name__:
        return
    parse_yaml, parse_toml = _yaml.parse_yaml, _toml.parse_toml
    known = dict[tuple[str, str], Any]()

    def parse_yaml_once(text: Any, path: Any, typ: str = "safe") -> Any:
        if typ != "safe":  # with comments, to be edited
            return parse_yaml(text, path, typ)
        return once("yaml", text, lambda: parse_yaml(text, path))

    def parse_toml_once(text: Any, path: Any, preserve_comments: bool = False) -> Any:
        if preserve_comments:
            return parse_toml(text, path, preserve_comments)
        return once("toml", text, lambda: parse_toml(text, path))

    def once(kind: str, text: str, parse: Callable[[], Any]) -> Any:
        if (kind, text) not in known:
            content = parse()
            if len(known) == MOST_TEXTS:
                known.clear()
            known[kind, text] = content
        return deepcopy(known[kind, text])

    _yaml.parse_yaml = strictyaml.parse_yaml = parse_yaml_once
    _toml.parse_toml = parse_toml_once


def remember_index(repo: Repo) -> None:
    """Makes DVC read git's index again only if it has changed: it looks for each output there."""
    if isinstance(repo.scm, NoSCM):
        return
    git = repo.scm.dulwich.repo
    read, path = git.open_index, Path(git.index_path())
    known = dict[tuple[int, int, int], Any]()  # the last one

    def open_index() -> Any:
        if not path.exists():
            return read()
        found = path.stat()
        state = (found.st_ino, found.st_mtime_ns, found.st_size)
        if state not in known:
            known.clear()
            known[state] = read()
        return known[state]

    git.open_index = open_index


def remember_outputs(repo: Repo) -> None:
    """Makes DVC look for the path of an output in what it has read of dvc.yaml and dvc.lock.

    It reads both again for each path, to see if that is the name of a stage: 0.1 s for each output.
    """
    collect = repo.stage.collect_granular

    def collect_granular(target: str | None = None, *arguments: Any, **options: Any) -> Any:
        if target and not is_valid_filename(target):  # not that of a dvc.yaml
            path = os.path.abspath(target)
            for out in repo.index.outs:
                if out.fs_path == path:
                    return [StageInfo(out.stage, path)]
        return collect(target, *arguments, **options)

    repo.stage.collect_granular = collect_granular
