"""Experiments with DVC's commands, as in docs/experiments.md, and the table of experiments."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from conftest import BIN, ENVIRONMENT, ROOT, make_once, read_lock, run

RUN = "fashion_mnist-decision_tree"
DEPTH = f"models.{RUN}.params.max_depth"
MODEL = f"data/models/{RUN}.onnx"
DEPTHS = {"tree-1": 1, "tree-2": 2, "tree-3": 8}  # as `dvc exp run --name tree` numbers them


@pytest.fixture(scope="session")
def swept(few: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`few` after a sweep of three depths, two at a time; not to be written to."""

    def make_swept(folder: Path) -> None:
        shutil.copytree(few, folder)
        sweep(folder)

    return make_once(tmp_path_factory, "swept", make_swept)


def sweep(project: Path) -> None:
    """Queues an experiment for each depth, starts two workers, and waits until all are done."""
    setting = f"{DEPTH}={','.join(str(depth) for depth in DEPTHS.values())}"
    run(
        *("dvc", "exp", "run", "--queue", "--name", "tree", "-S", setting, f"evaluate@{RUN}"),
        cwd=project,
    )
    assert table(project).count("queued") == 3
    # The workers inherit the pipe: reading it to its end waits for them, as `| cat` does.
    workers = subprocess.Popen(
        [BIN / "dvc", "queue", "start", "--jobs", "2"],
        cwd=project,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
    )
    at_once = 0
    while re.search("Queued|Running", status := run("dvc", "queue", "status", cwd=project).stdout):
        at_once = max(at_once, status.count("Running"))
        time.sleep(1)
    workers.communicate()
    assert at_once == 2
    assert status.count("Success") == 3, status
    assert "0 active, 0 idle" in run("dvc", "queue", "status", cwd=project).stdout
    assert run("git", "status", "--porcelain", cwd=project).stdout == ""


@pytest.fixture
def experiments(swept: Path, tmp_path: Path) -> Path:
    """A copy of the repository after the sweep to work in."""
    return shutil.copytree(swept, tmp_path / "experiments")


def table(project: Path, *arguments: str, status: int = 0) -> str:
    result = run("python", "-m", "tools.experiments", *arguments, cwd=project, status=status)
    return result.stdout + result.stderr


def accuracy(project: Path, revision: str) -> float:
    content = run("git", "show", f"{revision}:metrics/{RUN}.json", cwd=project).stdout
    return json.loads(content)["validation"]["accuracy"]


def accuracy_on_test(project: Path, revision: str) -> float:
    content = run("git", "show", f"{revision}:metrics/{RUN}.json", cwd=project).stdout
    return json.loads(content)["test"]["accuracy"]


def test_the_table_has_the_sweep_and_what_it_is_compared_with(swept: Path) -> None:
    lines = table(swept).splitlines()
    titles = ["run", "experiment", "parameters", "validation accuracy", "change", "best"]
    assert re.split(r"\s{2,}", lines[0].strip()) == titles
    assert lines.pop().startswith("best: the best of a run, and what is not significantly worse ")
    assert all(len(line) <= 120 for line in lines)
    baseline = accuracy(swept, "main")
    rows = [re.split(r"\s{2,}", line.strip()) for line in lines[2:]]
    (row,) = [row for row in rows if row[1] == "main"]
    assert row[2].startswith(f"{baseline:.4f} (")
    refs = run("git", "for-each-ref", "--format=%(refname)", "refs/exps", cwd=swept).stdout.split()
    revisions = {ref.rsplit("/", 1)[1]: ref for ref in refs}
    for name, depth in DEPTHS.items():
        value = accuracy(swept, revisions[name])
        assert value != baseline
        setting = f"{RUN}.max_depth={depth}"
        (row,) = [row for row in rows if row[1] == name]
        assert row[2] == setting
        assert row[3].startswith(f"{value:.4f} (")
        assert row[4] == f"{value - baseline:+.4f}"
    values = [float(row[-2 if row[1] == "main" else -3].split()[0]) for row in rows]
    assert len(values) == 4
    assert values == sorted(values, reverse=True)
    marks = [row[-1] for row in rows]
    assert marks[0] == "yes"
    assert set(marks) <= {"yes", "no"}
    with_test = table(swept, "--test").splitlines()
    assert with_test[0].split()[-1] == "test"
    assert (
        f"{accuracy_on_test(swept, 'main'):.4f}"
        in with_test[2 + [r[1] for r in rows].index("main")]
    )


