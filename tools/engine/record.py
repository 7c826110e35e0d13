"""Records a stage by DVC's own code, if all that it declares is as it was before its command.

All of this needs DVC's lock on the repository (`repo.lock`).
"""

from itertools import groupby
from pathlib import Path
from typing import Any

from dvc.dependency import ParamsDependency
from dvc.stage.cache import RunCacheNotFoundError
from dvc.stage.serialize import to_lockfile

from stages.runtime.errors import InputError
from stages.runtime.parameters import name_change
from tools.engine.lock_file import write_entries
from tools.engine.plan import Stage, is_redefined


def is_changed(stage: Any) -> bool:
    """Whether one of DVC's stages must run: as its own `changed`, but with no lock per call."""
    if stage.is_callback or stage.always_changed or stage.changed_stage():
        return True
    deps = [] if stage.frozen else stage.deps
    return any(one.status() for one in (*deps, *stage.outs))


def read_inputs(stage: Any) -> list[Any]:
    """What `stage` depends on: for each dependency its hash, or the values of its parameters.

    Raises:
        DvcException: a file or parameter is missing.
    """
    for dep in stage.deps:
        if not dep.exists:
            raise dep.DoesNotExistError(dep)
    # Not saved in `stage`: DVC would take the outputs in dvc.lock for those of these inputs.
    return [dep.get_hash().value for dep in stage.deps]


def restore(stage: Any) -> bool:
    """Takes the outputs of `stage` from DVC's run cache, if they are there."""
    stage.remove_outs()
    try:
        stage.repo.stage_cache.restore(stage)
    except RunCacheNotFoundError:
        return False
    return True


def record(stage: Stage, before: list[Any]) -> None:
    """Saves the hashes of a stage, and its outputs and a run-cache record in DVC's cache.

    Raises:
        InputError: its definition or what it depends on is not as `before`.
        DvcException: an output is missing.
    """
    of_dvc = stage.of_dvc
    of_dvc.save(run_cache=False)
    if is_redefined(stage):
        raise InputError(f"{of_dvc.path_in_repo}: {of_dvc.name} changed while it ran; run again")
    for dep, then in zip(of_dvc.deps, before, strict=True):
        now = dep.hash_info.value
        if now != then:
            changed = dep.def_path
            if isinstance(dep, ParamsDependency):
                changed += f": {name_change('', then, now)}"
            raise InputError(f"{changed} changed while it ran; run again")
    if all(out.use_cache or out.is_metric or out.is_plot for out in of_dvc.outs):  # as DVC does
        of_dvc.repo.stage_cache.save(of_dvc)
    of_dvc.commit()


def write_locks(stages: list[Stage], order: list[str]) -> None:
    """Writes what was recorded of `stages` to their dvc.lock; `order` is that of all stages."""

    def lock_of(stage: Stage) -> Path:
        return Path(stage.of_dvc.path).with_suffix(".lock")

    for path, members in groupby(sorted(stages, key=lock_of), lock_of):
        entries: dict[str, Any] = {}
        for stage in members:
            entries |= to_lockfile(stage.of_dvc)
        write_entries(path, entries, order)
