"""After a merge with conflicts, nothing is trained that either branch has trained."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import TREE, commit, edit, make_once, make_repro, of_scikit_learn, read_lock, run

RUNS = {
    "one": of_scikit_learn(TREE, max_depth=1),
    "two": of_scikit_learn(TREE, max_depth=2),
}
BRANCHES: dict[
    str, dict[str, Any]
] = {  # other parameters than `RUNS`, of the runs that a branch has
    "left": {"one": {"max_depth": 5}, "two": {}},
    "right": {"one": {}, "two": {"max_depth": 6}},
    "same": {"one": {"max_depth": 7}, "two": {}},
    "gone": {"two": {}},
}
AGAIN = {"check": "ran", "compare": "ran"}  # what shows or checks all runs


@pytest.fixture(scope="session")
def branches(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose branches have changed runs and trained them; not to be written to."""

    def make(project: Path) -> None:
        shutil.copytree(untrained, project)
        data = edit(project)["data"]
        set_runs(
            project, {name: {} for name in RUNS}, data={"fashion_mnist": data["fashion_mnist"]}
        )
        commit(project, "base")
        for name, changes in BRANCHES.items():
            run("git", "checkout", "-q", "-b", name, "base", cwd=project)
            set_runs(project, changes)
            for gone in RUNS.keys() - changes.keys():
                paths = [f"metrics/{gone}.json", f"metrics/profile/{gone}.json", f"plots/{gone}"]
                paths.append(f"data/models/{gone}.md")
                run("git", "rm", "-rq", *paths, cwd=project)
            commit(project, f"trained-{name}")
        run("git", "checkout", "-q", "right", cwd=project)
        run("dvc", "checkout", "-q", cwd=project)

    return make_once(tmp_path_factory, "branches", make)


def set_runs(project: Path, changes: dict[str, dict[str, Any]], **sections: Any) -> None:
    models = {
        name: RUNS[name] | {"params": RUNS[name]["params"] | new} for name, new in changes.items()
    }
    edit(project, models=models, **sections)


@pytest.fixture
def project(branches: Path, tmp_path: Path) -> Path:
    return shutil.copytree(branches, tmp_path / "project", symlinks=True)


def resolve(project: Path, status: int = 0) -> str:
    result = run("python", "-m", "tools.resolve", cwd=project, status=status)
    assert result.stderr.count("\n") == (status != 0)
    return result.stderr if status else result.stdout


def stop(project: Path, *command: str) -> None:
    """A merge, or the like, that stops with conflicts."""
    assert run("git", *command, cwd=project, status=1).stdout


def finish(project: Path, *command: str) -> None:
    """Checks that all is resolved and recorded, and ends the merge."""
    run("git", "add", "-u", cwd=project)
    run("git", "-c", "core.editor=true", *command, cwd=project)
    assert run("git", "status", "--porcelain", cwd=project).stdout == ""
    assert make_repro(project) == {}


def depths(project: Path) -> list[int]:
    """The depth that dvc.lock names for each run."""
    stages = read_lock(project)
    values = (stages[f"train@{name}"]["params"]["params.yaml"] for name in RUNS)
    return [
        one[f"models.{name}.params"]["max_depth"] for name, one in zip(RUNS, values, strict=True)
    ]


@pytest.mark.parametrize(
    ("start", "command", "go_on"),
    [
        ("right", ["merge", "left"], "commit"),
        ("left", ["rebase", "right"], "rebase --continue"),
    ],
)
def test_two_branches_that_changed_other_runs(
    project: Path, start: str, command: list[str], go_on: str
) -> None:
    run("git", "checkout", "-q", start, cwd=project)
    stop(project, *command)
    if command[0] == "merge":
        run("git", "add", "-A", cwd=project)  # too early: git takes the marks for resolved
    said = run("python", "-m", "tools.repro", cwd=project, status=2).stderr
    assert "column 1: a merge conflict (<<<<<<<); run `make resolve`" in said
    resolved = resolve(project)
    assert f"Next: `make repro`, `git add -u`, `git {go_on}`." in resolved
    assert "ot in DVC's cache" not in resolved
    assert depths(project) == [5, 6]
    assert make_repro(project) == AGAIN
    assert "No file is in conflict" in resolve(project)  # and does nothing
    assert make_repro(project) == {}
    finish(project, *go_on.split())


