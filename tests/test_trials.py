"""Trials: recorded as DVC would, without a trace in the workspace, and never made twice."""

import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from conftest import edit, replace, repro, run, start
from dvc.utils.serialize import dumps_yaml

from stages.runtime.errors import InputError
from tools.store.runs import format_record
from tools.trials.assignments import read_assignments

RUN = "fashion_mnist-decision_tree"


def sweep(project: Path, assignments: str, *options: str, status: int = 0) -> dict[str, str]:
    """What `make sweep` says of each trial, by its values."""
    command = ["python", "-m", "tools.sweep", RUN, assignments, *options]
    result = run(*command, cwd=project, status=status)
    lines = re.findall(r"(?m)^ *\d+ of \d+  (.*?) {2,}(.*)$", result.stdout)
    return dict(lines)


def read_accuracy(project: Path) -> str:
    scores = json.loads((project / f"metrics/{RUN}.json").read_text())["validation"]
    return f"validation accuracy {scores['accuracy']:.4f}"


def state_of(project: Path) -> str:
    return run("git", "status", "--porcelain", cwd=project).stdout


def test_trials_leave_no_trace_and_dvc_repro_takes_their_results(project: Path) -> None:
    for folder in project.glob("data/*/*/test"):  # whoever chooses opens no test image
        shutil.rmtree(folder)
    first = sweep(project, "max_depth=1,null criterion=entropy,gini")
    assert len(first) == 4
    for said in first.values():
        assert re.fullmatch(r"validation accuracy 0\.\d+  ran +[\d.]+ s", said)
    assert state_of(project) == ""
    assert list((project / ".dvc/tmp").glob("trials*")) == []
    again = sweep(project, "max_depth=1,null criterion=entropy,gini")
    for name, said in again.items():
        assert said == re.sub(r"  ran .*", "  from the cache", first[name])
    assert sweep(project, "max_depth=null")["max_depth=null"].endswith("from the cache")

    run("dvc", "checkout", "-q", cwd=project)
    replace(project / "params.yaml", "max_depth: null", "max_depth: 1, criterion: entropy")
    assert repro(project, f"evaluate@{RUN}") == ["check", f"evaluate@{RUN}"]
    assert first["max_depth=1 criterion=entropy"].startswith(read_accuracy(project))


def test_a_seed_is_a_chain_of_stages(project: Path) -> None:
    said = sweep(project, "seed=7")["seed=7"]
    assert sweep(project, "seed=7")["seed=7"].endswith("from the cache")
    edit(project, seed=7)
    gates = ["check", "audit@fashion_mnist"]  # which trials do not run
    assert repro(project, f"evaluate@{RUN}") == [*gates, f"evaluate@{RUN}"]
    assert said.startswith(read_accuracy(project))


def test_a_failing_trial_is_told_and_the_others_go_on(project: Path) -> None:
    said = sweep(project, "max_depth=1,0,x", status=1)
    assert said["max_depth=1"].startswith("validation accuracy 0.")
    assert "max_depth" in said["max_depth=0"]
    assert said["max_depth=0"].startswith("failed: ")
    assert said["max_depth=x"].startswith("failed: ")
    assert state_of(project) == ""


