"""Stages run in parallel on small graphs of shell commands, with real DVC."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import BIN, ENVIRONMENT, make_repro, repro, run, start
from dvc.dependency import param
from dvc.fs import GitFileSystem, LocalFileSystem
from dvc.utils import strictyaml
from dvc.utils.serialize import ParseError, _toml, _yaml
from shell_stages import make, stage

from tools.engine.order import expect_seconds, measure_urgency, next_stage, read_seconds
from tools.engine.plan import Stage
from tools.engine.remember import remember_parameters, remember_parsed

# Waits until another stage has started too: never, if one runs after the other.
MEET = "touch {me}.here; for i in $(seq 200); do [ -e {other}.here ] && break; sleep 0.1; done; "
MEET += "[ -e {other}.here ]"


DIAMOND = {
    "last": stage("last", "right", "left"),
    "right": stage("right", "top", first=MEET.format(me="right", other="left")),
    "left": stage("left", "top", first=MEET.format(me="left", other="right")),
    "top": stage("top"),
}


def serial_lock(folder: Path, stages: dict[str, Any]) -> str:
    """The content of dvc.lock after `dvc repro`, for stages that wait for no other."""
    alone = make(folder, stages)
    for name in stages:
        (alone / f"{name}.here").touch()
    repro(alone)
    return (alone / "dvc.lock").read_text()


def folder_in(tmp_path: Path, name: str) -> Path:
    (tmp_path / name).mkdir()
    return tmp_path / name


def test_a_diamond_runs_side_by_side_and_ends_as_if_one_by_one(tmp_path: Path) -> None:
    project = make(folder_in(tmp_path, "project"), DIAMOND)
    assert make_repro(project) == dict.fromkeys(DIAMOND, "ran")
    expected = serial_lock(folder_in(tmp_path, "serial"), DIAMOND)
    assert (project / "dvc.lock").read_text() == expected
    assert repro(project) == []
    assert make_repro(project) == {}
    assert "last" in (project / "logs" / "last.log").read_text()

    lock = (project / "dvc.lock").read_text()
    (project / "last.txt").unlink()
    assert make_repro(project) == {"last": "from the cache"}
    assert (project / "dvc.lock").read_text() == lock


def test_after_a_failure_the_others_finish_and_the_next_call_goes_on(tmp_path: Path) -> None:
    stages = {
        "bad": stage("bad", "top", first="echo what went wrong; [ -e mended ]"),
        "after_bad": stage("after_bad", "bad"),
        "top": stage("top"),
        "good": stage("good", "top", first="sleep 1"),
        "after_good": stage("after_good", "good"),
    }
    project = make(tmp_path, stages)
    command = ["python", "-m", "tools.repro", "--jobs", "2"]
    said = run(*command, cwd=project, status=1).stdout
    assert re.search(r"^bad +failed", said, re.M)
    assert re.search(r"^after_bad +not run", said, re.M)
    assert re.search(r"^after_good +ran", said, re.M)
    assert "    what went wrong\n" in said
    assert "full log: logs/bad.log" in said
    assert "5 stages: 3 ran, 1 failed, 1 not run" in re.sub(
        r"(\d failed), ", r"\1, ", sort_counts(said)
    )
    (project / "mended").touch()
    assert make_repro(project) == {"bad": "ran", "after_bad": "ran"}
    assert repro(project) == []


def sort_counts(said: str) -> str:
    """The last line of the output, with its counts in a fixed order."""
    head, _, counts = said.splitlines()[-1].partition(": ")
    order = ["ran", "failed", "not run"]
    return f"{head}: " + ", ".join(
        sorted(counts.split(", "), key=lambda count: order.index(count.split(" ", 1)[1]))
    )


def test_one_stage(tmp_path: Path) -> None:
    project = make(tmp_path, {"only": stage("only")})
    assert make_repro(project, jobs=4) == {"only": "ran"}
    assert make_repro(project) == {}
    (project / "source.txt").write_text("edited\n")
    assert make_repro(project) == {"only": "ran"}
    (project / "source.txt").write_text("source\n")
    assert make_repro(project) == {"only": "from the cache"}


def test_thirty_stages(tmp_path: Path) -> None:
    stages: dict[str, Any] = {}
    for number in reversed(range(30)):
        upstream = sorted(
            {f"s{before}" for before in (number // 2, number // 3) if before < number}
        )
        stages[f"s{number}"] = stage(f"s{number}", *upstream)
    project = make(folder_in(tmp_path, "project"), stages)
    assert make_repro(project, jobs=4) == dict.fromkeys(stages, "ran")
    assert (project / "dvc.lock").read_text() == serial_lock(folder_in(tmp_path, "serial"), stages)
    assert repro(project) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_no_process_and_the_next_call_goes_on(
    tmp_path: Path, number: signal.Signals
) -> None:
    sleep = f"sleep 7{tmp_path.stat().st_ino}"  # to be found among all processes
    stages = {
        "quick": stage("quick"),
        "long": stage("long", "quick", first=f"touch started; [ -e second ] || {sleep}"),
        "after": stage("after", "long"),
    }
    project = make(tmp_path, stages)
    process = subprocess.Popen(
        [sys.executable, "-m", "tools.repro"],
        cwd=project,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    while not (project / "started").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.search(r"^long +interrupted", said, re.M)
    assert subprocess.run(["pgrep", "-f", sleep], capture_output=True, check=False).stdout == b""
    (project / "second").touch()
    assert make_repro(project) == {"long": "ran", "after": "ran"}
    assert repro(project) == []


def test_a_stage_that_runs_alone_has_nothing_beside_it(tmp_path: Path) -> None:
    busy = "touch {0}.busy; sleep 0.5; rm {0}.busy"
    stages = {
        "timed": stage(
            "timed", first='sleep 0.5; [ -z "$(ls | grep busy)" ]', meta={"alone": True}
        ),
        **{name: stage(name, first=busy.format(name)) for name in ("one", "two", "three")},
    }
    project = make(tmp_path, stages)
    assert make_repro(project, jobs=4) == dict.fromkeys(stages, "ran")


def wait_for(path: Path, process: subprocess.Popen[Any]) -> None:
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.02)


UNTIL_GO = "touch begun; for i in $(seq 300); do [ -e go ] && break; sleep 0.1; done"


def test_while_dvc_runs_a_stage_the_others_run(tmp_path: Path) -> None:
    stages = {"held": stage("held", first=UNTIL_GO), "one": stage("one"), "two": stage("two")}
    project = make(tmp_path, stages)
    with start(project, BIN / "dvc", "repro", "held") as dvc:
        wait_for(project / "begun", dvc)
        with start(project, sys.executable, "-m", "tools.repro", "--jobs", "2") as ours:
            wait_for(project / "two.txt", ours)
            (project / "go").touch()
            said, _ = ours.communicate(timeout=60)
        dvc.communicate(timeout=60)
    assert ours.returncode == dvc.returncode == 0
    assert f"(PID {dvc.pid})" in said
    assert repro(project) == []


def test_old_outputs_that_dvc_checks_out_meanwhile_are_not_recorded(tmp_path: Path) -> None:
    project = make(tmp_path, {"held": stage("held", first="true")})
    assert make_repro(project) == {"held": "ran"}
    (project / "source.txt").write_text("edited\n")
    command = stage("held")["cmd"] + f"; {UNTIL_GO}"
    stages = {"held": stage("held") | {"cmd": command}}
    (project / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    with start(project, sys.executable, "-m", "tools.repro") as ours:
        wait_for(project / "begun", ours)
        run("dvc", "checkout", "--force", cwd=project)
        assert (project / "held.txt").read_text() == "source\nheld\n"
        (project / "go").touch()
        said, _ = ours.communicate(timeout=60)
    assert ours.returncode == 1
    assert "held.txt was checked out by another DVC while it ran; run again" in said
    assert make_repro(project) == {"held": "ran"}
    assert (project / "held.txt").read_text() == "edited\nheld\n"


@pytest.mark.parametrize("content", ["", '{"check": 1.', "[]", '{"check": "x"}', "\xff"])
def test_damaged_times_are_told_and_measured_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_seconds() == {}
    assert capsys.readouterr().out == ""
    Path("logs").mkdir()
    Path("logs/seconds.json").write_bytes(content.encode("latin-1"))
    assert read_seconds() == {}
    said = "logs/seconds.json was damaged: the times in it are measured again\n"
    assert capsys.readouterr().out == said
    Path("logs/seconds.json").write_text('{"check": 1}')
    assert read_seconds() == {"check": 1.0}


def test_the_longest_chain_is_first() -> None:
    stages = {
        "short": Stage([], alone=False),
        "long": Stage([], alone=False),
        "start": Stage([], alone=False),
        "end": Stage(["start"], alone=False),
        "timed": Stage([], alone=True),
    }
    seconds = {"short": 1.0, "long": 5.0, "start": 2.0, "end": 4.0, "timed": 3.0}
    urgency = measure_urgency(stages, seconds)
    assert urgency == {"short": 1, "long": 5, "start": 6, "end": 4, "timed": 3}
    waiting = sorted(stages, key=lambda name: -urgency[name])
    assert next_stage(stages, waiting, {}, [], jobs=2) == "timed"  # now, nobody has to wait for it
    assert next_stage(stages, waiting, {}, ["short"], jobs=2) == "start"
    waiting.remove("start")
    assert next_stage(stages, waiting, {}, ["start"], jobs=2) == "long"
    assert next_stage(stages, waiting, {}, ["start", "long"], jobs=2) is None
    assert next_stage(stages, ["timed", "short"], {}, ["long"], jobs=2) == "short"
    assert next_stage(stages, ["timed", "end"], {}, ["long"], jobs=2) is None
    assert next_stage(stages, ["timed", "short"], {}, [], jobs=2) == "timed"
    assert next_stage(stages, ["short"], {}, ["timed"], jobs=2) is None


def test_what_a_stage_will_take_is_known_before_its_first_run() -> None:
    """Trainings before pictures: in the order of dvc.yaml, a clone waits for the last of them."""
    names = ["train@new", "train@fashion_mnist-cnn", "plot@new", "evaluate@new", "unlike_all"]
    new, cnn, plot, evaluate, unlike = expect_seconds(names, {}).values()
    assert new >= cnn > plot > evaluate > 0
    assert unlike == 10
    taken = {"train@fashion_mnist-cnn": 400.0, "mine@a": 2.0, "mine@b": 3.0}
    expected = expect_seconds([*names, "mine@c"], taken)
    assert list(expected.values()) == [400, 400, plot, evaluate, 10, 3]


def test_a_text_with_carriage_returns_is_an_input_like_any_other(tmp_path: Path) -> None:
    """DVC hashes it as if its lines ended otherwise if the stage had another input before."""
    project = make(tmp_path, {"one": stage("one")})
    assert "1 ran" in run("python", "-m", "tools.repro", cwd=project).stdout
    (project / "other.txt").write_bytes(b"one\r\ntwo\r\n")
    definition = (project / "dvc.yaml").read_text().replace("source.txt", "other.txt")
    (project / "dvc.yaml").write_text(definition)
    assert "1 ran" in run("python", "-m", "tools.repro", cwd=project).stdout
    assert "1 up to date" in run("python", "-m", "tools.repro", cwd=project).stdout


def test_an_output_that_git_tracks_meanwhile_is_refused(tmp_path: Path) -> None:
    """Git's index is read again when it has changed."""
    track = "touch last.txt && git add last.txt"
    stages = {
        "first": stage("first"),
        "middle": stage("middle", "first", first=track),
        "last": stage("last", "middle"),
    }
    project = make(tmp_path, stages)
    run("git", "add", "source.txt", cwd=project)
    said = run("python", "-m", "tools.repro", cwd=project, status=1).stdout
    assert "output 'last.txt' is already tracked by SCM" in said


