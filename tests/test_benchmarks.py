"""The benchmarks measure what they claim to; no test measures speed."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from conftest import BIN, ROOT, TREE, edit, of_scikit_learn, run
from PIL import Image

from benchmarks import loop, measure, pipeline, sizes
from benchmarks.growth import draw_growth
from benchmarks.loop_table import show_loop
from benchmarks.page import show_machine
from stages.runtime.errors import InputError
from stages.sources import sheet
from tools.first_numbers import write_csv
from tools.sample import first_of_each_class

NAME = "fashion_mnist-decision_tree"
HOLD = "import time; held = bytearray(200_000_000); time.sleep(1)"
START = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLD!r}])"

BURN = "import time\nwhile time.process_time() < 0.5: pass"
BURN_TWICE = f"for _ in range(2): subprocess.Popen([sys.executable, '-IS', '-c', {BURN!r}])"
TREES = {  # of processes, two of which burn half a second each; nobody waits for these two
    "ends first": BURN_TWICE,
    "ends last": f"{BURN_TWICE}\ntime.sleep(1.5)",
    "forks twice": f"if os.fork() == 0:\n  os.setsid()\n  if os.fork() == 0:\n    {BURN_TWICE}",
}


def test_a_child_of_a_child_counts(tmp_path: Path) -> None:
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {START!r}]); print(1)"
    measured = measure.measure([sys.executable, "-c", start], tmp_path)
    assert 1 < measured.seconds < 10
    assert measured.peak_mb
    assert 200 < measured.peak_mb < 300
    assert measured.output == "1\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has child subreapers")
@pytest.mark.parametrize("tree", TREES)
def test_cpu_seconds_are_those_of_all_processes(tmp_path: Path, tree: str) -> None:
    between = f"import os, subprocess, sys, time\n{TREES[tree]}"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-IS', '-c', {between!r}])"
    command: list[str | Path] = [sys.executable, "-IS", "-c", code]
    measured = measure.measure(command, tmp_path, watch_memory=False)
    assert 1 <= measured.cpu_seconds < 1.2  # four interpreters start
    assert measured.numbers().keys() == {"seconds", "cpu_seconds"}


def test_a_process_left_behind_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "PATIENCE", 0.2)
    with pytest.raises(InputError, match=r"`sh -c .* left a process running"):
        measure.measure(["sh", "-c", "sleep 2 &"], tmp_path)


def test_a_failing_command_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"failed: .*ZeroDivisionError"):
        measure.measure([sys.executable, "-c", "1 / 0"], tmp_path)


def test_each_goal_is_met_or_missed() -> None:
    def took(seconds: float, **beyond: float) -> dict[str, float]:
        return {"calls": 3, "stages": 6, "seconds": seconds, "cpu_seconds": 8.123} | beyond

    edit = {
        "parameter": "C",
        loop.MAKE: took(7, beyond_seconds=5.0, beyond_cpu_seconds=6.01),
        loop.DVC: took(12, beyond_seconds=9.01, beyond_cpu_seconds=9),
    }
    no_op = {loop.MAKE: took(1.5), loop.DVC: took(1.0), loop.ONE_STAGE: took(0.5)}
    cold = took(15.1) | {"stages": {"check": 1.0}, "peak_mb": 3010.0}
    results = {"data": "sample", "machine": {"cores": 2}, "cold": cold}
    results |= {"alone": {"a-svc": took(8), "a-tree": took(12)}}
    table = show_loop(results | {"loop": {"edits": {"a-svc": edit}, "no_op": no_op}})
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    counts_and_times = ["3", "6", "7.00", "8.12", "5.00", "6.01"]
    assert rows[2][:-1] == ["edit `a-svc`: C", "make repro", *counts_and_times]
    assert [(row[1], row[-1]) for row in rows] == [
        (
            "make repro",
            "1.51 times the limit, at most 1.5: **missed**, 3.01 GB, at most 3 GB: **missed**",
        ),
        ("each training alone", "the limit: / 2 cores = 10.0 s"),
        ("make repro", "at most 5 s: met, at most 6 CPU s: **missed**"),
        ("dvc repro", "at most 9 s: **missed**"),
        ("make repro", "under 1.5 s: **missed**"),
        ("dvc repro", "2.00 times one stage, at most 2.0: met"),
        ("dvc repro of one stage", ""),
    ]


def test_a_machine_that_was_not_idle_is_told() -> None:
    machine = {"cores": 2, "processor": "A", "python": "3.11.7", "load": 0.5}
    assert "not idle" not in show_machine(machine)
    assert "not idle" in show_machine(machine | {"load": 0.51})


def test_a_plain_script(tmp_path: Path) -> None:
    for split, images_per_class in {"train": 40, "test": 15}.items():
        images, labels = sheet.read_files(sheet.find(ROOT / "data/sample/fashion_mnist")[split])
        chosen = first_of_each_class(labels, images_per_class)
        write_csv(tmp_path, split, images[chosen], labels[chosen])
    python = BIN / "python"  # not forked: it times its imports
    said = run(python, "-m", "benchmarks.plain", NAME, tmp_path, cwd=ROOT).stdout
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
    monkeypatch.setattr(loop, "EDIT_CALLS", 1)
    monkeypatch.setattr(loop, "NO_OP_CALLS", 1)
    pipeline.main(full=True)

    results = json.loads((project / "benchmarks/results/full.json").read_text())
    measured = results["runs"][NAME]
    assert {"check", f"train@{NAME}", "compare"} <= set(results["cold"]["stages"])
    assert measured["plain"]["accuracy"] == pytest.approx(measured["accuracy"], abs=0.2)
    edit_took, no_op = results["loop"]["edits"][NAME], results["loop"]["no_op"]
    assert (edit_took["parameter"], edit_took["values"]) == ("min_samples_leaf", [2, 3])
    for name in (loop.MAKE, loop.DVC):
        took = edit_took[name]
        assert took["stages"] == 7  # check, train, evaluate, profile, plot, card, compare
        assert 0 < took["fit_seconds"] < took["seconds"]
        assert took["beyond_seconds"] == pytest.approx(took["seconds"] - took["fit_seconds"])
        assert no_op[name]["stages"] == 0
    assert no_op[loop.ONE_STAGE]["cpu_seconds"] > 0
    assert [point["images"] for point in results["growth"][NAME]] == [200, 400]
    said = (project / "benchmarks/results/full.md").read_text()
    assert said.count(f"`{NAME}`") == 5  # plain script, two edits, two points
    assert str(tmp_path) not in said
    with Image.open(project / "benchmarks/results/growth.png") as picture:
        assert picture.height == 600
    # the workspace is as it was
    changed = run("git", "status", "--porcelain", "--ignored", cwd=project).stdout.splitlines()
    assert changed
    assert all("benchmarks/results/" in line for line in changed)