def test_the_table_has_any_metric_and_refuses_others(swept: Path) -> None:
    assert "log_loss" in table(swept, "log_loss").splitlines()[0]
    error = table(swept, "f2", status=2)
    assert error.startswith("experiments: error: no run has the metric f2; choose one of ")
    assert "macro_f1" in error
    assert len(error.splitlines()) == 1


def test_without_experiments_it_says_so(few: Path) -> None:
    assert table(few).startswith("There are no experiments on main; ")


def test_apply_brings_the_files_of_an_experiment(experiments: Path) -> None:
    before = (experiments / MODEL).read_bytes()
    run("dvc", "exp", "apply", "tree-1", cwd=experiments)
    parameters = yaml.safe_load((experiments / "params.yaml").read_text())
    assert parameters["models"][RUN]["params"]["max_depth"] == 1
    assert (experiments / MODEL).read_bytes() != before
    status = run("dvc", "status", f"evaluate@{RUN}", cwd=experiments).stdout
    assert "up to date" in status
    run("git", "checkout", "-q", ".", cwd=experiments)
    run("dvc", "checkout", cwd=experiments)
    assert (experiments / MODEL).read_bytes() == before

    # The same by hand, which leaves params.yaml as it was written: nothing is trained.
    content = (experiments / "params.yaml").read_text()
    assert "max_depth: null" in content
    edited = content.replace("max_depth: null", "max_depth: 1")
    (experiments / "params.yaml").write_text(edited)
    output = run("dvc", "repro", f"evaluate@{RUN}", cwd=experiments).stdout
    assert f"Stage 'train@{RUN}' is cached" in output
    assert (experiments / "params.yaml").read_text() == edited


def test_branch_holds_the_experiment(experiments: Path) -> None:
    run("dvc", "exp", "branch", "tree-2", "depth-2", cwd=experiments)
    before = read_lock(experiments)[f"train@{RUN}"]["outs"]
    run("git", "checkout", "-q", "depth-2", cwd=experiments)
    run("dvc", "checkout", cwd=experiments)
    assert read_lock(experiments)[f"train@{RUN}"]["outs"] != before
    assert "up to date" in run("dvc", "status", f"evaluate@{RUN}", cwd=experiments).stdout
    assert f"{DEPTH}" in run("dvc", "params", "diff", "main", cwd=experiments).stdout


def test_plots_diff_has_both_experiments(experiments: Path) -> None:
    names = ("tree-1", "tree-2")
    plots = json.loads(run("dvc", "plots", "diff", *names, "--json", cwd=experiments).stdout)
    for file, fields in (
        (f"plots/{RUN}/predictions.csv", {"actual", "predicted"}),
        ("plots/fashion_mnist-mlp/learning_curve.csv", {"epoch", "val_accuracy"}),
    ):
        (plot,) = plots["data"][file]
        points = plot["content"]["data"]["values"]
        assert {point["rev"] for point in points} == set(names)
        assert fields <= set(points[0])
    predictions = plots["data"][f"plots/{RUN}/predictions.csv"][0]["content"]["data"]["values"]
    first, second = ([p["predicted"] for p in predictions if p["rev"] == name] for name in names)
    assert len(first) == len(second) == 150
    assert first != second
    run("dvc", "plots", "diff", *names, cwd=experiments)
    page = (experiments / "dvc_plots" / "index.html").read_text()
    assert all(f'"rev": "{name}"' in page for name in names)


GUIDES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md", ROOT / "README.md"]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_the_guide_names_what_exists(guide: Path) -> None:
    text = guide.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", text, re.M):
        assert f"\n{target}: " in makefile, target
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (guide.parent / target).exists(), target
    for setting in re.findall(r"-S '?([\w.-]+)=", text):
        block = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        for key in setting.split("."):
            assert key in block, setting
            block = block[key]
