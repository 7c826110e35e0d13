"""`check_lock` says without data whether dvc.lock is current."""

import re
from pathlib import Path

import pytest
from conftest import FEW, read_lock, replace, run

from tools.check_lock import absent_files


@pytest.fixture
def clone(few: Path, tmp_path: Path) -> Path:
    """A clone of `few`: no data, no cache."""
    run("git", "clone", "-q", few, "clone", cwd=tmp_path)
    return tmp_path / "clone"


def check_lock(project: Path, status: int) -> str:
    said = run("python", "-m", "tools.check_lock", cwd=project, status=status)
    assert said.stderr.count("\n") == (status != 0)
    return said.stderr if status else said.stdout


def test_a_current_lock_passes_without_data(clone: Path) -> None:
    stages = 1 + 3 * 2 + 4 + 5 * len(FEW) + 1  # check, data sets, layouts, runs, compare
    assert f"dvc.lock is current, in all {stages} stages." in check_lock(clone, status=0)
    assert not list(clone.glob("data/models/*.onnx"))


def test_an_edit_that_was_not_reproduced_is_named_with_the_remedy(clone: Path) -> None:
    replace(clone / "params.yaml", "C: 1.0", "C: 2.0")
    said = check_lock(clone, status=2)
    assert ": check, train@fashion_mnist-svc would run again" in said
    assert "run `dvc repro` and commit dvc.lock, metrics and plots" in said


def test_stages_are_named_where_dvc_itself_sees_no_error(clone: Path) -> None:
    with (clone / "stages" / "compare.py").open("a") as file:
        file.write("# edited\n")
    run("dvc", "repro", "--dry", "--allow-missing", cwd=clone, status=0)
    assert ": compare would run again" in check_lock(clone, status=2)


def test_several_stages_are_named(clone: Path) -> None:
    with (clone / "stages" / "evaluate.py").open("a") as file:
        file.write("# edited\n")
    said = check_lock(clone, status=2)
    assert "evaluate@fashion_mnist-svc, " in said
    assert "evaluate@cifar10-cnn" in said


@pytest.mark.parametrize(
    "name", ["stages/figures/style.py", "plots/fashion_mnist-svc/predictions.csv"]
)
def test_a_file_that_was_not_committed_is_named(clone: Path, name: str) -> None:
    run("git", "rm", "-q", name, cwd=clone)
    assert f"dvc.lock names {name}, which git does not have" in check_lock(clone, status=2)


def test_a_stage_of_another_pipeline_is_in_another_lock(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clone)
    assert absent_files(["data/dvc.yaml:fetch@cifar10", "load@cifar10"]) == []


def test_parameters_that_dvc_cannot_read_are_an_error(clone: Path) -> None:
    (clone / "params.yaml").write_text("models: [")
    said = check_lock(clone, status=2)
    assert ": error: params.yaml: line 1, column 10: not a valid YAML file (" in said


def test_a_removed_run_in_the_lock_is_ignored(project: Path) -> None:
    run_block = re.compile(r"^  fashion_mnist-decision_tree:\n(    .*\n)+", re.M)
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(run_block.sub("", text))
    left = ["metrics/{}.json", "metrics/profile/{}.json", "plots/{}", "data/models/{}.md"]
    names = [name.format("fashion_mnist-decision_tree") for name in left]
    run("git", "rm", "-qr", *names, cwd=project)
    run("dvc", "repro", "-q", cwd=project)
    assert "train@fashion_mnist-decision_tree" in (project / "dvc.lock").read_text()
    stages = len(read_lock(project)) - 5
    assert f"in all {stages} stages" in check_lock(project, status=0)
