"""The container for Codespaces and VS Code has what CI installs, and its file is checked."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, run
from packaging.specifiers import SpecifierSet

FOLDER = ROOT / ".devcontainer"
MISTAKES = {
    "a key": ("postCreateCommand", "postCreateComand"),
    "a key within": ("dockerfile", "dockerFile"),
    "an extension": ("charliermarsh.ruff", "ruff"),
    "a setting": ("dvc.dvcPath", "dvcPath"),
    "a bracket": ("{", "{{"),
}


def check(path: Path, status: int) -> str:
    command = ["check-jsonschema", "--schemafile", str(FOLDER / "schema.json"), str(path)]
    return run(*command, cwd=ROOT, status=status).stdout


def test_make_check_finds_no_mistake() -> None:
    path = FOLDER / "devcontainer.json"
    check(path, status=0)
    said = run("make", "--dry-run", "check", cwd=ROOT).stdout
    assert "--schemafile .devcontainer/schema.json .devcontainer/devcontainer.json" in said


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_found(tmp_path: Path, name: str) -> None:
    right, wrong = MISTAKES[name]
    text = (FOLDER / "devcontainer.json").read_text()
    assert right in text
    (tmp_path / "devcontainer.json").write_text(text.replace(right, wrong, 1))
    check(tmp_path / "devcontainer.json", status=1)


def read_settings() -> dict[str, Any]:
    content = json.loads((FOLDER / "devcontainer.json").read_text())
    settings: dict[str, Any] = content["customizations"]["vscode"]["settings"]
    return settings


def test_it_installs_what_ci_installs() -> None:
    ci, docker = (ROOT / ".ci/run").read_text(), (FOLDER / "Dockerfile").read_text()
    packages = set(re.findall(r"needs\+=\(([\w-]+)\)", ci))
    assert len(packages) == 3
    assert {*packages, "git", "make"} <= set(docker.split())
    (setup,) = re.findall(r"make setup EXTRA=\"(.*)\"", ci)
    assert f"make setup EXTRA='{setup}'" in (FOLDER / "devcontainer.json").read_text()


def test_its_python_is_one_that_the_project_takes() -> None:
    (version,) = re.findall(r"python:(\d\.\d+)-", (FOLDER / "Dockerfile").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert version in SpecifierSet(project["requires-python"])


def test_the_extensions_use_the_programs_of_the_environment() -> None:
    programs = {name: Path(path).name for name, path in read_settings().items()}
    assert programs == {
        "dvc.dvcPath": "dvc",
        "dvc.pythonPath": "python",
        "python.defaultInterpreterPath": "python",
    }
    for path in read_settings().values():
        assert path.startswith("${containerWorkspaceFolder}/.venv/bin/")
