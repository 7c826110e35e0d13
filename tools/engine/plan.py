"""The pipeline as DVC sees it: its stages, and what depends on what."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.dependency import param
from dvc.exceptions import DvcException
from dvc.fs import LocalFileSystem
from dvc.repo import Repo
from dvc.repo.reproduce import get_active_graph, plan_repro
from dvc.repo.stage import StageInfo
from dvc.scm import NoSCM
from dvc.stage.run import _make_cmd, get_executable, prepare_kwargs
from dvc.stage.serialize import to_pipeline_file

from stages.runtime.errors import InputError
from stages.runtime.parameters import PARAMETERS
from stages.runtime.unchanged import HASHED
from tools.engine.readable import require_readable
from tools.engine.repository import explain


@dataclass(frozen=True)
class Stage:
    """A stage: its direct upstream stages, whether it must run alone (`meta.alone`), DVC's object.

    `read_at` is the time just before its definition was read, in nanoseconds.
    """

    upstream: list[str]
    alone: bool
    of_dvc: Any = None
    read_at: int = 0


@contextmanager
def open_repository(locks: bool = True) -> Iterator[Repo]:
    """DVC's repository in the current folder; its errors are InputErrors.

    `locks` is as in `require_readable`.
    """
    logging.getLogger("dvc").setLevel(logging.WARNING)  # one line per stage is enough
    remember_parameters()
    require_readable(locks)
    try:
        with Repo(_wait_for_lock=True) as repo, repo.scm_context(quiet=True):
            remember_index(repo)
            remember_outputs(repo)
            yield repo
    except DvcException as error:
        raise InputError(explain(error)) from None


def read_stages(repo: Repo) -> dict[str, Stage]:
    """The stages of dvc.yaml and those in other files that they need, in `dvc repro`'s order.

    Raises:
        InputError: dvc.yaml, or what fills it in, is not valid.
    """
    require_readable()
    read_at = time.time_ns()
    try:
        graph = get_active_graph(repo.index.graph)
    except DvcException as error:
        raise InputError(f"dvc.yaml: {error}") from None
    targets = [stage for stage in repo.index.stages if stage.path_in_repo == "dvc.yaml"]
    return {
        stage.addressing: Stage(
            upstream=[before.addressing for before in graph.successors(stage)],
            alone=bool((stage.meta or {}).get("alone")),
            of_dvc=stage,
            read_at=read_at,
        )
        for stage in plan_repro(graph, targets)
    }


def command_of(of_dvc: Any) -> tuple[list[str], list[str], str, dict[str, str]]:
    """The commands of one of DVC's stages, and the shell, folder and environment that DVC gives it.

    The environment says, too, that its inputs are hashed.
    """
    commands = of_dvc.cmd if isinstance(of_dvc.cmd, list) else of_dvc.cmd.splitlines()
    shell = _make_cmd(get_executable(), "")[:-1]
    settings = prepare_kwargs(of_dvc)
    return commands, shell, settings["cwd"], settings["env"] | {HASHED: "1"}


def is_redefined(stage: Stage) -> bool:
    """Whether dvc.yaml, or params.yaml which fills it in, now defines the stage differently."""
    of_dvc = stage.of_dvc
    files = [Path(of_dvc.path), PARAMETERS]
    if not any(file.exists() and file.stat().st_mtime_ns >= stage.read_at for file in files):
        return False
    try:
        now = describe(of_dvc.reload())
    except (DvcException, KeyError):  # it is gone, or someone is editing the file
        return True
    return now != describe(of_dvc)


def describe(stage: Any) -> dict[str, Any]:
    """All that dvc.yaml says of one of DVC's stages, but for what no output depends on."""
    said = to_pipeline_file(stage)[stage.name]
    return {key: value for key, value in said.items() if key not in ("desc", "meta")}


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
        path = os.path.abspath(target) if target else ""
        for out in repo.index.outs:
            if out.fs_path == path:
                return [StageInfo(out.stage, path)]
        return collect(target, *arguments, **options)

    repo.stage.collect_granular = collect_granular
