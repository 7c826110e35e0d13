"""A commit whose dvc.lock was made up is found out by training its runs again."""

import json
import os
import re
from contextlib import chdir
from pathlib import Path

import pytest
import typer
from conftest import FEW, RUNS, read_lock, replace, run
from test_pull import find_object

from stages.runtime.errors import InputError
from tools.engine import processes
from tools.store.objects import hash_bytes
from tools.verification.again import Again, run_again
from tools.verification.commit import open_commit
from tools.verify import choose, main

NAME = "fashion_mnist-decision_tree"
TRAIN, EVALUATE = f"train@{NAME}", f"evaluate@{NAME}"
MODEL, METRICS = f"data/models/{NAME}.onnx", f"metrics/{NAME}.json"
PROFILE = f"metrics/profile/{NAME}.json"
# A library of DVC, which looks for a path that no stage writes, warns of its next version.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")


@pytest.fixture(autouse=True)
def fast() -> None:
    """Stages of this process are forked from one that has imported scikit-learn."""
    processes.preload("sklearn")


def verify(project: Path, name: str) -> int:
    """The exit status of `make verify RUN=name`, in this process; it prints what came out."""
    with chdir(project):
        try:
            main(name)
        except typer.Exit as end:
            return end.exit_code
    return 0


def commit(project: Path) -> None:
    run("git", "commit", "-qam", "made up", cwd=project)


def md5_of(project: Path, stage: str, path: str) -> str:
    outs = {out["path"]: out["md5"] for out in read_lock(project)[stage]["outs"]}
    return str(outs[path])


def put_in_cache(project: Path, content: bytes) -> str:
    md5 = hash_bytes(content)
    target = find_object(project / ".dvc/cache", md5)
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(content)
    return md5


def make_up_model(project: Path) -> None:
    """Records another run's model as this one's, as if it had been trained so."""
    other = (project / "data/models/fashion_mnist-svc.onnx").read_bytes()
    replace(project / "dvc.lock", md5_of(project, TRAIN, MODEL), put_in_cache(project, other))


def make_up_accuracy(project: Path, accuracy: float) -> None:
    """Writes an accuracy, and an interval around it, into the metrics and their hash."""
    was, content = md5_of(project, EVALUATE, METRICS), json.loads((project / METRICS).read_text())
    interval = {"accuracy_low": accuracy - 0.01, "accuracy_high": accuracy + 0.01}
    content["test"] |= {"accuracy": accuracy, **interval}
    (project / METRICS).write_text(json.dumps(content, indent=2) + "\n")
    replace(project / "dvc.lock", was, hash_bytes((project / METRICS).read_bytes()))


def test_an_honest_commit_is_trained_again_and_leaves_no_trace(project: Path) -> None:
    (project / "params.yaml").write_text("not: committed\n")
    before = {path: path.stat().st_mtime_ns for path in (project / ".dvc/cache").rglob("*")}
    seed = next(str(seed) for seed in range(1000) if choose([*FEW], 1, str(seed)) == [NAME])
    said = run("python", "-m", "tools.verify", "--seed", seed, cwd=project)
    head = run("git", "rev-parse", "--short=7", "HEAD", cwd=project).stdout.strip()
    assert said.stdout.startswith(
        f"1 of 4 runs of commit {head}, by the seed {seed}: {NAME}\n\n"
        f"**Verified: `{NAME}`.** All 6 outputs are as commit {head} has them. {TRAIN}, {EVALUATE} "
        "ran again on "
    )
    assert "\nfitted in " in said.stderr
    assert before == {path: path.stat().st_mtime_ns for path in (project / ".dvc/cache").rglob("*")}
    assert run("git", "status", "--porcelain", cwd=project).stdout == " M params.yaml\n"