def test_a_trial_has_only_what_its_stages_declare(project: Path) -> None:
    replace(project / "dvc.yaml", "        - stages/frameworks/export.py\n", "")
    assert "No module named" in sweep(project, "max_depth=1", status=1)["max_depth=1"]
    run("git", "checkout", "-q", "dvc.yaml", cwd=project)
    replace(
        project / "stages/train.py",
        '    print(f"{name}: {len(content)',
        "    Path('mine').read_text()\n    print(f\"{name}: {len(content)",
    )
    (project / "mine").write_text("undeclared")
    assert "mine" in sweep(project, "max_depth=1", status=1)["max_depth=1"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_after_an_interruption_the_next_call_does_the_rest(project: Path, number: int) -> None:
    command = [sys.executable, "-m", "tools.sweep", RUN, "max_depth=1,2,3", "--jobs", "1"]
    with start(project, *command) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        process.communicate()
    assert process.returncode in (130, -number)
    deadline = time.monotonic() + 10
    while (
        time.monotonic() < deadline
        and subprocess.run(["pgrep", "-f", str(project)], capture_output=True, check=False).stdout
    ):
        time.sleep(0.1)
    said = sweep(project, "max_depth=1,2,3")
    assert said["max_depth=1"].endswith("from the cache")
    assert " ran " in said["max_depth=3"]
    assert list((project / ".dvc/tmp").glob("trials*")) == []
    assert state_of(project) == ""


def test_an_edit_while_a_trial_runs_changes_nothing_of_it(project: Path) -> None:
    """What it is recorded with is what it ran with: copies, made when the command began."""
    command = [sys.executable, "-m", "tools.sweep", RUN, "max_depth=1,2", "--jobs", "1"]
    with start(project, *command) as process:
        assert process.stdout is not None
        process.stdout.readline()
        train = project / "stages/train.py"
        train.write_text("raise SystemExit('edited')\n" + train.read_text())
        rest = process.communicate()[0]
    assert process.returncode == 0
    assert "max_depth=2" in rest
    assert "ran" in rest
    assert "failed" in sweep(project, "max_depth=2", status=1)["max_depth=2"]
    run("git", "checkout", "-q", "stages", cwd=project)
    assert sweep(project, "max_depth=2")["max_depth=2"].endswith("from the cache")


def test_a_damaged_object_is_not_believed(project: Path) -> None:
    sweep(project, "max_depth=1")
    rows = [json.loads(row) for row in (project / "logs/trials.jsonl").read_text().splitlines()]
    key = rows[0]["key"]
    (record,) = (project / ".dvc/cache/runs" / key[:2] / key).iterdir()
    outs = {out["path"]: out["md5"] for out in yaml.safe_load(record.read_text())["outs"]}
    listed = outs[f"data/validation/{RUN}"]
    content = json.loads((project / ".dvc/cache/files/md5" / listed[:2] / listed[2:]).read_text())
    md5 = next(one["md5"] for one in content if one["relpath"] == "predicted.npy")
    damaged = project / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    damaged.chmod(0o644)
    damaged.write_bytes(b"x" * damaged.stat().st_size)
    assert "was damaged and is removed" in sweep(project, "max_depth=1", status=1)["max_depth=1"]
    assert " ran " in sweep(project, "max_depth=1")["max_depth=1"]


def test_without_a_passed_audit_nothing_is_trained(project: Path) -> None:
    (project / "dvc.lock").unlink()
    command = ["python", "-m", "tools.sweep", RUN, "max_depth=1"]
    said = run(*command, cwd=project, status=2).stderr
    assert "audit@fashion_mnist has not passed with the data and code that are here; run" in said


def test_in_a_fresh_clone_it_says_at_once_what_to_run(project: Path) -> None:
    passed = project / "data/audit/fashion_mnist.txt"
    md5 = hashlib.md5(passed.read_bytes()).hexdigest()
    (project / ".dvc/cache/files/md5" / md5[:2] / md5[2:]).unlink()
    result = run("python", "-m", "tools.sweep", RUN, "max_depth=1,2", cwd=project, status=2)
    missing = f"data/audit/fashion_mnist.txt: {md5} is not in DVC's cache; run `make repro`"
    assert result.stderr == f"sweep: error: {missing}\n"
    assert "max_depth=" not in result.stdout


def test_a_damaged_object_fails_the_trials_that_need_it_and_then_is_made_again(
    project: Path,
) -> None:
    labels = project / "data/reshaped/fashion_mnist-flat/train/labels.npy"
    md5 = hashlib.md5(labels.read_bytes()).hexdigest()
    damaged = project / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    damaged.chmod(0o644)
    damaged.write_bytes(damaged.read_bytes()[::-1])
    said = sweep(project, "max_depth=1,2", status=1)
    assert f"{md5} in DVC's cache was damaged and is removed; run this again" in said["max_depth=1"]
    assert f"{md5} is not in DVC's cache; run `make repro`" in said["max_depth=2"]
    assert "  ran  " in sweep(project, "max_depth=1,2")["max_depth=2"]


def test_assignments() -> None:
    tree = f"models.{RUN}.params"
    assert read_assignments("max_depth=range(2,8,2)", RUN) == [
        {f"{tree}.max_depth": depth} for depth in (2, 4, 6)
    ]
    two = read_assignments("units=[1,2],[3] seed=1e0", RUN)
    assert two == [{f"{tree}.units": units, "seed": 1.0} for units in ([1, 2], [3])]
    for wrong, reason in {
        "": "SET names no parameter",
        "C": "cannot be read",
        "C=1 C=2": "is there twice",
        "C=[1,": "cannot be read",
    }.items():
        with pytest.raises(InputError, match=reason):
            read_assignments(wrong, RUN)


def test_a_row_of_the_table_is_kept_as_one_line(project: Path) -> None:
    command = ["python", "-m", "tools.sweep", RUN, "max_depth=1,12,0"]
    said = run(*command, cwd=project, status=1).stdout
    rows = {line.split()[2]: line.split() for line in said.splitlines() if line.startswith(RUN)}
    assert {*rows} == {"max_depth=12", "0.6000", "max_depth=1"}  # one is the commit
    assert [rows["max_depth=12"][-1], rows["max_depth=1"][-1]] == ["yes", "no"]
    name = rows["max_depth=1"][1]
    assert "(exact McNemar test, Holm's correction)" in said
    assert said.endswith(run("python", "-m", "tools.experiments", cwd=project).stdout)

    def keep(name: str, status: int = 0) -> str:
        result = run("python", "-m", "tools.keep", name, cwd=project, status=status)
        return result.stdout + result.stderr

    diff = [line for line in keep(name).splitlines() if re.match(r"[-+] ", line)]
    changed = run("git", "diff", "--unified=0", "params.yaml", cwd=project).stdout
    assert diff == [line for line in changed.splitlines() if re.match(r"[-+] ", line)]
    assert [line.count("max_depth") for line in diff] == [1, 1]
    assert repro(project, f"evaluate@{RUN}") == ["check", f"evaluate@{RUN}"]
    assert "params.yaml has these values already" in keep(name)
    made = [json.loads(row) for row in (project / "logs/trials.jsonl").read_text().splitlines()]
    assert [row["state"] for row in made].count("failed") == 1
    for unknown in ("nothing", "0000000", "main", "HEAD", ""):
        assert f"{unknown!r}: no trial or experiment has this name; `make exp" in keep(unknown, 2)


def test_folds_are_one_row_of_all_their_images(project: Path) -> None:
    command = ["python", "-m", "tools.sweep", RUN, "max_depth=1,8", "--folds", "2"]
    said = run(*command, cwd=project).stdout
    assert said.count(" (fold 1 of 2)  ") == 2
    assert said.count(" of 4  ") == 4
    rows = [line for line in said.splitlines() if "(2" in line and line.startswith(RUN)]
    assert len(rows) == 2
    assert "max_depth=8 (2" in rows[0]
    assert "max_depth=1 (2" in rows[1]
    made = [json.loads(row) for row in (project / "logs/trials.jsonl").read_text().splitlines()]
    depth = f"models.{RUN}.params.max_depth"
    of_best = [row for row in made if row["values"][depth] == 8]
    hits = sum(row["accuracy"] * row["images"] for row in of_best)
    assert sum(row["images"] for row in of_best) == 400
    assert f" {hits / 400:.4f} (" in rows[0]
    assert state_of(project) == ""


PROBE = """
import json

from tools.trials.lab import open_lab
from tools.trials.run import run_trials
from tools.trials.trial import Trial

if __name__ == "__main__":
    run = "fashion_mnist-mlp"
    key = f"models.{run}.params.epochs"
    seen = []

    def stop(number, rows):
        seen.append([number, len(rows)])
        return number == 0

    with open_lab(run) as lab:
        # The second one, too, runs for longer than the time between two looks.
        trials = [Trial(run, {key: 2000}), Trial(run, {key: 40})]
        outcomes = run_trials(lab, trials, 2, stop=stop)
    said = [[one.state, one.key, [dict(row) for row in one.curve], one.reason] for one in outcomes]
    print(json.dumps([said, seen]))
"""


def test_a_training_tells_each_epoch_and_can_be_stopped(project: Path) -> None:
    (project / "tools/probe.py").write_text(PROBE)
    said = run("python", "-m", "tools.probe", cwd=project).stdout
    (stopped, ended), seen = json.loads(said.splitlines()[-1])
    state, key, curve, reason = stopped
    assert (state, reason) == ("stopped", f"stopped after epoch {len(curve)}")
    assert [row["epoch"] for row in curve] == [*range(len(curve))]
    assert 0 < curve[0]["val_accuracy"] < 1
    assert len(curve) < 2000
    assert not (project / ".dvc/cache/runs" / key[:2] / key).exists()
    assert ended[0] == "ran"
    assert [row["epoch"] for row in ended[2]] == [*range(40)]
    assert {number for number, _ in seen} >= {0}
    assert list((project / ".dvc/tmp").glob("trials*")) == []
    with (project / "logs/trials.jsonl").open() as file:
        assert [json.loads(row)["state"] for row in file] == ["stopped", "ran"]


def test_a_record_is_written_as_dvc_writes_it() -> None:
    deps = [{"path": "a: b", "md5": "0e1", "size": 1}, {"path": "c", "md5": "1.dir", "nfiles": 2}]
    params = {"params.yaml": {"a": {0: 1.5}, "b": 1e-05, "c": "on", "d": "two\nlines", "e": None}}
    for outs in ([{"path": "d", "md5": "2"}], [{"path": "e", "md5": "3"}]):
        record = {"cmd": "a | b: c", "deps": deps, "params": params, "outs": outs}
        assert format_record(record) == dumps_yaml(record)
