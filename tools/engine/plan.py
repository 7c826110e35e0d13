"""The pipeline as DVC sees it: its stages, and what depends on what."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.repo.reproduce import get_active_graph, plan_repro
from dvc.stage.run import _make_cmd, get_executable, prepare_kwargs
from dvc.stage.serialize import to_pipeline_file

from stages.runtime.errors import InputError
from stages.runtime.parameters import PARAMETERS
from stages.runtime.unchanged import HASHED
from tools.engine.readable import require_readable
from tools.engine.remember import (
    remember_index,
    remember_outputs,
    remember_parameters,
    remember_parsed,
)
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
    remember_parsed()
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