def test_inputs_that_are_nowhere_are_made_again_from_what_git_has(
    few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("git", "clone", "-q", few, tmp_path / "clone", cwd=tmp_path)
    assert verify(tmp_path / "clone", NAME) == 0
    said = capsys.readouterr().out
    assert "check, load@fashion_mnist, audit@fashion_mnist, normalize@fashion_mnist, " in said


def test_a_made_up_model_and_its_metrics_are_not_verified(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = md5_of(project, TRAIN, MODEL)
    make_up_model(project)
    make_up_accuracy(project, 0.99)
    commit(project)
    assert verify(project, NAME) == 1
    said = capsys.readouterr().out
    assert said.startswith(f"**Not verified: `{NAME}`.**")
    forged = md5_of(project, TRAIN, MODEL)
    assert re.search(rf"^\| `{MODEL}` +\| `{forged}` +\| `{model}` +\|$", said, re.M)
    assert f"| `{METRICS}` " in said
    assert "| `plots/" not in said
    images = len((project / f"plots/{NAME}/predictions.csv").read_text().splitlines()) - 1
    assert f"0 of {images} test images get another prediction" in said
    assert f"`{NAME}`: test accuracy" in said


def test_made_up_metrics_of_an_honest_model_are_not_verified(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = md5_of(project, EVALUATE, METRICS)
    make_up_accuracy(project, 0.99)
    replace(project / "dvc.lock", md5_of(project, EVALUATE, METRICS), good)  # as it was
    commit(project)
    assert verify(project, NAME) == 1
    said = capsys.readouterr().out
    assert f"`{good}` in dvc.lock, `{hash_bytes((project / METRICS).read_bytes())}` in git" in said
    assert f"| `{MODEL}`" not in said


@pytest.mark.parametrize(("accuracy", "status"), [(None, 3), (0.99, 1)])
def test_another_processor_explains_other_bytes_but_no_other_accuracy(
    project: Path, accuracy: float | None, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    make_up_model(project)
    if accuracy:
        make_up_accuracy(project, accuracy)
    profile = json.loads((project / PROFILE).read_text())
    (project / PROFILE).write_text(json.dumps(profile | {"processor": "Z80\n\n**Verified"}))
    commit(project)
    assert verify(project, NAME) == status
    said = capsys.readouterr().out
    assert "recorded on `Z80\\n\\n**Verified`." in said
    assert "Another kind of processor may give other last digits" in said


def refuse(project: Path) -> str:
    """Why the training is not run again, in one line."""
    commit(project)
    with chdir(project), open_commit() as opened, pytest.raises(InputError) as refused:
        run_again(opened, TRAIN, Again(), print)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_an_input_that_no_stage_has_written_is_named(project: Path) -> None:
    path, text = "data/reshaped/fashion_mnist-flat/train", (project / "dvc.lock").read_text()
    at = re.compile(rf"path: {path}\n +hash: md5\n +md5: (.*)\n")
    found = at.search(text, text.index(f"  {TRAIN}:"))
    assert found
    forged = f"{'0' * 32}.dir"
    (project / "dvc.lock").write_text(text[: found.start(1)] + forged + text[found.end(1) :])
    said = refuse(project)
    assert re.match(rf"{TRAIN}: {path} of commit \w{{7}} is not what dvc.lock records: ", said)
    assert f": {forged}, but {found[1]}; run " in said


@pytest.mark.parametrize(
    ("path", "old", "new", "named"),
    [
        ("stages/train.py", '"""', '"""A', "stages/train.py"),
        ("params.yaml", "seed: 100", "seed: 101", "params.yaml: seed"),
        ("dvc.yaml", "python -m stages.train", "python -m  stages.train", "its command"),
    ],
)
def test_what_was_edited_after_it_was_recorded_is_named(
    project: Path, path: str, old: str, new: str, named: str
) -> None:
    replace(project / path, old, new)
    said = refuse(project)
    assert re.match(rf"{TRAIN}: {named} of commit \w{{7}} is not what dvc.lock records", said)


def test_an_unknown_run_is_one_line_with_the_known_ones(project: Path) -> None:
    with pytest.raises(InputError, match=r"has no run nope; choose one of fashion_mnist-mlp, fas"):
        verify(project, "nope")


def test_a_commit_without_results_is_not_verified(fresh: Path) -> None:
    with pytest.raises(InputError, match=r"^dvc.lock of commit \w{7} records no training; run"):
        verify(fresh, "")


def test_a_seed_chooses_the_same_runs_again() -> None:
    names = list(RUNS)
    first = {seed: choose(names, 2, str(seed)) for seed in range(100)}
    assert first == {seed: choose(names[::-1], 2, str(seed)) for seed in range(100)}
    assert {one for pair in first.values() for one in pair} == set(names)
    assert all(len(set(pair)) == 2 for pair in first.values())
    assert choose(names, 1, os.fsdecode(b"\xff")) in [[one] for one in names]


def test_an_output_that_git_lacks_is_named(project: Path) -> None:
    run("git", "rm", "-q", METRICS, cwd=project)
    commit(project)
    with pytest.raises(InputError, match=rf"{METRICS} of commit .* records: it is missing; run"):
        verify(project, NAME)
