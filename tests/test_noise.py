"""The spread over seeds, measured with DVC's own queue."""

import json
import shutil
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
    said = run(*command, cwd=project).stdout
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in said.splitlines()[2:4]]
    assert [row[0] for row in rows] == ["100", "101"]
    recorded = run("git", "show", f"after:metrics/{RUN}.json", cwd=project).stdout
    scores = [json.loads(recorded), json.loads((project / f"metrics/{RUN}.json").read_text())]
    assert rows[0][1:] == [f"{one['validation']['accuracy']:.4f}" for one in scores]
    assert "the workspace: mean validation accuracy 0." in said
    assert "Paired by seed: difference +0." in said
    assert run("git", "status", "--porcelain", cwd=project).stdout == f"?? docs/noise/{RUN}.json\n"
    made = (project / "logs/trials.jsonl").read_text().splitlines()
    states = [json.loads(row)["state"] for row in made]
    assert states == ["from the cache", "ran"]  # `make repro` has trained the first seed

    report = run("python", "-m", "tools.review", "after", cwd=project).stdout
    assert f"Seed noise of `{RUN}`: mean validation accuracy 0." in report
    assert "over 2 seeds" in report
    assert "measured with the recipe after the change." in report
    assert run(*command, cwd=project).stdout == said
    assert (project / "logs/trials.jsonl").read_text().splitlines() == made


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


def test_a_failure_is_told_and_nothing_is_written(revisions: Path, tmp_path: Path) -> None:
    project = shutil.copytree(revisions, tmp_path / "project")
    estimator = project / "stages/models/estimator.py"
    estimator.write_text("import nothing\n" + estimator.read_text())
    command = ["python", "-m", "tools.noise", RUN, "--seeds", "2"]
    said = run(*command, cwd=project, status=2).stderr
    assert "the workspace: seed 100 failed: " in said
    assert "nothing" in said
    assert not list((project / "docs/noise").glob("*.json"))
