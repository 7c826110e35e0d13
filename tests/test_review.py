"""Comparisons of real revisions of a toy pipeline: reports as in tests/golden, and exit codes.

After an intended change of the report: `pytest tests/test_review.py --update-golden`.
"""

import json
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest
from conftest import ROOT, edit, make_repro, run
from markdown_it import MarkdownIt

from stages.runtime.errors import InputError
from tools.review import require_replaceable
from tools.revisions.changed_pictures import ChangedPicture, show_pictures
from tools.revisions.definitions import require_blocks
from tools.revisions.recorded import parse_json
from tools.revisions.revision import Revision, open_revision, recipe_of

GOLDEN = ROOT / "tests" / "golden"


def review(project: Path, *arguments: str, status: int = 0) -> str:
    """The report that a review prints."""
    return run("python", "-m", "tools.review", *arguments, cwd=project, status=status).stdout


@pytest.mark.parametrize(
    ("base", "head", "status"),
    [
        ("before", "after", 3),  # a significant loss, no change, a run added, a run removed
        ("after", "before", 0),  # a significant gain
        ("after", "renamed", 0),  # a class renamed
        ("renamed", "other_images", 0),  # a changed test set
    ],
)
def test_the_report_is_as_expected(
    revisions: Path,
    tmp_path: Path,
    base: str,
    head: str,
    status: int,
    request: pytest.FixtureRequest,
) -> None:
    report = review(revisions, base, head, "--out", str(tmp_path / "review"), status=status)
    report = re.sub(r"\([0-9a-f]{7}\)", "(COMMIT)", report).removesuffix("\n")
    if head == "renamed":  # only a time moves in the picture of `compare`, perhaps by no pixel
        report = report.replace("`compare`: outputs unchanged;", "`compare`: outputs changed;")
        picture = r"(?s)\n\n<details><summary><code>plots/tradeoff.png<.*?</details>"
        report = re.sub(picture, "", report)
    golden = GOLDEN / f"{base}-{head}.md"
    if request.config.getoption("--update-golden"):
        golden.write_text(report)
    assert report == golden.read_text()
    shown = re.findall(r"\]\((.+?)\)", report)
    assert shown
    for link in shown:
        assert (tmp_path / "review" / link).read_bytes().startswith(b"\x89PNG"), link


