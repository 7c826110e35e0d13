"""How many models were scored on the same test images, and what choosing among them does."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, read_lock, run

from tools.revisions.looks import count_looks, describe_looks, expect_optimism, list_looks
from tools.revisions.markdown import write_part
from tools.revisions.revision import open_revision
from tools.revisions.scored import read_scored

TREE = "fashion_mnist-tree"
RUNS, EXPERIMENTS = Path(".dvc/cache/runs"), Path(".git/refs/exps")


@pytest.mark.parametrize(
    ("models", "expected"), [(1, 0.0), (2, 1 / np.sqrt(np.pi)), (10, 1.53875), (100, 2.50759)]
)
def test_many_images_give_the_order_statistics_of_the_normal_distribution(
    models: int, expected: float
) -> None:
    """Tables of these: Harter 1961, doi:10.1093/biomet/48.1-2.151."""
    images = 200_000
    error = np.sqrt(0.5 * 0.5 / images)
    assert expect_optimism(models, images, 0.5) / error == pytest.approx(expected, abs=1e-5)


@pytest.mark.slow  # thousands of models
@pytest.mark.parametrize("accuracy", [0.15, 0.86, 0.995])
def test_the_best_of_many_equal_models_is_too_good_by_what_is_expected(accuracy: float) -> None:
    images, models = 300, 20
    hits = np.random.default_rng(0).binomial(images, accuracy, (100_000, models))
    excess = hits.max(axis=1).mean() / images - accuracy
    was = (accuracy * (images + 2) - 1) / images  # Laplace's estimate is then `accuracy`
    assert expect_optimism(models, images, was) == pytest.approx(excess, rel=0.01)
    # Models that err on the same images, as those of one run do, exceed it by less.
    shared = np.random.default_rng(1).binomial(images // 2, accuracy, (100_000, 1))
    own = np.random.default_rng(2).binomial(images - images // 2, accuracy, (100_000, models))
    alike = (shared + own).max(axis=1).mean() / images - accuracy
    assert 0 < alike < 0.9 * excess
    assert expect_optimism(models, images, 1.0) > 0


def test_the_table_of_the_page_is_what_is_expected() -> None:
    page = (ROOT / "docs" / "test_set.md").read_text(encoding="utf-8")
    rows = re.findall(r"(?m)^\| (\d[\d,]+) \| (.*) \|$", page)
    assert len(rows) == 3
    for images, cells in rows:
        expected = [
            expect_optimism(models, int(images.replace(",", "")), 0.86)
            for models in (2, 3, 10, 30, 100)
        ]
        assert cells.split(" | ") == [f"{100 * points:.1f}" for points in expected]


@pytest.fixture
def project(revisions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the repository with four revisions, which is the current folder."""
    folder = shutil.copytree(revisions, tmp_path / "project")
    monkeypatch.chdir(folder)
    return folder


def count(name: str, revision: str = "") -> tuple[int, int, int]:
    """Models, images and unknown records of a run."""
    with open_revision(revision) as opened:
        return count_looks(read_scored(), opened, name)[1:4]


def test_history_experiments_and_the_run_cache_are_counted(project: Path) -> None:
    assert count(TREE) == (2, 150, 0)  # four commits: one model is in three of them
    assert count("fashion_mnist-added") == (1, 150, 0)
    assert count("cifar10-tree", "before")[:2] == (2, 150)  # one has another class name
    assert count("cifar10-tree") == (1, 140, 0)  # others were scored on other test images

    # Normalized in another way, `evaluate` reads other bytes of the same images.
    setting = ["-S", "normalize.method=standardize", "-S", f"models.{TREE}.params.max_depth=3"]
    run("dvc", "exp", "run", "--name", "deeper", *setting, f"evaluate@{TREE}", cwd=project)
    model = read_lock(project)[f"train@{TREE}"]["outs"][0]["md5"]
    run("git", "checkout", ".", cwd=project)
    assert count(TREE) == (3, 150, 0)
    EXPERIMENTS.rename("experiments")
    assert count(TREE) == (3, 150, 0)  # by the run cache, which has the way from the raw images
    RUNS.rename("runs")
    assert count(TREE) == (2, 150, 0)
    Path("experiments").rename(EXPERIMENTS)
    assert count(TREE) == (3, 150, 0)  # by the experiment, which has an audit
    shutil.rmtree(EXPERIMENTS)

    # What the record of a score does not tell is not guessed.
    Path("runs").rename(RUNS)
    Path(".dvc/cache/files/md5").rename("objects")
    assert count(TREE) == (2, 150, 1)
    of_model = (path for path in RUNS.glob("*/*/*") if model in path.read_text())
    (record,) = (path for path in of_model if "stages.evaluate" in path.read_text())
    record.write_bytes(record.read_bytes()[:100])
    assert count(TREE) == (2, 150, 1)
    assert "Not counted: 1 record that cannot be read" in describe_looks(TREE)