@pytest.mark.parametrize(("choice", "trained"), [(7, False), (9, True)])
def test_two_branches_that_changed_the_same_run(project: Path, choice: int, trained: bool) -> None:
    run("git", "checkout", "-q", "left", cwd=project)
    stop(project, "merge", "same")
    before = (project / "dvc.lock").read_bytes()
    assert ": params.yaml: line " in resolve(project, status=2)
    run("git", "checkout", "--ours", "params.yaml", cwd=project)
    set_runs(project, {"one": {"max_depth": choice}, "two": {}})
    said = resolve(project, status=2)
    assert said.startswith("resolve: error: params.yaml: in conflict; make it what you want, then ")
    assert (project / "dvc.lock").read_bytes() == before
    run("git", "add", "params.yaml", cwd=project)
    resolve(project)
    made = make_repro(project)
    assert ("train@one" in made) == trained
    assert made.items() >= AGAIN.items() if trained else made == {}
    assert depths(project) == [choice, 2]
    finish(project, "commit")


def strip(project: Path, branch: str) -> None:
    """Removes what only the clone had in which a branch was trained."""
    known = {out["md5"] for stage in read_lock(project).values() for out in stage["outs"]}
    run("git", "checkout", "-q", branch, cwd=project)
    for stage in read_lock(project).values():
        for out in stage["outs"]:
            if out["md5"] not in known:
                oid = out["md5"]
                (project / ".dvc/cache/files/md5" / oid[:2] / oid[2:]).unlink(missing_ok=True)
    run("git", "checkout", "-q", "-", cwd=project)
    shutil.rmtree(project / ".dvc/cache/runs")


@pytest.mark.parametrize("shared", [True, False])
def test_the_other_branch_was_trained_elsewhere(
    project: Path, tmp_path: Path, shared: bool
) -> None:
    if shared:
        run("dvc", "remote", "add", "-d", "team", str(tmp_path / "remote"), cwd=project)
        run("git", "checkout", "-q", "left", cwd=project)
        run("python", "-m", "tools.push", cwd=project)
        run("git", "checkout", "-q", "right", cwd=project)
    strip(project, "left")
    stop(project, "merge", "left")
    said = resolve(project)
    lost = "data/models/one.onnx, data/validation/one, data/probabilities/one.npy"
    assert f"Not in DVC's cache: {lost}. `make pull` gets" in said
    if shared:
        run("python", "-m", "tools.pull", cwd=project)
        assert make_repro(project) == AGAIN
    else:
        again = dict.fromkeys(["train@one", "evaluate@one"], "ran")
        assert make_repro(project) == AGAIN | again
    finish(project, "commit")


def test_a_run_that_one_branch_removed(project: Path) -> None:
    run("git", "checkout", "-q", "gone", cwd=project)
    stop(project, "merge", "left")
    run("git", "checkout", "--ours", "params.yaml", cwd=project)
    run("git", "add", "params.yaml", cwd=project)
    resolve(project)
    assert not (project / "metrics" / "one.json").exists()
    assert make_repro(project) == {}
    finish(project, "commit")


def test_a_file_of_a_person_and_uncommitted_work_stay(project: Path) -> None:
    assert "no merge, rebase, cherry-pick or revert has stopped here" in resolve(project, status=2)
    for branch, line in (("left", "a"), ("right", "b")):
        run("git", "checkout", "-q", branch, cwd=project)
        (project / "notes.txt").write_text(line)
        run("git", "add", "notes.txt", cwd=project)
        run("git", "commit", "-qm", "notes", cwd=project)
    (project / "README.md").write_text("uncommitted")
    (project / "new.txt").write_text("untracked")
    stop(project, "merge", "left")
    said = resolve(project, status=2)
    assert "notes.txt: line 1, column 1: a merge conflict (<<<<<<<); choose one side" in said
    assert "<<<<<<<" in (project / "dvc.lock").read_text()
    (project / "notes.txt").write_text("ab")
    run("git", "add", "notes.txt", cwd=project)
    resolve(project)
    contents = [(project / name).read_text() for name in ("README.md", "new.txt", "notes.txt")]
    assert contents == ["uncommitted", "untracked", "ab"]
    assert make_repro(project) == AGAIN
