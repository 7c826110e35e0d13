"""Experiments with DVC's commands, as in docs/experiments.md, and the table of experiments."""

import io
import json
import re
import shutil
import subprocess
import time
from contextlib import closing
from itertools import permutations
from pathlib import Path

import dvc.api
import numpy as np
import pytest
import yaml
from conftest import BIN, ENVIRONMENT, ROOT, make_once, read_lock, run
from scipy.stats import binomtest

from stages.runtime import lock
from tools.revisions.experiment_rows import BROKEN, compare

RUN = "fashion_mnist-decision_tree"
DEPTH = f"models.{RUN}.params.max_depth"
MODEL = f"data/models/{RUN}.onnx"
DEPTHS = {"tree-1": 1, "tree-2": 2, "tree-3": 8}  # as `dvc exp run --name tree` numbers them
TITLES = ["run", "experiment", "parameters", "validation accuracy", "change", "best"]


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
    while re.search("Queued|Running", status := ask_queue(project)):
        at_once = max(at_once, status.count("Running"))
        time.sleep(1)
    workers.communicate()
    status = ask_queue(project)  # above, DVC does not list one that a worker is just about to begin
    assert at_once == 2
    assert status.count("Success") == 3, status
    assert "0 active, 0 idle" in run("dvc", "queue", "status", cwd=project).stdout
    assert run("git", "status", "--porcelain", cwd=project).stdout == ""


def ask_queue(project: Path) -> str:
    """What `dvc queue status` says; it fails while a worker writes a file that it reads."""
    while (result := run("dvc", "queue", "status", cwd=project, status=None)).returncode:
        assert "Expecting value" in result.stderr
        time.sleep(1)
    return result.stdout


@pytest.fixture
def experiments(swept: Path, tmp_path: Path) -> Path:
    """A copy of the repository after the sweep to work in."""
    left_behind = shutil.ignore_patterns(".fs-backend-*")  # by DVC's queue, which removes them late
    return shutil.copytree(swept, tmp_path / "experiments", ignore=left_behind)


def table(project: Path, *arguments: str, status: int = 0) -> str:
    result = run("python", "-m", "tools.experiments", *arguments, cwd=project, status=status)
    return result.stdout + result.stderr


def read_columns(text: str) -> list[dict[str, str]]:
    """The rows of a table by the titles of its columns, without the notes below it."""
    titles, dashes, *lines = text.partition("\n\n")[0].splitlines()
    starts = [found.start() for found in re.finditer("-+", dashes)]
    places = [slice(a, b) for a, b in zip(starts, [*starts[1:], None], strict=True)]
    rows = [{titles[at].strip(): line[at].strip() for at in places} for line in lines]
    return [row for row in rows if row["experiment"]]  # others continue a long cell


def accuracy(project: Path, revision: str) -> float:
    content = run("git", "show", f"{revision}:metrics/{RUN}.json", cwd=project).stdout
    return json.loads(content)["validation"]["accuracy"]


def revisions_of(project: Path) -> dict[str, str]:
    """The commits of main and of the experiments, by name."""
    refs = run("git", "for-each-ref", "--format=%(refname)", "refs/exps", cwd=project).stdout
    return {ref.rsplit("/", 1)[1]: ref for ref in refs.split()} | {"main": "main"}


def test_the_table_has_the_sweep_and_what_it_is_compared_with(swept: Path) -> None:
    said = table(swept)
    assert said.splitlines()[-2].startswith("best: the most accurate of a run, and all not signif")
    assert all(len(line) <= 120 for line in said.splitlines())
    rows = {row["experiment"]: row for row in read_columns(said)}
    revisions = revisions_of(swept)
    assert rows.keys() == DEPTHS.keys() | {"main"} == revisions.keys()
    baseline = accuracy(swept, "main")
    for name, row in rows.items():
        value = accuracy(swept, revisions[name])
        setting = f"max_depth={DEPTHS[name]}" if name in DEPTHS else ""
        assert list(row) == TITLES
        assert (row["run"], row["parameters"]) == (RUN, setting)
        assert row["validation accuracy"].startswith(f"{value:.4f} (")
        assert row["change"] == (f"{value - baseline:+.4f}" if name in DEPTHS else "")
    values = [float(row["validation accuracy"].split()[0]) for row in rows.values()]
    assert values == sorted(values, reverse=True)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # GitPython's pipe