def test_classes_with_labels_of_their_own(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mapping from labels to names instead of a list of names is no other result."""
    data = edit(project)["data"]
    for dataset in data.values():
        dataset["classes"] = dict(enumerate(dataset["classes"]))
    edit(project, data=data)
    monkeypatch.chdir(project)
    with open_revision("") as opened:
        recipe = recipe_of(opened, "cifar10-cnn")
    assert json.loads(json.dumps(recipe)) == recipe  # docs/noise can say whether it is the same
    report = review(project, "HEAD")
    assert "every run predicts the same as before" in report
    assert "renamed" not in report
    dataset["classes"][3] = "tiger"
    edit(project, data=data)
    assert "Classes of `cifar10` renamed: `cat` → `tiger`." in review(project, "HEAD")


def test_a_review_leaves_the_workspace_alone(revisions: Path, tmp_path: Path) -> None:
    project = shutil.copytree(revisions, tmp_path / "project")
    watched = [path for path in project.rglob("*") if path.is_file() and ".git/" not in str(path)]
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in watched}
    head = run("git", "rev-parse", "HEAD", cwd=project).stdout
    review(project, "before", "after", status=3)
    changed = [
        path.relative_to(project)
        for path in watched
        if before[path] != (path.stat().st_mtime_ns, path.stat().st_size)
    ]
    assert [path for path in changed if not str(path).startswith(".dvc/tmp")] == []
    assert run("git", "rev-parse", "HEAD", cwd=project).stdout == head
    assert run("git", "status", "--porcelain", cwd=project).stdout == ""


def test_the_workspace_its_tolerance_and_an_experiment(revisions: Path, tmp_path: Path) -> None:
    project = shutil.copytree(revisions, tmp_path / "project")
    run("git", "checkout", "-q", "after", cwd=project)
    run("dvc", "checkout", "--allow-missing", cwd=project)
    tolerance: dict[str, float | None] = {
        "accuracy": 0.9,
        "macro_f1": None,
        "log_loss": None,
        "calibration_error": None,
    }
    edit(project, review={"tolerance": tolerance})
    report = review(project, "before")
    assert report.startswith("**Worse**")
    assert "Compared: the workspace with before (" in report
    assert "`dvc repro` has not run since the inputs of `check` changed" in report
    make_repro(project)
    assert "has not run" not in review(project, "before")

    tolerance["macro_f1"] = 0.0
    edit(project, review={"tolerance": tolerance})
    report = review(project, "before", status=3)
    assert "fashion_mnist-tree: test macro_f1 got significantly worse" in report
    run("dvc", "exp", "run", "-n", "an-experiment", "check", cwd=project)
    run("git", "checkout", "-qf", "before", cwd=project)
    assert review(project, "before", "an-experiment", status=3).startswith("**Worse**")


def test_probabilities_that_are_nowhere(revisions: Path, tmp_path: Path) -> None:
    project = shutil.copytree(revisions, tmp_path / "project")
    run("git", "checkout", "-q", "after", cwd=project)
    run("dvc", "checkout", "--allow-missing", cwd=project)
    tolerance = {"accuracy": 0.0, "macro_f1": None, "log_loss": 0.0, "calibration_error": None}
    edit(project, review={"tolerance": tolerance})
    assert "| log_loss " in review(project, "before", status=3)
    shutil.rmtree(project / ".dvc/cache")
    report = review(project, "before", status=3)  # accuracy needs none of them
    assert report.startswith("**Worse**")
    assert "| log_loss " not in report
    assert (
        "not comparable: before: data/probabilities/fashion_mnist-tree.npy is not in DVC's cache; "
        "run `make pull` to get it"
    ) in re.sub(r" \([0-9a-f]{7}\)", "", report)


def test_pictures_are_linked_where_a_server_shows_them(revisions: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "review")
    url = "https://example.org/raw"
    report = review(revisions, "before", "after", "--out", out, "--pictures-url", url, status=3)
    head = run("git", "rev-parse", "after", cwd=revisions).stdout.strip()
    assert f"]({url}/{head}/plots/accuracy.png)" in report
    assert [path.name for path in (tmp_path / "review").rglob("*")] == ["report.md"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["nowhere"],
            "review: error: nowhere: no such revision in this repository; choose a branch",
        ),
        (["before", "nowhere"], "nowhere: no such revision"),
        ([], "Missing argument"),
    ],
)
def test_wrong_use_exits_with_2(revisions: Path, arguments: list[str], message: str) -> None:
    result = run("python", "-m", "tools.review", *arguments, cwd=revisions, status=2)
    assert message in result.stderr
    assert result.stdout == ""


@pytest.mark.slow
def test_a_revision_without_results(untrained: Path) -> None:
    result = run("python", "-m", "tools.review", "main", cwd=untrained, status=2)
    assert "has no dvc.lock; choose a revision where `dvc repro` has run" in result.stderr


@pytest.mark.parametrize(
    "name", ["a b", 'c#1%20(x)"', "<img src=y>|", "new\nline", "**b** `x`", "![x](y)", "@team"]
)
def test_a_picture_of_any_name_is_shown(name: str, tmp_path: Path) -> None:
    path = f"plots/own/{name}.png"
    before, after = (Revision(one, "", None, {}, {}) for one in ("before", "after"))
    text = show_pictures([ChangedPicture(path, None, b"pixels")], before, after, tmp_path, "")
    rendered = MarkdownIt().enable("table").render(text)
    (link,) = re.findall(r'<img src="([^"]*)" alt="[^"]*"', rendered)
    assert (tmp_path / unquote(link)).read_bytes() == b"pixels"
    assert rendered.count("<img ") == rendered.count("<details>") == 1
    assert rendered.count("<td>") == 2
    assert "<strong>" not in rendered


@pytest.mark.parametrize("out", [".", "..", "mine", "mine/thesis.txt"])
def test_a_folder_of_others_is_not_replaced(
    out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("precious")
    with pytest.raises(InputError, match=r"which no review has written, .*choose a new folder"):
        require_replaceable(Path(out))
    for one in ("new", "review"):
        require_replaceable(Path(one))
        Path("review").mkdir(exist_ok=True)
        Path("review/report.md").touch()


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e400", "1" + "0" * 400])
def test_a_number_that_nobody_can_compare_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match=f"{number[:9]}.* is not a finite number"):
        parse_json(f'{{"accuracy": [{number}]}}')
    assert parse_json('[1, 0, -2.5, "NaN"]') == [1, 0, -2.5, "NaN"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": None}, "models has no blocks"),
        ({"data": []}, "data has no blocks"),
        ({"models": {"a": 3}}, "models.a.dataset is missing"),
        ({"models": {"a": {"dataset": "other", "params": {}}}}, "'other', not in data"),
        ({"data": {"own": {"path": "x"}}}, "data.own.classes is missing"),
    ],
)
def test_parameters_without_their_blocks_are_one_line(
    change: dict[str, object], message: str
) -> None:
    run_block = {"dataset": "own", "params": {}}
    whole = {"data": {"own": {"path": "x", "classes": []}}, "models": {"a": run_block}}
    whole |= {"seed": 1, "normalize": {}}  # type: ignore[dict-item]
    require_blocks("params.yaml", whole, "correct it")
    with pytest.raises(InputError, match=rf"params\.yaml: .*{message}.*; correct it"):
        require_blocks("params.yaml", whole | change, "correct it")
    with pytest.raises(InputError, match="seed is missing"):
        require_blocks("params.yaml", None, "correct it")
