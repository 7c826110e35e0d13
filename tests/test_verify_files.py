"""What has changed while its time has not is found and mended."""

import os
from pathlib import Path

import pytest
from conftest import make_repro, replace, run
from test_pull import MODEL, damage, find_object, oid_of

STAGE, NAME = MODEL
METRICS = "metrics/fashion_mnist-svc.json"


def flip(path: Path) -> None:
    """Flips a bit of a file in place: also in DVC's cache, where it is linked to."""
    damage(path)


def verify(project: Path, *options: str, status: int = 0) -> str:
    return run("python", "-m", "tools.verify_files", *options, cwd=project, status=status).stdout


@pytest.fixture
def linked(project: Path) -> Path:
    """A project whose files are links into DVC's cache, as DVC makes them."""
    for path in project.glob("data/models/*.onnx"):
        path.unlink()
    run("dvc", "checkout", cwd=project)
    return project


def test_all_is_well(linked: Path) -> None:
    said = verify(linked)
    assert said.endswith(": 0 changed, 0 damaged in DVC's cache\n")
    assert make_repro(linked) == {}


def test_a_flipped_bit_is_told_and_mended_by_running_again(linked: Path) -> None:
    good = (linked / NAME).read_bytes()
    assert os.path.samefile(
        linked / NAME, find_object(linked / ".dvc/cache", oid_of(linked, *MODEL))
    )
    flip(linked / NAME)
    assert make_repro(linked) == {}  # it does not notice
    flip(linked / METRICS)
    said = verify(linked, "--dry-run", status=1)
    assert f"{NAME}: its content is not what dvc.lock names\n" in said
    assert f"{NAME}: its copy in DVC's cache is damaged\n" in said
    assert f"{METRICS}: its content is not what dvc.lock names\n" in said
    assert (linked / NAME).read_bytes() != good

    said = verify(linked)
    assert f"made again: what {STAGE}, evaluate@fashion_mnist-svc wrote" in said
    assert (linked / NAME).read_bytes() == good
    assert run("git", "status", "--porcelain", cwd=linked).stdout == ""
    assert verify(linked).endswith(": 0 changed, 0 damaged in DVC's cache\n")


def test_the_remote_has_what_the_cache_has_lost(linked: Path) -> None:
    run("dvc", "remote", "add", "--local", "-d", "shelf", linked.parent / "shelf", cwd=linked)
    run("dvc", "push", "-q", cwd=linked)
    good = (linked / NAME).read_bytes()
    flip(linked / NAME)
    assert "made again" not in verify(linked)
    assert (linked / NAME).read_bytes() == good
    assert make_repro(linked) == {}


def test_a_copy_in_the_workspace_mends_the_cache_and_the_other_way_round(linked: Path) -> None:
    good = (linked / NAME).read_bytes()
    folder = "data/raw/fashion_mnist/test"
    for name in (NAME, f"{folder}/labels.npy"):  # a copy of its own
        content = (linked / name).read_bytes()
        (linked / name).unlink()
        (linked / name).write_bytes(content)
    flip(find_object(linked / ".dvc/cache", oid_of(linked, *MODEL)))
    flip(linked / folder / "labels.npy")
    said = verify(linked)
    assert f"{NAME}: its copy in DVC's cache is damaged\n" in said
    assert "data/raw/fashion_mnist: its content is not what dvc.lock names" in said
    assert "made again" not in said
    assert find_object(linked / ".dvc/cache", oid_of(linked, *MODEL)).read_bytes() == good
    assert verify(linked).endswith(": 0 changed, 0 damaged in DVC's cache\n")


def test_what_no_stage_of_the_pipeline_uses_is_left_alone(linked: Path) -> None:
    assert "data/full/cifar10" in (linked / "data/dvc.lock").read_text()
    other = linked / "data/full/cifar10/a.txt"
    other.parent.mkdir(parents=True)
    other.write_text("mine")
    assert verify(linked).endswith(": 0 changed, 0 damaged in DVC's cache\n")
    assert other.read_text() == "mine"


def test_a_damaged_object_is_not_taken_from_the_cache(linked: Path) -> None:
    good = (linked / NAME).read_bytes()
    flip(linked / NAME)
    (linked / NAME).unlink()
    assert make_repro(linked) == {STAGE: "ran"}
    assert (linked / NAME).read_bytes() == good


def test_a_damaged_model_is_not_evaluated_nor_used(linked: Path) -> None:
    flip(linked / NAME)
    with (linked / "stages/evaluate.py").open("a") as file:
        file.write("# a comment\n")
    run("python", "-m", "tools.repro", cwd=linked, status=1)
    log = run("python", "-m", "tools.repro", cwd=linked, status=1).stdout
    assert f"{NAME} has other content than when it was recorded; run `make verify-files`" in log
    said = run("dvc", "repro", f"evaluate@{Path(NAME).stem}", cwd=linked, status=255).stderr
    assert f"evaluate: error: {NAME}: not the one that dvc.lock names" in said
    said = run("python", "-m", "tools.predict", NAME, "data/toy", cwd=linked, status=2).stderr
    assert f"{NAME}: not the one that dvc.lock names" in said


def test_a_lock_that_is_damaged_is_one_line(linked: Path) -> None:
    replace(linked / "dvc.lock", "schema: '2.0'", "schema: '2.0'\n  a: [")
    said = run("python", "-m", "tools.predict", NAME, "data/toy", cwd=linked, status=2).stderr
    assert said.startswith(
        "predict: error: dvc.lock: line 2, column 3: not a valid lock file of DVC ("
    )
    assert said.endswith("; run `make repro`, which restores it\n")
