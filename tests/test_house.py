"""The folders contain what their names say, and dvc.yaml declares what the stages import."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, replace, run
from dvc.repo import Repo

from stages.downloads.published import PUBLISHED as DATA
from stages.reshape import LAYOUTS
from stages.weights.published import PUBLISHED as WEIGHTS
from tools.check_dependencies import check_pipeline, find_references
from tools.engine.readable import PIPELINES

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


def test_dvc_yaml_stays_short() -> None:
    lines = (ROOT / "dvc.yaml").read_text().splitlines()
    assert len(lines) <= 310
    assert sum(line.strip().startswith("- stages/") for line in lines) <= 62


def read_tree() -> dict[str, str]:
    """The paths in the tree of CONTRIBUTING.md, with the description of each."""
    block = (ROOT / "CONTRIBUTING.md").read_text().split("```")[1]
    paths: dict[str, str] = {}
    parents: list[str] = []
    for line in block.strip("\n").splitlines():
        name, description = line.split(maxsplit=1)
        depth = (len(line) - len(line.lstrip())) // 2
        parents[depth:] = [name]
        paths["".join(parents)] = description
    return paths


def test_the_tree_in_contributing_is_that_of_the_repository() -> None:
    tree = read_tree()
    for path, description in tree.items():
        assert (ROOT / path).is_dir() if path.endswith("/") else (ROOT / path).is_file(), path
        assert len(description.split()) <= 6, description
    files = run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).stdout.splitlines()
    folders = {f"{parent.as_posix()}/" for file in files for parent in Path(file).parents[:-1]}
    wanted = {f for f in folders if f.startswith(("stages/", "tools/")) or f.count("/") == 1}
    assert {path for path in tree if path.endswith("/")} == {f for f in wanted if f[0] != "."}


def test_metrics_has_only_what_compare_reads() -> None:
    names = {path.name for path in (ROOT / "metrics").glob("*.json")}
    profiles = {path.name for path in (ROOT / "metrics" / "profile").iterdir()}
    assert names == profiles
    ignored = {"tune", "label_issues", "learning_curves"}  # by .dvcignore
    assert {path.name for path in (ROOT / "metrics").iterdir()} - ignored == names | {"profile"}


def test_the_lock_of_the_full_data_is_of_the_code_as_it_is() -> None:
    with Repo(ROOT) as repo:
        status = repo.status(targets=["data/dvc.yaml"])
    changed = [change for changes in status.values() for change in changes]
    paths = [*(f"data/full/{name}" for name in DATA), *(f"data/weights/{n}.onnx" for n in WEIGHTS)]
    for change in changed:  # what was never fetched here is no change
        assert change.keys() == {"changed outs"}, changed
        assert change["changed outs"].items() <= dict.fromkeys(paths, "deleted").items(), changed


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a copy of the files that the dependency check reads, to damage."""
    for name in ("stages", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "params.yaml", "pyproject.toml", "data/dvc.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    find_references.cache_clear()  # its keys are relative paths
    return tmp_path


def check() -> str:
    """The output of the check for the current folder."""
    return "".join(f"{line}\n" for path in PIPELINES for line in check_pipeline(path))


def test_make_check_says_that_dvc_yaml_declares_what_the_stages_import(house: Path) -> None:
    command = ["python", "-m", "tools.check_dependencies"]
    assert "and no other" in run(*command, cwd=house).stdout
    replace(house / "dvc.yaml", "        - stages/sources\n", "")
    failed = run(*command, cwd=house, status=2)
    assert failed.stdout.startswith("dvc.yaml: load lacks\n  - stages/sources\n")
    assert failed.stderr.startswith("check_dependencies: error: ")
    assert "-m tools.check_dependencies" in run("make", "--dry-run", "check", cwd=ROOT).stdout


def test_make_check_prints_the_lines_of_a_run_without_an_artifact(house: Path) -> None:
    command = ["python", "-m", "tools.check_dependencies"]
    lines = re.search(r"^  cifar10-cnn: (?s:.*?)\}\n", (house / "dvc.yaml").read_text(), re.M)
    assert lines is not None
    replace(house / "dvc.yaml", lines[0], "")
    failed = run(*command, cwd=house, status=2)
    assert failed.stdout.endswith(f"dvc.yaml: artifacts lacks\n{lines[0]}")
    assert failed.stderr.startswith("check_dependencies: error: `artifacts` of dvc.yaml does not ")


@pytest.mark.slow  # many inputs
@pytest.mark.parametrize("name", ["dvc.yaml", "data/dvc.yaml"])
def test_every_line_that_is_missing_is_named(house: Path, name: str) -> None:
    text = (house / name).read_text()
    lines = list(re.finditer(r"^ +- (stages/.+)\n", text, re.M))
    assert len(lines) >= 4
    for line in lines:
        (house / name).write_text(text[: line.start()] + text[line.end() :])
        stage = re.findall(r"^  (\w+):$", text[: line.start()], re.M)[-1]
        said = check()
        missing = line[1].partition("/${")[0]  # of a template, the folder
        assert re.search(rf"^{name}: {stage} lacks\n(  - .+\n)*  - {missing}(/.+)?$", said, re.M), (
            line
        )


def test_a_line_too_many_is_named(house: Path) -> None:
    replace(house / "dvc.yaml", "- stages/load.py", "- stages/load.py\n        - stages/audit.py")
    assert "dvc.yaml: load does not read\n  - stages/audit.py\n" in check()


def test_a_file_that_a_folder_has_too_many_is_named(house: Path) -> None:
    (house / "stages/downloads/more.py").write_text("")
    assert check() == (
        "data/dvc.yaml: fetch does not read all of stages/downloads\n  - stages/downloads/more.py\n"
    )


def test_an_import_inside_a_function_counts(house: Path) -> None:
    with (house / "stages/models/mlp.py").open("a") as file:
        file.write("\n\ndef late():\n    from stages.datasets import duplicates\n")
    names = ("align", "duplicates", "search")
    missing = "".join(f"  - stages/datasets/{name}.py\n" for name in names)
    assert f"dvc.yaml: train lacks\n{missing}" in check()