def test_what_counts_as_a_model_and_what_is_said(project: Path) -> None:
    score = read_lock(project)[f"evaluate@{TREE}"]
    files = {entry["path"]: entry["md5"] for entry in (*score["deps"], *score["outs"])}
    model, predictions = files[f"data/models/{TREE}.onnx"], files[f"plots/{TREE}/predictions.csv"]
    # Another file with the same predictions, then others, on branches that a merge has forgotten.
    for number, old in enumerate([model, predictions, predictions]):
        replace_all(Path("dvc.lock"), {model: f"{number}" * 32, old: f"{number + 5}" * 32})
        run("git", "checkout", "-qb", "side", cwd=project)
        run("git", "commit", "-qam", "side", cwd=project)
        run("git", "checkout", "-q", "main", cwd=project)
        run("git", "merge", "-q", "-s", "ours", "-m", "none of it", "side", cwd=project)
        run("git", "branch", "-D", "side", cwd=project)
        assert count(TREE) == (2 + number, 150, 0)
    replace_all(Path("dvc.lock"), {f"data/models/{TREE}.onnx": "data/models/gone.onnx"})
    run("git", "commit", "-qam", "unreadable", cwd=project)
    run("git", "checkout", "-q", "HEAD~", "--", "dvc.lock", cwd=project)
    run("git", "commit", "-qm", "readable", cwd=project)

    with open_revision("after") as after:
        listed = list_looks(after, [TREE, "fashion_mnist-forest", "fashion_mnist-stump"])
    points = np.ceil(1000 * expect_optimism(4, 150, 0.2)) / 10
    said = (
        f"At least 4 models of `{TREE}` have been scored on these 150 test images; if one was "
        f"chosen by that score, it is on average up to {points} points too good."
    )
    assert "\n\n".join(map(write_part, listed)) == (
        "Looks at the test images, as git history, experiments and the run cache tell "
        f"(docs/test_set.md):\n\n- {said}\n"
        "- `fashion_mnist-stump`: not known (after has no score of it; run `dvc repro` there).\n"
        "- 2 models of `fashion_mnist-forest`.\n"
        "- Not counted: 1 record that cannot be read, or of unknown test images."
    ).replace("(after", f"({after.name}")
    assert describe_looks(TREE).startswith(said + " This is what git history")

    clone = project.parent / "clone"
    run("git", "clone", "-q", "--depth", "1", f"file://{project}", clone, cwd=project)
    os.chdir(clone)
    assert describe_looks(TREE).startswith(f"One model of `{TREE}` is known to have been scored ")
    assert describe_looks(TREE).endswith("Not counted: the commits that this shallow clone lacks.")
    assert describe_looks("none").startswith("How many models of `none` were scored ")


def test_an_audit_of_images_that_were_not_scored_yet_is_no_evidence(project: Path) -> None:
    """The data are other ones, and of many runs not all are scored again before a commit."""
    score = read_lock(project)[f"evaluate@{TREE}"]
    (test,) = (dep["md5"] for dep in score["deps"] if dep["path"].endswith("/test"))
    audit = Path("data/audit/fashion_mnist.json")
    images = json.loads(audit.read_text())["test"]["sha256"]
    replace_all(audit, {images: "f" * 64})
    with Path("dvc.lock").open("a") as lock:
        lock.write("# another stage has run\n")
    run("git", "commit", "-qam", "other images", cwd=project)
    assert count(TREE) == (2, 150, 0)
    replace_all(Path("dvc.lock"), {test: f"{'0' * 32}.dir"})
    run("git", "commit", "-qam", "scored", cwd=project)
    assert count(TREE) == (1, 150, 0)


def replace_all(path: Path, changes: dict[str, str]) -> None:
    text = path.read_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
