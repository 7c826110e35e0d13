"""The stages that train a run, each as an entry of dvc.lock that other values can be put into."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from dvc.dependency import ParamsDependency
from dvc.repo import Repo

from stages.runtime.errors import InputError
from stages.runtime.parameters import PARAMETERS, PINS, read_parameters
from tools.engine.plan import read_stages
from tools.store.bring import complete_outputs
from tools.store.outputs import describe as describe_output
from tools.trials.contents import File, Files, describe, is_executable, select, size_of
from tools.trials.values import get_value

Entry = dict[str, Any]  # of a stage, or of a dependency or output of one, as in dvc.lock


@dataclass(frozen=True)
class Link:
    """A stage of the chain: DVC's object, the paths of its inputs and outputs, its parameters.

    `parameters` are the names of those in params.yaml, `pins` the values of others, by file.
    """

    of_dvc: Any
    deps: list[str]
    outs: list[str]
    parameters: list[str]
    pins: dict[str, dict[str, Any]]

    @property
    def name(self) -> str:
        """What DVC calls the stage."""
        return str(self.of_dvc.name)

    @property
    def is_recorded(self) -> bool:
        """Whether DVC's run cache may have a record of it, by DVC's own rule."""
        return all(out.use_cache or out.is_metric or out.is_plot for out in self.of_dvc.outs)


@dataclass(frozen=True)
class Root:
    """Something that no stage of the chain writes, such as code: its entry, and its files.

    `is_here` says that they are in the workspace; else they are in DVC's cache.
    """

    entry: Entry
    files: Files
    is_here: bool
    of_dvc: Any


def read_chain(repo: Repo, run: str) -> tuple[list[Link], dict[str, Root], Link]:
    """The stages of dvc.yaml that lead to the training of a run, in order, and their roots.

    And the step that says on another machine which images are held out.

    Raises:
        InputError: there is no such run, or it needs a file that is missing.
        DvcException: a parameter is missing.
    """
    stages = read_stages(repo)
    target = f"train@{run}"
    if target not in stages:
        known = [name.partition("@")[2] for name in stages if name.startswith("train@")]
        raise InputError(f"params.yaml has no run {run}; choose one of {', '.join(known)}")
    wanted = {target}
    for name in reversed(stages):  # a stage is after those that it depends on
        if name in wanted:
            wanted.update(stages[name].upstream)
    own = [one for one in stages.values() if one.of_dvc.path_in_repo == "dvc.yaml"]
    chain = [read_link(one.of_dvc) for one in own if one.of_dvc.addressing in wanted]
    held_out = read_link(make_held_out(repo, run))
    outs = [out for link in chain for out in link.outs]
    roots = {
        dep.def_path: read_root(repo, dep)
        for link in [*chain, held_out]
        for dep in link.of_dvc.deps
        if not isinstance(dep, ParamsDependency) and not is_in(dep.def_path, outs)
    }
    return chain, roots, held_out


def make_held_out(repo: Repo, run: str) -> Any:
    """A stage that dvc.yaml lacks, since only trials need it: tools/trials/held_out.py."""
    dataset = read_parameters()["models"][run]["dataset"]
    raw, out = f"data/raw/{dataset}", f"data/held_out/{dataset}"
    code = ["tools/trials/held_out.py", "stages/datasets/arrays.py", "stages/runtime"]
    return repo.stage.create(
        name="held_out",
        cmd=f"python -m tools.trials.held_out {raw} {out}",
        deps=[raw, *code],
        outs=[out],
        params=["fold", {str(PINS): ["dependency-groups.arrays"]}],
        validate=False,
    )


def read_link(of_dvc: Any) -> Link:
    """A stage, with what it declares."""
    deps, parameters, pins = list[str](), list[str](), dict[str, dict[str, Any]]()
    for dep in of_dvc.deps:
        if not isinstance(dep, ParamsDependency):
            deps.append(dep.def_path)
            continue
        values = dep.get_hash().value
        if dep.def_path == str(PARAMETERS):
            parameters += values
        else:
            pins[dep.def_path] = values
    outs = [out.def_path for out in of_dvc.outs]
    return Link(of_dvc, sorted(deps), sorted(outs), sorted(parameters), pins)


def read_root(repo: Repo, dep: Any) -> Root:
    """A file or folder in the workspace, or one that DVC's cache has for it."""
    dep.update_legacy_hash_name()
    path = dep.def_path
    if path.startswith(".."):
        raise InputError(f"{path} is outside of the project; set an absolute path in params.yaml")
    if dep.exists:
        dep.save()
        here = Path(dep.fs_path)
        files = {"": File(dep.hash_info.value, dep.meta.size or 0, is_executable(here))}
        if dep.hash_info.isdir:
            files = {
                "/".join(key): File(
                    hashed.value, meta.size or 0, is_executable(here.joinpath(*key))
                )
                for key, meta, hashed in dep.obj
            }
        return Root({**dep.dumpd(), "path": path}, files, True, dep)
    for out in repo.find_outs_by_path(dep.fs_path, strict=False):
        output = describe_output(repo, out)
        contents = complete_outputs(repo, [output], from_remote=False)[output]
        if contents is not None:
            files = {inner: File(md5, size_of(repo, md5)) for inner, md5 in contents.items()}
            return Root(describe(path, files), files, False, dep)
    raise InputError(
        f"{path} is missing, and DVC's cache does not have it; `git add` it, or for data `dvc add` "
        "it, or set an absolute path in params.yaml"
    )


def is_in(path: str, folders: list[str]) -> bool:
    """Whether a path is one of these or lies in one."""
    return any(PurePosixPath(path).is_relative_to(folder) for folder in folders)


def make_entry(
    link: Link,
    parameters: Mapping[str, Any],
    roots: Mapping[str, Root],
    contents: Mapping[str, Files],
) -> Entry:
    """What dvc.lock would say of a stage before its outputs, with these parameters and `contents`.

    `contents` are the outputs of the stages before it, by path.
    """
    deps = [
        roots[path].entry if path in roots else describe(path, require(contents, path))
        for path in link.deps
    ]
    params = find_parameters(link, parameters)
    return {"cmd": link.of_dvc.cmd, "deps": deps} | ({"params": params} if params else {})


def find_parameters(link: Link, parameters: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The values that a stage declares, by file and name, with these of params.yaml."""
    params = dict[str, dict[str, Any]]()
    if link.parameters:
        params[str(PARAMETERS)] = {name: get_value(parameters, name) for name in link.parameters}
    return params | {
        path: dict(sorted(values.items())) for path, values in sorted(link.pins.items())
    }


def require(contents: Mapping[str, Files], path: str) -> Files:
    """What an output of an earlier stage contains."""
    files = select(contents, path)
    if files is None:
        raise InputError(f"{path}: no stage before has written it")
    return files
