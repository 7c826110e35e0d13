"""Each stage reads everything that it declares in dvc.yaml, and nothing else."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tomlkit
import yaml
from conftest import ROOT, RUNS, run
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo

from tools.engine.stages import find_timed, kind_of

# A run of each framework: what is taken away from these, all others lack too.
OF_FRAMEWORK = {block["framework"]: name for name, block in reversed(RUNS.items())}
RUN = "fashion_mnist-cnn"  # it has every picture
EXAMPLES = [
    "check",
    "load@cifar10",
    "audit@cifar10",
    "normalize@cifar10",
    "reshape@cifar10-flat",
    "features@toy",
    *(f"train@{name}" for name in OF_FRAMEWORK.values()),
    f"evaluate@{RUN}",
    f"profile@{RUN}",
    f"plot@{RUN}",
    f"card@{RUN}",
    "compare",
]
# Of the files in these, params.yaml or the data choose: the others may be missing.
CHOSEN_BY_NAME = ("stages/sources", "stages/models", "stages/frameworks")
# Declared for the order alone: that params.yaml is valid, and that the data may be used.
NOT_READ = {"data/check/params.txt", "data/audit/cifar10.txt"}


@dataclass
class Declared:
    """The declarations of one stage in dvc.yaml."""

    command: str
    files: list[str] = field(default_factory=list)
    params: list[tuple[str, str]] = field(default_factory=list)  # file and key; "" for the whole
    outs: list[str] = field(default_factory=list)


@cache
def read_stages(project: Path) -> dict[str, Declared]:
    """All stages of dvc.yaml as DVC sees them; dvc.lock still shows what it no longer declares.

    Not those of data/dvc.yaml, which read the network.
    """
    stages = {}
    with Repo(project) as repo:
        for stage in repo.index.stages:
            if stage.path_in_repo != "dvc.yaml":
                continue
            declared = Declared(stage.cmd, outs=[out.def_path for out in stage.outs])
            for dep in stage.deps:
                if isinstance(dep, ParamsDependency):
                    declared.params += [(dep.def_path, key) for key in dep.params or [""]]
                else:
                    declared.files.append(dep.def_path)
            stages[stage.name] = declared
    return stages


def lay_out(project: Path, folder: Path, stage: Declared, without: str | None = None) -> None:
    """Copies to `folder` what a stage declares, except the file or parameter `without`.

    That may also be a file in a folder that the stage declares.
    """
    for name in stage.files:
        if name != without:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if (project / name).is_dir():
                ignore = shutil.ignore_patterns("__pycache__")
                shutil.copytree(project / name, target, dirs_exist_ok=True, ignore=ignore)
            else:
                shutil.copyfile(project / name, target)
    if without is not None and (folder / without).is_file():
        (folder / without).unlink()
    contents: dict[str, Any] = {}
    for name, key in stage.params:
        text = (project / name).read_text()
        everything = (
            yaml.safe_load(text) if name.endswith(".yaml") else tomlkit.parse(text).unwrap()
        )
        if f"{name}:{key}" == without:
            continue
        if not key:
            contents[name] = everything
            continue
        *parents, last = key.split(".")
        target_dict = contents.setdefault(name, {})
        for parent in parents:
            everything = everything[parent]
            target_dict = target_dict.setdefault(parent, {})
        target_dict[last] = everything[last]
    for name, content in contents.items():
        # DVC reruns nothing for another order of keys, so no output may depend on it.
        dump = yaml.safe_dump if name.endswith(".yaml") else tomlkit.dumps
        (folder / name).write_text(dump(content))


def files_below(path: Path) -> Iterator[Path]:
    yield from [path] if path.is_file() else (p for p in path.rglob("*") if p.is_file())


def all_stages() -> list[str]:
    return sorted(read_stages(ROOT))


@pytest.mark.parametrize("kind", sorted({kind_of(name) for name in all_stages()}))
def test_every_stage_runs_on_what_it_declares(
    trained: Path, few: Path, tmp_path: Path, kind: str
) -> None:
    declared = read_stages(trained if kind in ("features", "train") else few)
    stages = {name: stage for name, stage in declared.items() if kind_of(name) == kind}
    assert stages
    for name, stage in stages.items():
        folder = tmp_path / name
        folder.mkdir()
        lay_out(trained, folder, stage)
        run(*stage.command.split(), cwd=folder)
        for out in stage.outs:
            expected = list(files_below(trained / out))
            assert expected
            for path in expected:
                made = folder / path.relative_to(trained)
                if kind_of(name) in find_timed((trained / "dvc.yaml").read_text()):
                    ours, theirs = (json.loads(one.read_text()) for one in (made, path))
                    assert ours.keys() == theirs.keys()
                    continue
                assert made.read_bytes() == path.read_bytes(), f"{name}: {made}"


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_stage_fails_without_any_one_of_what_it_declares(
    trained: Path, tmp_path: Path, name: str
) -> None:
    stage = read_stages(trained)[name]
    declared = [*stage.files, *(f"{file}:{key}" for file, key in stage.params)]
    for number, without in enumerate(declared):
        if without in NOT_READ:
            continue
        made = run_without(trained, tmp_path / str(number), stage, without)
        assert made is not None, f"{name} runs as well without {without}"
        assert made == [], f"{name} failed without {without} but wrote {made}"


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_stage_reads_every_file_of_the_folders_of_code_that_it_declares(
    trained: Path, tmp_path: Path, name: str
) -> None:
    stage = read_stages(trained)[name]
    folders = [file for file in stage.files if file.startswith("stages/")]
    files = [
        path.relative_to(trained).as_posix()
        for folder in folders
        if (trained / folder).is_dir() and folder not in CHOSEN_BY_NAME
        for path in sorted((trained / folder).rglob("*.py"))
    ]
    assert files
    for number, without in enumerate(files):
        folder = tmp_path / str(number)
        made = run_without(trained, folder, stage, without)
        if made is not None:
            assert made == [], f"{name} failed without {without} but wrote {made}"
        else:
            assert without.startswith("stages/figures/run/"), f"{name} runs without {without}"
            assert any(
                not (folder / path.relative_to(trained)).exists()
                for out in stage.outs
                for path in files_below(trained / out)
            ), f"{name} does as well without {without}"


def run_without(trained: Path, folder: Path, stage: Declared, without: str) -> list[str] | None:
    """Runs a stage without one thing that it declares: the outputs of a failed run, or None."""
    folder.mkdir()
    lay_out(trained, folder, stage, without)
    result = run(*stage.command.split(), cwd=folder, status=None)
    if result.returncode == 0:
        return None
    return [out for out in stage.outs if (folder / out).exists()]


def test_one_of_every_kind_is_tried() -> None:
    assert {kind_of(name) for name in EXAMPLES} == {kind_of(name) for name in all_stages()}