def test_best_is_what_the_exact_test_on_the_validation_images_says(swept: Path) -> None:
    right = {}
    for name, revision in revisions_of(swept).items():
        with closing(dvc.api.DVCFileSystem(swept, rev=revision)) as files:
            labels, predicted = (
                np.load(io.BytesIO(files.read_bytes(f"data/validation/{RUN}/{part}.npy")))
                for part in ("labels", "predicted")
            )
        right[name] = labels == predicted
        assert right[name].mean() == accuracy(swept, revision)
    best = max(right, key=lambda name: right[name].mean())
    p = {}
    for name in right.keys() - {best}:
        lost, gained = (np.sum(a & ~b) for a, b in permutations((right[best], right[name])))
        p[name] = binomtest(int(lost), int(lost + gained)).pvalue if lost + gained else 1.0
    ordered = sorted(p, key=lambda name: p[name])
    corrected = [p[name] * (len(p) - place) for place, name in enumerate(ordered)]
    kept = {best} | {
        name for place, name in enumerate(ordered) if max(corrected[: place + 1]) >= 0.05
    }
    assert {best, "tree-1"} & kept == {best}  # a stump is worse than a tree
    marks = {row["experiment"]: row["best"] for row in read_columns(table(swept))}
    assert marks == {name: "yes" if name in kept else "no" for name in right}


def test_other_validation_images_and_lost_predictions_are_not_compared(experiments: Path) -> None:
    """Another seed holds out as many other images. Its difference would not be a paired one."""
    command = ["dvc", "exp", "run", "--temp", "--name", "other-seed", "-S", "seed=101"]
    run(*command, f"evaluate@{RUN}", cwd=experiments)
    revisions = revisions_of(experiments)
    stages = lock.read_lock(
        run("git", "show", f"{revisions['tree-3']}:dvc.lock", cwd=experiments).stdout
    )
    (md5,) = (
        out["md5"]
        for out in stages[f"train@{RUN}"]["outs"]
        if out["path"] == f"data/validation/{RUN}"
    )
    (experiments / ".dvc/cache/files/md5" / md5[:2] / md5[2:]).unlink()
    said = table(experiments)
    rows = read_columns(said)
    marks = {row["experiment"]: row["best"] for row in rows}
    assert (marks["other-seed"], marks["tree-3"]) == ("other", "?")
    assert (marks["main"], marks["tree-1"]) == ("yes", "no")
    assert rows[-1]["experiment"] == "other-seed"
    assert rows[-1]["change"] == ""
    value = accuracy(experiments, revisions["other-seed"])
    assert rows[-1]["validation accuracy"].startswith(f"{value:.4f} (")
    assert "\nother: scored on other validation images than the commit, so not " in said
    assert "\n?: its predictions for the validation images are not in DVC's cache." in said


def test_the_table_has_any_metric_and_refuses_others(swept: Path) -> None:
    said = read_columns(table(swept, "log_loss"))
    losses = [float(row["validation log_loss"]) for row in said]
    assert losses == sorted(losses)  # the best first: less is better
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


def test_the_values_of_an_experiment_are_kept_as_one_line(experiments: Path) -> None:
    said = run("python", "-m", "tools.keep", "tree-3", cwd=experiments).stdout
    assert f"max_depth: {DEPTHS['tree-3']}" in said
    changed = run("git", "diff", "--numstat", cwd=experiments).stdout
    assert changed == "1\t1\tparams.yaml\n"


@pytest.mark.parametrize("accuracy", [float("nan"), float("inf"), "0.9", None])
def test_an_experiment_with_a_metric_that_is_no_number_is_broken(accuracy: object) -> None:
    def state(value: object) -> dict[str, object]:
        metrics = {"metrics/a.json": {"data": {"test": {"accuracy": value}}}}
        return {"metrics": metrics, "params": {"params.yaml": {"data": {"seed": 1}}}}

    made = {"name": "tried", "rev": "1", "data": state(accuracy)}
    (row,) = compare({"revs": [made], "executor": None}, {"data": state(0.8)}, "accuracy")
    assert (row.run, row.experiment, row.state) == ("", "tried", BROKEN)
