"""Each stage reads what it declares in dvc.yaml, and nothing else; and it reads all of that."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import tomlkit
import yaml
from conftest import BIN, ROOT, run
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo

# One of each kind, and of each framework: what is taken away from these, all others lack too.
KINDS = [
    "check",
    "load@cifar10",
    "audit@cifar10",
    "normalize@cifar10",
    "reshape@cifar10-flat",
    "train@fashion_mnist-cnn",
    "train@fashion_mnist-decision_tree",
    "evaluate@fashion_mnist-cnn",
    "profile",
    "plot@fashion_mnist-cnn",
    "compare",
]
# Declared for the order alone: that params.yaml is valid, and that the data may be used.
NOT_READ = {
    ("load@cifar10", "data/check/params.txt"),
    ("normalize@cifar10", "data/audit/cifar10.txt"),
}


@dataclass
class Declared:
    """What dvc.yaml says of one stage."""

    command: str
    files: list[str] = field(default_factory=list)
    params: list[tuple[str, str]] = field(default_factory=list)  # file and key; "" for the whole
    outs: list[str] = field(default_factory=list)


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
    """Copies to `folder` what a stage declares, except the file or parameter `without`."""
    for name in stage.files:
        if name != without:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if (project / name).is_dir():
                ignore = shutil.ignore_patterns("__pycache__")
                shutil.copytree(project / name, target, dirs_exist_ok=True, ignore=ignore)
            else:
                shutil.copyfile(project / name, target)
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


@pytest.mark.parametrize("kind", sorted({name.split("@")[0] for name in all_stages()}))
def test_every_stage_runs_on_what_it_declares(trained: Path, tmp_path: Path, kind: str) -> None:
    stages = {k: v for k, v in read_stages(trained).items() if k.split("@")[0] == kind}
    assert stages
    for name, stage in stages.items():
        folder = tmp_path / name
        folder.mkdir()
        lay_out(trained, folder, stage)
        run("sh", "-c", f"PATH={BIN}:$PATH; {stage.command}", cwd=folder)
        for out in stage.outs:
            expected = list(files_below(trained / out))
            assert expected
            for path in expected:
                made = folder / path.relative_to(trained)
                if name == "profile":  # times
                    ours, theirs = (json.loads(one.read_text()) for one in (made, path))
                    assert ours.keys() == theirs.keys()
                    continue
                assert made.read_bytes() == path.read_bytes(), f"{name}: {made}"


@pytest.mark.parametrize("name", KINDS)
def test_a_stage_fails_without_any_one_of_what_it_declares(
    trained: Path, tmp_path: Path, name: str
) -> None:
    stage = read_stages(trained)[name]
    declared = [*stage.files, *(f"{file}:{key}" for file, key in stage.params)]
    for number, without in enumerate(declared):
        if (name, without) in NOT_READ:
            continue
        folder = tmp_path / str(number)
        folder.mkdir()
        lay_out(trained, folder, stage, without)
        result = run("sh", "-c", f"PATH={BIN}:$PATH; {stage.command}", cwd=folder, status=None)
        assert result.returncode != 0, f"{name} runs as well without {without}"
        made = [out for out in stage.outs if (folder / out).exists()]
        assert made == [], f"{name} failed without {without} but wrote {made}"


def test_one_of_every_kind_is_tried() -> None:
    assert {name.split("@")[0] for name in KINDS} == {name.split("@")[0] for name in all_stages()}
