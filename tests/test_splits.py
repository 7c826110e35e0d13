"""Figures of validation and test images are never confused; what is said if none are held out."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import (
    ROOT,
    TREE,
    commit,
    edit,
    make_once,
    make_repro,
    of_scikit_learn,
    run,
)
from test_experiments import read_columns

from stages.sources import sheet
from tools import first_numbers
from tools.sample import write_sheet

APART, WITHOUT = "fashion_mnist-tree", "cifar10-tree"  # without validation images


@pytest.fixture(scope="session")
def apart(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose validation images are all mislabeled, one without any; not to be written to.

    Data sets with a validation split of their own are like the first.
    """

    def make_apart(project: Path) -> None:
        shutil.copytree(untrained, project)
        images, labels = sheet.read_files(sheet.find(ROOT / "data/sample/fashion_mnist")["train"])
        last = np.arange(len(labels) - 100, len(labels))
        toy = project / "data" / "toy" / "fashion_mnist"
        write_sheet(toy, "validation", images[last], (labels[last] + 1) % 10)
        data = edit(project)["data"]
        for dataset in data.values():
            dataset["validation_fraction"] = 0
        models = {
            APART: of_scikit_learn(TREE),
            WITHOUT: of_scikit_learn(TREE, dataset="cifar10"),
        }
        edit(project, data=data, models=models)
        commit(project, "deep")
        edit(project, models={run: add_depth(block) for run, block in models.items()})
        commit(project, "shallow")
        run("git", "checkout", "-q", "-b", "work", "deep", cwd=project)
        run("dvc", "checkout", "-q", cwd=project)
        settings = [f"models.{run}.params.max_depth=5" for run in models]
        command = ["dvc", "exp", "run", "--temp", "--name", "mine"]
        options = [part for setting in settings for part in ("-S", f"+{setting}")]
        run(*command, *options, *(f"evaluate@{run}" for run in models), cwd=project)

    return make_once(tmp_path_factory, "apart", make_apart)


def add_depth(block: dict[str, Any]) -> dict[str, Any]:
    return block | {"params": block["params"] | {"max_depth": 3}}


def read_scores(project: Path, name: str, revision: str = "HEAD") -> Any:
    text = run("git", "show", f"{revision}:metrics/{name}.json", cwd=project).stdout
    return json.loads(text)


def accuracies(project: Path, name: str, revision: str = "HEAD") -> dict[str, str]:
    """The accuracy on each split, as tables show it."""
    splits = read_scores(project, name, revision)
    return {split: f"{scores['accuracy']:.4f}" for split, scores in splits.items()}


