"""The spread over seeds, measured with DVC's own queue."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import run
from scipy.stats import t

from tools.noise import compare

RUN = "fashion_mnist-tree"


def test_paired_by_seed_by_hand() -> None:
    # Gains 0.01, 0.02, 0.03: mean 0.02, deviation 0.01, so t = 0.02 / (0.01 / sqrt(3)) = 2 sqrt(3).
    said = compare([0.5, 0.6, 0.7], [0.51, 0.62, 0.73])
    p = 2 * t.sf(2 * 3**0.5, df=2)
    half = t.ppf(0.975, df=2) * 0.01 / 3**0.5
    assert f"difference +0.0200 (95% interval {0.02 - half:+.4f} to {0.02 + half:+.4f})" in said
    assert said.endswith(f"p {p:.4f}: no significant change")
    assert compare([0.5, 0.6, 0.7], [0.61, 0.70, 0.81]).endswith(": better")
    assert compare([0.61, 0.70, 0.81], [0.5, 0.6, 0.7]).endswith(": worse")
    assert compare([0.5, 0.5], [0.5, 0.5]) == "The difference is +0.0000 with every seed."


def test_two_recipes_are_compared_and_the_spread_is_quoted(revisions: Path, tmp_path: Path) -> None:
    project = shutil.copytree(revisions, tmp_path / "project")
    run("git", "checkout", "-q", "before", cwd=project)
    command = ["python", "-m", "tools.noise", RUN, "--seeds", "2", "--base", "after"]
    command += ["--jobs", "1"]
    said = run(*command, cwd=project).stdout
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in said.splitlines()[2:4]]
    assert [row[0] for row in rows] == ["100", "101"]
    scores = json.loads((project / f"metrics/{RUN}.json").read_text())["validation"]
    assert rows[0][1:] == ["0.2000", f"{scores['accuracy']:.4f}"]
    assert "the workspace: mean validation accuracy 0." in said
    assert "Paired by seed: difference +0." in said
    names = run("dvc", "exp", "list", "--name-only", cwd=project).stdout
    assert {f"noise-{RUN}-seed100", f"noise-{RUN}-seed101"} <= set(names.split())
    assert run("git", "status", "--porcelain", cwd=project).stdout == "?? docs/\n"

    report = run("python", "-m", "tools.review", "after", cwd=project).stdout
    assert f"Seed noise of `{RUN}`: mean validation accuracy 0." in report
    assert "over 2 seeds" in report
    assert "measured with the recipe after the change." in report


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["nothing"],
            "noise: error: the workspace has no run nothing; choose one of fashion_mnist-tree,",
        ),
        ([RUN, "--seeds", "1"], "Invalid value for '--seeds'"),
        ([RUN, "--base", "nowhere"], "nowhere: no such revision"),
    ],
)
def test_wrong_use(revisions: Path, arguments: list[str], message: str) -> None:
    assert message in run("python", "-m", "tools.noise", *arguments, cwd=revisions, status=2).stderr


def test_a_failure_is_told_and_leaves_an_empty_queue(revisions: Path, tmp_path: Path) -> None:
    project = shutil.copytree(revisions, tmp_path / "project")
    queued = ["dvc", "exp", "run", "--queue", "-n", "mine", "-S", "seed=-1", "check"]
    run(*queued, cwd=project)
    command = ["python", "-m", "tools.noise", RUN, "--seeds", "2"]
    assert "DVC's queue already holds mine" in run(*command, cwd=project, status=2).stderr
    run("dvc", "queue", "remove", "--queued", cwd=project)

    estimator = project / "stages/models/estimator.py"
    estimator.write_text("import nothing\n" + estimator.read_text())
    said = run(*command, cwd=project, status=2).stderr
    assert f"noise-{RUN}-seed100 failed" in said or f"noise-{RUN}-seed101 failed" in said
    assert "No module named 'nothing'" in said
    assert "Queued" not in run("dvc", "queue", "status", cwd=project).stdout
    assert not (project / "docs/noise").exists()
    workers = subprocess.run(["pgrep", "-f", str(project)], capture_output=True, check=False)
    assert workers.stdout == b""
