"""A stage of DVC as a step for another machine, and its outputs back in the workspace."""

import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from dvc.dependency import ParamsDependency, RepoDependency
from dvc.dependency.db import AbstractDependency

from stages.runtime.errors import InputError
from stages.runtime.files import remove
from tools.cluster.shipment import Step
from tools.engine.plan import Stage
from tools.store.objects import require_confined
from tools.trials.contents import File, Files, is_executable

PARAMETER_FILES = (".yaml", ".yml", ".toml", ".json")  # that can be written with some values alone


def is_portable(stage: Stage) -> bool:
    """Whether another machine can run a stage: all that it declares lies in the project.

    One that must run alone is timed, so it runs here; so does one that adds to its old outputs.
    """
    of_dvc = stage.of_dvc
    local = not any(isinstance(dep, RepoDependency | AbstractDependency) for dep in of_dvc.deps)
    return (
        local
        and not stage.alone
        and of_dvc.path_in_repo == "dvc.yaml"
        and of_dvc.wdir == of_dvc.repo.root_dir
        and all(is_inside(one.def_path) for one in [*of_dvc.deps, *of_dvc.outs])
        and all(
            dep.def_path.endswith(PARAMETER_FILES)
            for dep in of_dvc.deps
            if isinstance(dep, ParamsDependency)
        )
        and not any(out.persist for out in of_dvc.outs)
    )


def is_inside(path: str) -> bool:
    """Whether a dependency or output is a path in the project."""
    pure = PurePosixPath(path)
    return "://" not in path and not pure.is_absolute() and ".." not in pure.parts


def make_step(of_dvc: Any) -> tuple[Step, dict[str, Path]]:
    """A stage as it is now, and where its files are, by their MD5s."""
    deps, parameters, paths = dict[str, Files](), dict[str, Any](), dict[str, Path]()
    for dep in of_dvc.deps:
        if isinstance(dep, ParamsDependency):
            parameters[dep.def_path] = dep.get_hash().value
        else:
            deps[dep.def_path] = hash_files(dep)
            for inner, file in deps[dep.def_path].items():
                paths[file.md5] = Path(dep.fs_path, inner)
    commands = of_dvc.cmd if isinstance(of_dvc.cmd, list) else of_dvc.cmd.splitlines()
    outs = [out.def_path for out in of_dvc.outs]
    return Step(of_dvc.addressing, commands, deps, parameters, outs), paths


def hash_files(dep: Any) -> Files:
    """The files of a dependency in the workspace, by DVC's own memory of their hashes."""
    _, _, found = dep._build(
        dep.local_cache, dep.fs_path, dep.fs, dep.hash_name, ignore=dep.dvcignore, dry_run=True
    )
    if not found.hash_info.isdir:
        return {"": describe(Path(dep.fs_path), found.hash_info.value)}
    return {
        "/".join(key): describe(Path(dep.fs_path, *key), hashed.value) for key, _, hashed in found
    }


def describe(path: Path, md5: str) -> File:
    """A file of the workspace."""
    return File(md5, path.stat().st_size, is_executable(path))


def bring(of_dvc: Any, outs: Mapping[str, Files], folder: Path) -> None:
    """Writes the outputs of a stage to the workspace; `folder` has their files by their MD5s.

    Raises:
        InputError: an output is missing.
    """
    for out in of_dvc.outs:
        if out.def_path not in outs:
            raise InputError(f"its command has not written the output {out.def_path}")
    for out in of_dvc.outs:
        files, target = outs[out.def_path], Path(out.fs_path)
        remove(target)
        if "" not in files:
            target.mkdir(parents=True)
        for inner, file in files.items():
            place = target / require_confined(inner) if inner else target
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / file.md5, place)
            if file.executable:
                place.chmod(place.stat().st_mode | 0o111)