def read_table(text: str) -> list[dict[str, str]]:
    """The rows of a Markdown table, by the titles of the columns."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    titles, _, *rows = ([cell.strip() for cell in line[1:-1].split("|")] for line in lines)
    return [dict(zip(titles, row, strict=True)) for row in rows]


def test_the_splits_are_apart(apart: Path) -> None:
    splits = read_scores(apart, APART)
    assert splits["validation"]["images"] == 100
    assert splits["test"]["images"] == 150
    assert splits["test"]["accuracy"] - splits["validation"]["accuracy"] > 0.1
    assert splits["test"].keys() - splits["validation"].keys() == {
        "near_duplicates",
        "accuracy_without_near_duplicates",
    }
    assert read_scores(apart, WITHOUT).keys() == {"test"}
    answers = apart / "data/validation"
    labels, predicted = (
        np.load(answers / APART / f"{name}.npy") for name in ("labels", "predicted")
    )
    assert (labels == predicted).mean() == splits["validation"]["accuracy"]
    assert len(np.load(answers / WITHOUT / "labels.npy")) == 0


ACCURACY = "test accuracy (95% interval)"


def test_results(apart: Path) -> None:
    said = run("python", "-m", "tools.results", cwd=apart).stdout
    of_run = {row["run"].strip("`"): row for row in read_table(said)}
    expected = accuracies(apart, APART)
    assert of_run[APART]["validation accuracy"] == expected["validation"]
    assert of_run[APART][ACCURACY].split(" (")[0] == expected["test"]
    assert of_run[WITHOUT]["validation accuracy"] == "none held out"
    assert of_run[WITHOUT][ACCURACY].split(" (")[0] == accuracies(apart, WITHOUT)["test"]
    others = of_run[APART].keys() - {"run", "validation accuracy"}
    assert all(title.startswith("test ") for title in others)
    assert said.count("\nnone held out: no figure to choose by; set validation_fraction of ") == 1


def test_experiments(apart: Path) -> None:
    for options in ([], ["--test"]):
        said = run("python", "-m", "tools.experiments", *options, cwd=apart).stdout
        rows = {(row["run"], row["experiment"]): row for row in read_columns(said)}
        assert len(rows) == 4
        exp = run("git", "for-each-ref", "--format=%(refname)", "refs/exps", cwd=apart).stdout
        for name, revision in (("work", "HEAD"), ("mine", exp.split()[0])):
            expected = accuracies(apart, APART, revision)
            row = rows[APART, name]
            assert row["validation accuracy"].split()[0] == expected["validation"]
            assert row.get("test accuracy", "").split()[:1] == [expected["test"]][: len(options)]
            assert rows[WITHOUT, name]["validation accuracy"] == "none held out"
            assert rows[WITHOUT, name]["best"] == rows[WITHOUT, name]["change"] == ""
        assert rows[APART, "mine"]["parameters"].startswith("max_depth=5")
        assert "none held out: no figure to choose by; set validation_fraction of" in said
        assert ("test" in said.splitlines()[0]) == bool(options)
        if not options:
            assert expected["test"] not in said


def test_review(apart: Path, tmp_path: Path) -> None:
    command = ["python", "-m", "tools.review", "deep", "shallow", "--out", str(tmp_path / "out")]
    said = run(*command, cwd=apart, status=None).stdout
    before, after = (accuracies(apart, APART, revision) for revision in ("deep", "shallow"))
    of_run = {row["run"].strip("`"): row for row in read_table(said.partition("\n###")[0])}
    row = of_run[APART]
    assert row["validation"] == f"{before['validation']} → {after['validation']}"
    assert (row["test before"], row["test after"]) == (before["test"], after["test"])
    assert of_run[WITHOUT]["validation"] == "none → none"
    assert "no images are held out, so there is no figure to choose by" in " ".join(said.split())
    assert before["validation"] not in said.replace(row["validation"], "")


def test_a_review_of_a_revision_without_splits(apart: Path, tmp_path: Path) -> None:
    """Until November 2026 `metrics/RUN.json` had the figures on the test images alone."""
    project = shutil.copytree(apart, tmp_path / "project")
    path = project / f"metrics/{APART}.json"
    scores = read_scores(project, APART)
    old = {key: value for key, value in scores["test"].items() if key != "images"}
    path.write_text(json.dumps(old | {"test_images": scores["test"]["images"]}))
    run("git", "commit", "-qam", "without splits", cwd=project)
    command = ["python", "-m", "tools.review", "HEAD", "shallow", "--out", str(tmp_path / "out")]
    said = run(*command, cwd=project, status=None).stdout
    row = {row["run"].strip("`"): row for row in read_table(said.partition("\n###")[0])}[APART]
    after = accuracies(project, APART, "shallow")
    assert row["validation"] == f"none → {after['validation']}"
    assert (row["test before"], row["test after"]) == (
        f"{scores['test']['accuracy']:.4f}",
        after["test"],
    )


def test_the_page_of_all_runs(apart: Path) -> None:
    page = (apart / "plots/README.md").read_text()
    expected = accuracies(apart, APART)
    (best,) = re.findall(r"^\| fashion_mnist \| (.*) \|$", page, re.M)
    shown = f"`{APART}` validation {expected['validation']}, test {expected['test']}"
    assert set(best.split(" | ")) == {shown}
    (without,) = re.findall(r"^\| cifar10 \| (.*) \|$", page, re.M)
    assert set(without.split(" | ")) == {"none held out"}
    assert page.count("so there is no figure to choose by") == 1
    _, _, of_runs = page.partition("and its accuracy on the test images:")
    assert f"({APART}/pictures/README.md): {expected['test']}" in of_runs
    assert expected["validation"] not in of_runs


def test_the_committed_accuracies_are_compared_on_test_images(apart: Path, tmp_path: Path) -> None:
    project = shutil.copytree(apart, tmp_path / "project")
    command = ["python", "-m", "tools.ci.verify_accuracies"]
    assert run(*command, cwd=project).stdout == ""
    scores = read_scores(project, APART)
    content = scores | {"test": scores["validation"]}
    (project / f"metrics/{APART}.json").write_text(json.dumps(content))
    run("git", "commit", "-qam", "confused", cwd=project)
    said = run(*command, cwd=project, status=1).stdout
    assert f"`{APART}`: test accuracy {scores['test']['accuracy']:.4f}, committed " in said


def test_the_first_numbers_are_about_test_images(
    apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(apart)
    monkeypatch.setattr(first_numbers, "PUBLISHED", {APART: 1.0, WITHOUT: 1.0})
    expected = {name: read_scores(apart, name)["test"]["accuracy"] for name in (APART, WITHOUT)}
    assert first_numbers.read_accuracies("deep") == expected


def test_dvc_shows_both(apart: Path) -> None:
    scores = {name: read_scores(apart, name) for name in (APART, WITHOUT)}
    shown = json.loads(run("dvc", "metrics", "show", "--json", cwd=apart).stdout)
    (files,) = (one["data"] for one in shown.values())
    assert {Path(path).stem: one["data"] for path, one in files.items()} == scores
    changes = run("dvc", "metrics", "diff", "--md", "deep", "shallow", cwd=apart).stdout
    after = read_scores(apart, APART, "shallow")
    of_metric = {(row["Path"], row["Metric"]): row for row in read_table(changes)}
    for split in ("validation", "test"):
        row = of_metric[f"metrics/{APART}.json", f"{split}.accuracy"]
        assert float(row["deep"]) == pytest.approx(scores[APART][split]["accuracy"], abs=1e-5)
        assert float(row["shallow"]) == pytest.approx(after[split]["accuracy"], abs=1e-5)


def test_nothing_held_out_at_all(apart: Path, tmp_path: Path) -> None:
    """The tables are as before, without a figure to choose by."""
    project = shutil.copytree(apart, tmp_path / "project")
    models = edit(project)["models"]
    edit(project, models={WITHOUT: models[WITHOUT]})
    for path in ("metrics/{}.json", "metrics/profile/{}.json", "plots/{}", "data/models/{}.md"):
        run("git", "rm", "-rq", path.format(APART), cwd=project)
    make_repro(project)
    run("git", "add", "-A", cwd=project)
    run("git", "commit", "-qm", "one", cwd=project)
    command = ["dvc", "exp", "run", "--name", "one", "-S", f"+models.{WITHOUT}.params.max_depth=2"]
    run(*command, f"evaluate@{WITHOUT}", cwd=project)
    run("git", "checkout", "-q", ".", cwd=project)
    for options in ([], ["macro_f1"]):
        said = run("python", "-m", "tools.experiments", *options, cwd=project).stdout
        rows = read_columns(said)
        assert {row["experiment"] for row in rows} == {"one", "work"}
        title = f"validation {(options or ['accuracy'])[0]}"
        assert {row[title] for row in rows} == {"none held out"}
        assert said.count("\nnone held out: no figure to choose by") == 1
    assert "best:" not in said
    noise = ["python", "-m", "tools.noise", WITHOUT, "--seeds", "2"]
    (line,) = run(*noise, cwd=project, status=2).stderr.splitlines()[-1:]
    assert "error: " in line
    assert "no validation images" in line
    assert "set validation_fraction of the data set" in line
    assert not list((project / "docs/noise").glob("*.json"))
    page = (project / "plots/README.md").read_text()
    assert page.count("so there is no figure to choose by") == 1
