"""What stands where: the folders hold what their names say, and dvc.yaml what the stages import."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, replace, run

from stages.reshape import LAYOUTS
from tools.check_dependencies import PIPELINES, check_pipeline, find_references

DVC = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
FETCHING = yaml.safe_load((ROOT / "data" / "dvc.yaml").read_text())["stages"]


def test_the_files_right_in_stages_are_the_stages() -> None:
    files = {path.stem for path in (ROOT / "stages").glob("*.py")}
    assert files == DVC.keys() | FETCHING.keys()
    for name, stage in (DVC | FETCHING).items():
        assert stage.get("do", stage)["cmd"].startswith(f"python -m stages.{name} "), name


def test_the_layouts_of_dvc_yaml_are_those_of_the_code() -> None:
    assert DVC["reshape"]["matrix"]["layout"] == list(LAYOUTS)


def test_the_files_right_in_tools_are_run_by_make_a_workflow_or_a_person() -> None:
    texts = [ROOT / "Makefile", ROOT / "CONTRIBUTING.md", *(ROOT / ".github").rglob("*.yml")]
    called = set(re.findall(r"-m tools\.(\w+)", "".join(path.read_text() for path in texts)))
    files = {path.stem for path in (ROOT / "tools").glob("*.py")}
    assert files == called - {"ci"}


def test_dvc_yaml_and_dvc_lock_stay_short() -> None:
    lines = (ROOT / "dvc.yaml").read_text().splitlines()
    assert len(lines) <= 235
    assert sum(line.strip().startswith("- stages/") for line in lines) <= 50


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a copy of what the check of dependencies reads, to damage it."""
    for name in ("stages", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "params.yaml", "pyproject.toml", "data/dvc.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check() -> str:
    """What the check says of the folder that is the current one."""
    find_references.cache_clear()
    return "".join(f"{line}\n" for path in PIPELINES for line in check_pipeline(path))


def test_make_check_says_that_dvc_yaml_declares_what_the_stages_import(house: Path) -> None:
    command = ["python", "-m", "tools.check_dependencies"]
    assert "and no other" in run(*command, cwd=house).stdout
    replace(house / "dvc.yaml", "        - stages/sources\n", "")
    failed = run(*command, cwd=house, status=2)
    assert failed.stdout == "dvc.yaml: load lacks\n  - stages/sources/*.py\n"
    assert failed.stderr.startswith("check_dependencies: error: ")
    assert "-m tools.check_dependencies" in run("make", "--dry-run", "check", cwd=ROOT).stdout


@pytest.mark.parametrize("name", ["dvc.yaml", "data/dvc.yaml"])
def test_every_line_that_is_missing_is_named(house: Path, name: str) -> None:
    text = (house / name).read_text()
    lines = list(re.finditer(r"^ +- (stages/.+)\n", text, re.M))
    assert len(lines) > 4
    for line in lines:
        (house / name).write_text(text[: line.start()] + text[line.end() :])
        stage = re.findall(r"^  (\w+):$", text[: line.start()], re.M)[-1]
        said = check()
        missing = line[1].partition("${")[0].removesuffix(".py")
        assert re.search(rf"^{name}: {stage} lacks\n(  - .+\n)*  - {missing}", said, re.M), line


def test_a_line_too_many_is_named(house: Path) -> None:
    replace(house / "dvc.yaml", "- stages/load.py", "- stages/load.py\n        - stages/audit.py")
    assert "dvc.yaml: load does not read\n  - stages/audit.py\n" in check()


def test_a_file_that_a_folder_has_too_many_is_named(house: Path) -> None:
    (house / "stages/model_file/more.py").write_text("")
    assert check() == (
        "dvc.yaml: train does not read all of stages/model_file\n  - stages/model_file/more.py\n"
    )


def test_an_import_inside_a_function_counts(house: Path) -> None:
    with (house / "stages/models/mlp.py").open("a") as file:
        file.write("\n\ndef late():\n    from stages.datasets import duplicates\n")
    assert "dvc.yaml: train lacks\n  - stages/datasets/duplicates.py\n" in check()
