"""Nothing is recorded that did not happen: edits, kills and second calls while stages run."""

import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import yaml
from campaign import Campaign
from conftest import BIN, ENVIRONMENT, edit, make_once, of_scikit_learn, read_lock, replace, run
from conftest import without_times as hashes

RUN = "fashion_mnist-forest"
TRAIN, EVALUATE = f"train@{RUN}", f"evaluate@{RUN}"
MODEL = f"data/models/{RUN}.onnx"
TREES = f"models.{RUN}.params.n_estimators"
TOOLS = {
    "dvc": ["dvc", "repro", EVALUATE],
    "make": ["python", "-m", "tools.repro", "--jobs", "2"],
}
VICTIMS = ("group", "tool", "stage", "write")
LASTS = {"dvc": 6.0, "make": 4.0}  # about the seconds of an undisturbed call


def set_trees(project: Path, trees: int) -> None:
    """The run's parameter; it takes 2 ms per tree to fit, and changes everything after `train`."""
    forest = of_scikit_learn("sklearn.ensemble.RandomForestClassifier", n_estimators=trees)
    edit(project, models={RUN: forest})


@pytest.fixture(scope="session")
def one_run(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy repository with one run, which has run; not to be written to."""

    def make(folder: Path) -> None:
        shutil.copytree(untrained, folder)
        data = yaml.safe_load((folder / "params.yaml").read_text())["data"]
        del data["cifar10"]
        edit(folder, data=data)
        set_trees(folder, 5)
        run(*TOOLS["make"], cwd=folder)

    return make_once(tmp_path_factory, "one_run", make)


@pytest.fixture
def whole(one_run: Path, tmp_path: Path) -> Path:
    """A copy of it to work in, where `train` and what depends on it must run."""
    copy = shutil.copytree(one_run, tmp_path / "project")
    set_trees(copy, 100)
    return copy


@pytest.fixture
def project(whole: Path) -> Path:
    """The same without what comes after `evaluate`, which takes as long as all before."""
    for name, end in (("dvc.yaml", ""), ("dvc.lock", "(@.*)?")):
        later = rf"(?m)^  (profile|plot|card|compare){end}:\n((    .*)?\n)+"
        text, count = re.subn(later, "", (whole / name).read_text())
        assert count == 4
        (whole / name).write_text(text)
    return whole


@pytest.fixture(scope="session")
def undisturbed(one_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `whole` is after an undisturbed `dvc repro`; not to be written to."""

    def make(folder: Path) -> None:
        shutil.copytree(one_run, folder)
        set_trees(folder, 100)
        run("dvc", "repro", cwd=folder)

    return make_once(tmp_path_factory, "undisturbed", make)


def start(tool: str, project: Path, **environment: str) -> subprocess.Popen[str]:
    """Starts a tool in its own process group, with all that it prints in one stream."""
    program, *arguments = TOOLS[tool]
    return subprocess.Popen(
        [BIN / program, *arguments],
        cwd=project,
        env=ENVIRONMENT | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def fork(tool: str, project: Path) -> Future[subprocess.CompletedProcess[str]]:
    """Starts a tool that nobody kills, in a forked process; returns what `run` will."""
    return ThreadPoolExecutor(1).submit(run, *TOOLS[tool], cwd=project, status=None)


def pause_training(project: Path) -> psutil.Process:
    """Waits until `train` has read its inputs and fits, and stops its process."""
    claim = (project / MODEL).with_name(f".{RUN}.onnx.lock")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(FileNotFoundError):
            if found := re.match(r"process (\d+)", claim.read_text()):
                process = psutil.Process(int(found[1]))
                process.suspend()
                return process
        time.sleep(0.0005)
    raise AssertionError("train has not started")


def damage_labels(project: Path) -> None:
    """Replaces an input array of `train` with one that differs in a byte."""
    path = project / "data/reshaped/fashion_mnist-flat/train/labels.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink()
    path.write_bytes(content)


EDITS: dict[str, tuple[Callable[[Path], None], str]] = {
    "its own code": (
        lambda project: replace(project / "stages/train.py", "COMPARED = 500", "COMPARED = 499"),
        "stages/train.py",
    ),
    "its own parameter": (lambda project: set_trees(project, 50), f"params.yaml: {TREES}"),
    "the seed": (lambda project: void(edit(project, seed=7)), "params.yaml: seed"),
    "its input": (damage_labels, "data/reshaped/fashion_mnist-flat/train"),
    "its command": (
        lambda project: replace(project / "dvc.yaml", "-m stages.train ", " -m stages.train "),
        f"dvc.yaml: {TRAIN}",
    ),
}


def void(_: object) -> None:
    """Makes an expression a statement."""


@pytest.mark.parametrize("tool", TOOLS)
def test_an_edit_while_a_stage_runs_fails_it_by_name(project: Path, tool: str) -> None:
    before = read_lock(project)[TRAIN]
    for what, (change, named) in EDITS.items():
        if (tool, what) == ("dvc", "its command"):  # DVC itself records the old one
            continue
        running = fork(tool, project)
        stage = pause_training(project)
        change(project)
        stage.resume()
        result = running.result(timeout=120)
        said = result.stdout + result.stderr
        assert result.returncode != 0
        assert re.search(rf"{re.escape(named)}[\w/.]* changed while it ran; run again", said), said
        assert read_lock(project)[TRAIN] == before

    again = run(*TOOLS[tool], cwd=project)
    assert TRAIN in again.stdout
    check_truth(project)


@pytest.mark.parametrize("tool", TOOLS)
def test_an_edit_of_a_later_stage_is_what_that_stage_runs(project: Path, tool: str) -> None:
    running = fork(tool, project)
    stage = pause_training(project)
    replace(project / "stages/evaluate.py", "round(others, 6)", "round(others, 3)")
    stage.resume()
    result = running.result(timeout=120)
    assert result.returncode == 0, result.stderr
    written = (project / f"metrics/{RUN}.json").read_text()
    assert re.search(r'"accuracy_without_near_duplicates": 0\.\d{1,3}$', written, re.M)
    check_truth(project)


def test_a_file_that_is_rewritten_with_the_same_content_does_not_matter(
    project: Path, undisturbed: Path
) -> None:
    running = fork("dvc", project)
    stage = pause_training(project)
    for path in (project / "stages").rglob("*.py"):
        path.touch()
    stage.resume()
    result = running.result(timeout=120)
    assert result.returncode == 0, result.stderr
    run(*TOOLS["make"], cwd=project)
    check_same(project, undisturbed)


def test_a_second_call_waits_and_says_for_whom(project: Path, undisturbed: Path) -> None:
    first = start("make", project)
    stage = pause_training(project)
    second = start("make", project)
    assert second.stdout is not None
    assert second.stdout.readline() == f"waits for process {first.pid}, which runs `make repro`\n"
    stage.resume()
    first.communicate(timeout=120)
    assert first.returncode == 0
    said, _ = second.communicate(timeout=120)
    assert second.returncode == 0
    assert "stages: " in said
    assert " ran" not in said
    check_same(project, undisturbed)


@pytest.mark.parametrize(("first", "second"), [("dvc", "make"), ("make", "dvc"), ("dvc", "dvc")])
def test_two_tools_at_once_never_write_the_same_output(
    project: Path, undisturbed: Path, first: str, second: str
) -> None:
    one = start(first, project)
    stage = pause_training(project)
    other = start(second, project)
    assert other.stdout is not None
    while (line := other.stdout.readline()) and str(one.pid) not in line:
        pass  # what it says before: other stages
    assert f"(PID {one.pid})" in line
    stage.resume()
    for process in (one, other):
        process.communicate(timeout=120)
    assert one.returncode == 0
    assert other.returncode == (0 if second == "make" else 255)  # DVC itself does not wait
    run(*TOOLS["make"], cwd=project)
    check_same(project, undisturbed)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_stage_ends_with_the_process_that_started_it(
    project: Path, undisturbed: Path, tmp_path: Path, tool: str
) -> None:
    # A shell that stays between DVC and the stage, as fish does.
    shell = tmp_path / "shell"
    shell.write_text('#!/bin/sh\n/bin/sh "$@"\nexit $?\n')
    shell.chmod(0o755)
    set_trees(project, 10_000)  # for more than ten seconds
    process = start(tool, project, SHELL=str(shell))
    stage = pause_training(project)
    process.kill()
    stage.resume()
    process.communicate(timeout=120)
    assert psutil.wait_procs([stage], timeout=3)[1] == []
    assert not (project / MODEL).exists()
    set_trees(project, 100)
    run(*TOOLS["make"], cwd=project)
    check_same(project, undisturbed)


@pytest.mark.parametrize("tool", TOOLS)
def test_kills_at_any_moment_lose_nothing(
    whole: Path, undisturbed: Path, tmp_path: Path, tool: str, campaign: Campaign
) -> None:
    outcomes: list[str] = []
    victims = VICTIMS * (5 if campaign.seed else 3)
    for number in range(campaign.share("kills", len(TOOLS)) // len(victims) or 1):
        project = shutil.copytree(whole, tmp_path / f"{number}")
        chance = random.Random(f"{campaign.seed} {tool} {number}")
        kill_often(project, tool, victims, chance)
        try:
            go_on(project, tool)
            check_same(project, undisturbed)
        except AssertionError as error:
            outcomes += [f"{error}"] * len(victims)
        else:
            outcomes += ["nothing lost"] * len(victims)
    campaign.count("kills", f"`{' '.join(TOOLS[tool])}`", outcomes, "nothing lost")
    assert set(outcomes) == {"nothing lost"}


def kill_often(project: Path, tool: str, victims: tuple[str, ...], chance: random.Random) -> None:
    """Starts a tool as often as there are victims, and kills them, each later in a call."""
    for number, victim in enumerate(victims):
        set_trees(project, 60 + number)
        process = start(tool, project)
        if victim == "write":
            wait_for_write(project, process)
        else:
            time.sleep(0.2 + (number + chance.random()) / len(victims) * (LASTS[tool] - 0.2))
        kill(victim, process)
        process.communicate(timeout=120)


def go_on(project: Path, tool: str) -> None:
    """Calls the tool again, and then `make repro`, which mends what DVC cannot."""
    set_trees(project, 100)
    again = run(*TOOLS[tool], cwd=project, status=None)
    if again.returncode:  # DVC itself writes dvc.lock and its rwlock in place
        assert tool == "dvc"
        assert re.search("dvc.lock|rwlock", again.stderr), again.stderr
    run(*TOOLS["make"], cwd=project)


def kill(victim: str, process: subprocess.Popen[str]) -> None:
    """Kills the stages that a tool runs, or the tool alone, or the tool with its group."""
    if victim == "stage":
        for stage in find_stages(process):
            stage.kill()
    elif victim == "tool":
        process.kill()
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def wait_for_write(project: Path, process: subprocess.Popen[str]) -> None:
    """Waits until a tool writes dvc.lock: DVC truncates it, `make repro` replaces it."""
    before = (project / "dvc.lock").stat()
    while process.poll() is None:
        with suppress(FileNotFoundError):
            now = (project / "dvc.lock").stat()
            if now.st_ino != before.st_ino or now.st_size < before.st_size / 2:
                return
        if list(project.glob(".dvc.lock.*.partial")):
            return
        time.sleep(0.0005)


def find_stages(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes of the stages that a tool runs now."""
    with suppress(psutil.NoSuchProcess):
        found = psutil.Process(process.pid).children(recursive=True)
        return [
            one
            for one in found
            if "stages." in " ".join(one.cmdline()) or one.parent() in found[:2]
        ]
    return []


def check_same(project: Path, undisturbed: Path) -> None:
    """The hashes in dvc.lock, and the files that they are of, are as in an undisturbed run."""
    expected = hashes(undisturbed)
    if "\n  plot:" not in (project / "dvc.yaml").read_text():
        del expected[f"plot@{RUN}"]
    assert hashes(project) == expected
    for name in (MODEL, f"metrics/{RUN}.json", f"plots/{RUN}/learning_curve.csv"):
        assert (project / name).read_bytes() == (undisturbed / name).read_bytes(), name


def check_truth(project: Path) -> None:
    """Nothing is left to do, and what is recorded is what the inputs give without a cache."""
    assert "Running stage" not in run("dvc", "repro", EVALUATE, cwd=project).stdout
    recorded = read_lock(project)
    forced = ("--force", "--single-item", "--no-run-cache")
    run("dvc", "repro", *forced, TRAIN, EVALUATE, cwd=project)
    assert read_lock(project) == recorded
