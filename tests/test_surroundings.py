"""A project in a bigger repository, without git or commits, in a shallow clone, with own data."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import make_repro, replace, run

from stages.runtime.errors import InputError
from tools.engine.programs import attempt
from tools.engine.repository import find_project
from tools.revisions.clone import in_clone_of

RUN = "fashion_mnist-decision_tree"


def tool(project: Path, name: str, *arguments: str, status: int = 0) -> str:
    result = run("python", "-m", f"tools.{name}", *arguments, cwd=project, status=status)
    assert result.stderr.count("\n") == 1 or status == 0, result.stderr
    return result.stderr if status else result.stdout


def test_a_project_in_a_subfolder(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "big" / "sub"
    shutil.copytree(project, inside, symlinks=True, ignore=shutil.ignore_patterns(".git", "tmp"))
    (tmp_path / "big" / "params.yaml").write_text("of another project\n")
    run("git", "init", "-q", "-b", "main", cwd=inside.parent)
    run("git", "add", "-A", cwd=inside.parent)
    run("git", "commit", "-qm", "both", cwd=inside.parent)
    assert make_repro(inside) == {}
    assert "dvc.lock is current" in tool(inside, "check_lock")
    replace(inside / "params.yaml", "max_depth: null", "max_depth: 2")
    assert f"train@{RUN}" in make_repro(inside)
    said = run("python", "-m", "tools.review", "main", cwd=inside, status=3).stdout
    assert f"**Worse** (worse: `{RUN}`; " in said
    assert (inside / "review" / "before" / "plots" / RUN / "pictures" / "examples.png").is_file()
    assert "no experiments on main" in tool(inside, "experiments")
    assert "no merge, rebase" in tool(inside, "resolve", status=2)
    monkeypatch.chdir(inside)
    assert find_project() == (inside.parent.resolve(), Path("sub"))
    with in_clone_of("main") as clone:
        assert "max_depth: null" in Path("params.yaml").read_text()
        assert clone == Path.cwd()
    assert "mean validation accuracy" in tool(inside, "noise", RUN, "--seeds", "2")


def test_without_git_every_command_says_what_to_do(project: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    shutil.copytree(project, plain, symlinks=True, ignore=shutil.ignore_patterns(".git", "tmp"))
    tools = {
        "repro": [],
        "push": [],
        "verify_files": [],
        "check_lock": [],
        "resolve": [],
        "noise": [RUN],
        "review": ["main"],
        "experiments": [],
        "first_numbers": ["data/first"],
    }
    need_commit = list(tools)[6:]
    for name, arguments in tools.items():
        said = tool(plain, name, *arguments, status=2)
        assert f"{plain} is not a git repository; run `git init && git add -A && git commit" in said
    assert "`" in tool(plain, "results")  # which needs none
    run("git", "init", "-q", "-b", "main", cwd=plain)
    for name in need_commit:
        said = tool(plain, name, *tools[name], status=2)
        assert "there is no commit in this git repository; run `git add -A && git commit" in said
    assert make_repro(plain) == {}
    run("git", "add", "-A", cwd=plain)
    run("git", "commit", "-qm", "start", cwd=plain)
    assert "No changes." in tool(plain, "review", "main")
    assert "no experiments on main" in tool(plain, "experiments")


def test_a_shallow_clone_says_how_to_get_the_rest(project: Path, tmp_path: Path) -> None:
    run("git", "clone", "-q", "--depth", "1", f"file://{project}", "clone", cwd=tmp_path)
    clone = tmp_path / "clone"
    rest = "shallow; run `git fetch --unshallow`"
    assert f"main~1: no such revision in this clone, which is {rest}" in tool(
        clone, "review", "main~1", status=2
    )
    said = tool(clone, "first_numbers", "data/first", status=2)
    assert "this clone is shallow, and DVC loses the result" in said
    assert "`git fetch --unshallow`" in said
    assert "DVC loses them in a shallow clone: `git fetch --unshallow`" in tool(
        clone, "experiments"
    )
    assert "dvc.lock is current" in tool(clone, "check_lock")
    run("git", "fetch", "-q", "--unshallow", cwd=clone)
    run("git", "rev-parse", "--verify", "main~1", cwd=clone)


def test_a_failed_experiment_says_where_the_reason_is(project: Path) -> None:
    from tools.experiments import tabulate_rows
    from tools.revisions.experiment_rows import compare

    scores = {"accuracy": 0.5, "accuracy_low": 0.4, "accuracy_high": 0.6}
    metrics = {f"metrics/{RUN}.json": {"data": {"validation": scores, "test": scores}}}
    data = {"metrics": metrics, "params": {"params.yaml": {"data": {"seed": 1}}}}
    commit = {"name": "main", "rev": "1" * 40, "data": data}
    failed = commit | {"name": "mine"}
    broken = commit | {"name": "old", "data": None}
    experiments: list[dict[str, Any]] = [
        {"revs": [failed], "executor": {"state": "failed"}},
        {"revs": [broken], "executor": None},
    ]
    rows = [row for one in experiments for row in compare(one, commit, "accuracy")]
    said = tabulate_rows(rows, "main", {}, "accuracy", test=False)
    assert said.endswith("\n`dvc queue logs mine` says why mine failed.")
    assert said.splitlines()[3].split() == ["old", "broken"]


def test_a_program_that_does_not_start_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    program = tmp_path / "dvc"
    program.write_text("#!/nowhere/python\n")
    program.chmod(0o755)
    with pytest.raises(InputError, match=r"dvc does not start: its .venv was .*`make setup`$"):
        attempt(tmp_path, "dvc", "status")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"^git does not start .*; install it$"):
        attempt(tmp_path, "git", "status")
