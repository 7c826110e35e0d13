"""The benchmarks measure what they claim to; no test measures speed."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from conftest import ROOT, TREE, edit, of_scikit_learn, run
from PIL import Image

from benchmarks import pipeline, sizes
from benchmarks.growth import draw_growth
from benchmarks.measure import measure
from stages.runtime.errors import InputError
from stages.sources import sheet
from tools.first_numbers import write_csv
from tools.sample import first_of_each_class

NAME = "fashion_mnist-decision_tree"
HOLD = "import time; held = bytearray(200_000_000); time.sleep(1)"
START = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLD!r}])"


def test_a_child_of_a_child_counts(tmp_path: Path) -> None:
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {START!r}]); print(1)"
    measured = measure([sys.executable, "-c", start], tmp_path)
    assert 1 < measured.seconds < 10
    assert 200 < measured.peak_mb < 300
    assert measured.output == "1\n"


def test_a_failing_command_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"failed: .*ZeroDivisionError"):
        measure([sys.executable, "-c", "1 / 0"], tmp_path)


def test_a_plain_script(tmp_path: Path) -> None:
    for split, images_per_class in {"train": 40, "test": 15}.items():
        images, labels = sheet.read(ROOT / "data/sample/fashion_mnist", split, [])
        chosen = first_of_each_class(labels, images_per_class)
        write_csv(tmp_path, split, images[chosen], labels[chosen])
    said = run("python", "-m", "benchmarks.plain", NAME, tmp_path, cwd=ROOT).stdout
    told = json.loads(said.splitlines()[-1])
    steps = [f"{step}_seconds" for step in ("import", "read", "fit", "predict")]
    assert list(told) == [*steps, "accuracy"]
    assert all(told[step] > 0 for step in steps)
    assert 0.4 < told["accuracy"] < 0.9


def test_growth_is_drawn(tmp_path: Path) -> None:
    points = [
        {
            "images": images,
            "plain_seconds": images / 100,
            "plain_mb": images / 20,
            "pipeline_seconds": images / 300,
            "pipeline_mb": images / 50,
        }
        for images in (2_500, 5_000, 10_000, 20_000, 60_000)
    ]
    draw_growth(dict.fromkeys(["a-mlp", "a-random_forest", "b-cnn"], points), tmp_path / "a.png")
    draw_growth(dict.fromkeys(["a-mlp", "a-random_forest", "b-cnn"], points), tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width > 2 * 300


def test_all_of_it_on_one_tree(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = shutil.copytree(untrained, tmp_path / "project")
    data = edit(project)["data"]
    edit(
        project, models={NAME: of_scikit_learn(TREE)}, data={"fashion_mnist": data["fashion_mnist"]}
    )
    run("git", "commit", "-qam", "one tree", cwd=project)
    monkeypatch.chdir(project)
    monkeypatch.setattr("benchmarks.clone.bring_full_data", lambda folder: None)
    monkeypatch.setattr(sizes, "SIZES", (200,))
    monkeypatch.setattr(pipeline, "TIMES", 1)
    pipeline.main(full=True)

    results = json.loads((project / "benchmarks/results/full.json").read_text())
    measured = results["runs"][NAME]
    assert {"check", f"train@{NAME}", "compare"} <= set(results["cold"]["stages"])
    assert measured["edit"] == "min_samples_leaf: 2"
    assert measured["plain"]["accuracy"] == pytest.approx(measured["accuracy"], abs=0.2)
    assert measured["edited"]["stages"] == 6  # check, train, evaluate, profile, plot, compare
    assert measured["bare"]["seconds"] > 0
    assert results["no_op"]["dvc repro"] > 0
    assert [point["images"] for point in results["growth"][NAME]] == [200, 400]
    said = (project / "benchmarks/results/full.md").read_text()
    assert said.count(f"| `{NAME}`") == 4
    assert str(tmp_path) not in said
    with Image.open(project / "benchmarks/results/growth.png") as picture:
        assert picture.height == 600
    # the workspace is as it was
    changed = run("git", "status", "--porcelain", "--ignored", cwd=project).stdout.splitlines()
    assert changed
    assert all("benchmarks/results/" in line for line in changed)