def test_a_mistake_in_dvc_yaml_is_told(tmp_path: Path) -> None:
    project = make(tmp_path, {"one": stage("one", "two"), "two": stage("two", "one")})
    said = run("python", "-m", "tools.repro", cwd=project, status=2).stderr
    assert said.startswith("repro: error: dvc.yaml: ")
    assert "both a dependency and an output" in said


def test_what_dvc_parses_is_remembered_by_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever gets it may write to it; an error names the file that is read now."""
    for module, name in ((_yaml, "parse_yaml"), (strictyaml, "parse_yaml"), (_toml, "parse_toml")):
        monkeypatch.setattr(module, name, getattr(module, name))
    remember_parsed()
    assert strictyaml.parse_yaml is _yaml.parse_yaml
    for parse, text in ((_yaml.parse_yaml, "a: {b: 1e-05}"), (_toml.parse_toml, "a = {b = 1e-05}")):
        for path in ("one", "two", "one"):
            content = parse(text, path)
            assert content == {"a": {"b": 0.00001}}
            content["a"]["b"] = 2
        assert parse(text.replace("b", "c"), "one") == {"a": {"c": 0.00001}}
        for path in ("one", "two"):
            with pytest.raises(ParseError, match=f"'{path}'"):
                parse("a: [", path)
    commented = _yaml.parse_yaml_for_update("a: 1  # one\n", "one")
    assert commented.ca.items  # DVC edits a file with its comments


def test_parameters_of_a_commit_are_not_taken_from_the_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep shows the experiments of commits after it has read the workspace."""
    monkeypatch.setattr(param, "load_path", param.load_path)
    remember_parameters()
    run("git", "init", "-q", cwd=tmp_path)
    path = tmp_path / "params.yaml"
    path.write_text("a: 1\n")
    run("git", "add", "params.yaml", cwd=tmp_path)
    run("git", "commit", "-qm", "one", cwd=tmp_path)
    path.write_text("a: 2\n")
    commit = GitFileSystem(path=str(tmp_path), rev="HEAD")
    for _ in range(2):
        assert param.load_path(str(path), LocalFileSystem()) == {"a": 2}
        assert param.load_path("/params.yaml", commit) == {"a": 1}
