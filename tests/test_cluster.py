"""Stages on a cluster of real processes: the same bytes, and no false record."""

import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from conftest import FEW, RUNS, edit, make_repro, read_lock, replace, repro, run, without_times
from machines import Machines, on_cluster, require_packages, start_driver, wait_until
from shell_stages import make, stage

require_packages()
pytestmark = [pytest.mark.cluster, pytest.mark.slow]
REPRO = "tools.repro"
SLEEP = "sleep 50"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Machines]:
    """A scheduler, for a test that breaks what it starts."""
    with Machines(tmp_path / "machines") as cluster:
        cluster.start_scheduler()
        yield cluster


def sleep_once(began: Path) -> dict[str, Any]:
    """A stage that sleeps when it runs for the first time, of which a file tells."""
    first = f"if [ -e {began} ]; then true; else touch {began}; {SLEEP}; fi"
    return stage("slow", first=first)


def test_the_same_bytes_as_here(machines: Machines, fresh: Path, few: Path) -> None:
    edit(fresh, models={name: RUNS[name] for name in FEW}, features={})
    said, where = on_cluster(machines, fresh, REPRO)
    assert "failed" not in said
    assert set(where.values()) == {"", "one", "two"}
    here = {name for name, machine in where.items() if not machine}
    assert here == {f"profile@{name}" for name in FEW}
    ours, others = without_times(fresh), without_times(few)
    assert ours == {name: others[name] for name in ours}
    assert len(ours) == len(read_lock(fresh)) - 2 * len(FEW) - 1
    assert repro(fresh) == []
    # Another clone takes all from the run cache.
    other = shutil.copytree(fresh, fresh.parent / "other")
    run("git", "clean", "-qdxf", "-e", "cache", "-e", "data/weights", cwd=other)
    states = make_repro(other)
    ran = {name.partition("@")[0] for name, state in states.items() if state == "ran"}
    assert ran <= {"audit", "plot", "profile", "card", "compare"}  # of which DVC keeps no outputs
    assert without_times(other) == ours


def test_data_reach_a_machine_once(own: Machines, tmp_path: Path) -> None:
    own.start_worker("one")
    read = {
        name: {"cmd": f"cksum big.bin > {name}.txt", "deps": ["big.bin"], "outs": [f"{name}.txt"]}
        for name in ("first", "second")
    }
    project = make(tmp_path / "project", {"first": read["first"]})
    (project / "big.bin").write_bytes(bytes(20_000_000))

    def find_big() -> Path:
        files = (own.folder / "one/.cluster/machine/depot").glob("??/*")
        (big,) = [path for path in files if path.stat().st_size == 20_000_000]
        return big

    assert set(on_cluster(own, project, REPRO)[1]) == {"first"}
    came = find_big().stat().st_ino  # of a file that is fetched again it is another
    (project / "dvc.yaml").write_text(yaml.safe_dump({"stages": read}))
    assert set(on_cluster(own, project, REPRO)[1]) == {"second"}
    assert find_big().stat().st_ino == came
    assert (project / "second.txt").read_text() == (project / "first.txt").read_text()
    assert not list((own.folder / "one/.cluster/machine/sandboxes").iterdir())


def test_what_a_command_writes_comes_home_as_it_is(machines: Machines, tmp_path: Path) -> None:
    script = "mkdir -p 'out/a b/ü' out/empty; : > out/nothing; echo x > 'out/a b/ü/file name'; "
    script += "echo '#!/bin/sh' > tool; chmod +x tool; echo 1 > out/run; chmod +x out/run"
    stages = {
        "write": {"cmd": script, "deps": ["source.txt"], "outs": ["out", "tool"]},
        "read": {
            "cmd": "test -x tool && (find out -type f | sort; cat out/a*/*/*) > list.txt",
            "deps": ["out", "tool"],
            "outs": ["list.txt"],
        },
    }
    project = make(tmp_path / "project", stages)
    alone = make(tmp_path / "alone", stages)
    said, where = on_cluster(machines, project, REPRO)
    assert set(where) == {"write", "read"}, said
    run("dvc", "repro", "-q", cwd=alone)
    assert (project / "dvc.lock").read_text() == (alone / "dvc.lock").read_text()
    assert (project / "list.txt").read_text() == (alone / "list.txt").read_text()
    assert (project / "tool").stat().st_mode & 0o100
    assert repro(project) == []


def test_a_failure_is_said_with_its_log_and_others_go_on(
    machines: Machines, tmp_path: Path
) -> None:
    count = tmp_path / "count"
    stages = {
        "fails": stage("fails", first=f"echo once >> {count}; echo because >&2; false"),
        "after": stage("after", "fails"),
        "forgets": {"cmd": "true", "deps": ["source.txt"], "outs": ["forgotten.txt"]},
        "peeks": {
            "cmd": "cat undeclared.txt > peeked.txt",
            "deps": ["source.txt"],
            "outs": ["peeked.txt"],
        },
        "works": stage("works"),
    }
    project = make(tmp_path / "project", stages)
    (project / "undeclared.txt").write_text("here, but not declared\n")
    said, where = on_cluster(machines, project, REPRO, status=1)
    assert set(where) == {"works"}
    assert "because" in (project / "logs" / "fails.log").read_text()
    assert "fails: its command ended with status 1 on " in said
    assert "forgets: its command has not written the output forgotten.txt on " in said
    assert "undeclared.txt" in said  # cat says that it is missing
    assert count.read_text() == "once\n"
    assert set(read_lock(project)) == {"works"}


@pytest.mark.parametrize("what", ["file", "parameter", "command"])
def test_what_is_edited_while_it_runs_is_not_recorded(
    machines: Machines, tmp_path: Path, what: str
) -> None:
    began = tmp_path / "began"
    own = stage("slow", first=f"touch {began}; sleep 1.5") | {"params": ["value"]}
    project = make(tmp_path / "project", {"slow": own})
    (project / "params.yaml").write_text("value: 1\n")
    driver = start_driver(machines, project, REPRO)
    try:
        wait_until(began.exists)
        if what == "file":
            (project / "source.txt").write_text("edited\n")
        elif what == "parameter":
            (project / "params.yaml").write_text("value: 2\n")
        else:
            replace(project / "dvc.yaml", "1.5)", "1)")
        said, _ = driver.communicate(timeout=60)
    finally:
        driver.kill()
    assert driver.returncode == 1
    assert "changed while it ran; run again" in said
    assert not (project / "dvc.lock").exists()
    assert not list((project / ".dvc" / "cache").glob("runs/*/*/*"))
    assert set(on_cluster(machines, project, REPRO)[1]) == {"slow"}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_runs_ends_with_the_one_who_asked(
    machines: Machines, tmp_path: Path, how: signal.Signals
) -> None:
    project = make(
        tmp_path / "project",
        {"quick": stage("quick"), "slow": stage("slow", "quick", first=SLEEP)},
    )
    driver = start_driver(machines, project, REPRO)
    try:
        running = wait_until(
            lambda: [
                process
                for name in ("one", "two")
                for process in machines.find_commands(name, "sleep")
            ]
        )
        driver.send_signal(how)
        driver.wait(60)
    finally:
        driver.kill()
        driver.communicate()
    alive = psutil.wait_procs(running, timeout=5)[1]
    assert not alive
    assert len(list((project / ".dvc/tmp").glob("cluster-*"))) == (how is signal.SIGKILL)
    if how is not signal.SIGKILL:
        assert driver.returncode == 130
        assert set(read_lock(project)) == {"quick"}
    replace(project / "dvc.yaml", SLEEP, "sleep 0")
    assert set(on_cluster(machines, project, REPRO)[1]) - {"quick"} == {"slow"}
    assert not list((project / ".dvc/tmp").glob("cluster-*"))


def test_a_killed_worker_is_started_again_and_its_stage_goes_on_elsewhere(
    own: Machines, tmp_path: Path
) -> None:
    project = make(tmp_path / "project", {"slow": sleep_once(tmp_path / "began")})
    own.start_worker("one")
    driver = start_driver(own, project, REPRO)
    try:
        (command, *_) = wait_until(lambda: own.find_commands("one", "sleep"))
        own.start_worker("two")
        own.find_worker("one").kill()
        psutil.wait_procs([command], timeout=2)
        assert not command.is_running()
        said, _ = driver.communicate(timeout=60)
    finally:
        driver.kill()
    assert driver.returncode == 0, said
    assert "(again: one was lost)" in said
    assert (project / "slow.txt").read_text() == "source\nslow\n"
    wait_until(lambda: own.said("one").count("joined") == 2)
    assert not list((own.folder / "one/.cluster/machine").glob("sandboxes/*"))
    assert repro(project) == []


def test_a_machine_that_is_turned_off(own: Machines, tmp_path: Path) -> None:
    began = tmp_path / "began"
    project = make(tmp_path / "project", {"slow": sleep_once(began)})
    own.start_worker("one")
    driver = start_driver(own, project, REPRO)
    try:
        wait_until(began.exists)
        own.start_worker("two")
        own.kill("one")
        said, _ = driver.communicate(timeout=60)
    finally:
        driver.kill()
    assert driver.returncode == 0, said
    assert "two (again: one was lost)" in said
    assert repro(project) == []


def test_a_scheduler_that_is_killed(own: Machines, tmp_path: Path) -> None:
    stages = {"quick": stage("quick"), "slow": stage("slow", "quick", first=SLEEP)}
    project = make(tmp_path / "project", stages)
    own.start_worker("one")
    driver = start_driver(own, project, REPRO)
    try:
        running = wait_until(lambda: own.find_commands("one", "sleep"))
        own.kill("scheduler")
        said, _ = driver.communicate(timeout=60)
    finally:
        driver.kill()
    assert driver.returncode == 2
    assert "Traceback" not in said, said
    assert said.splitlines()[-1].startswith("repro: error: the scheduler was lost; ")
    alive = psutil.wait_procs(running, timeout=10)[1]
    assert not alive
    assert set(read_lock(project)) == {"quick"}
    own.start_scheduler()
    wait_until(lambda: own.said("one").count("joined") == 2)
    replace(project / "dvc.yaml", SLEEP, "sleep 0")
    assert set(on_cluster(own, project, REPRO)[1]) == {"slow"}


def test_a_damaged_file_is_noticed_and_fetched_again(own: Machines, tmp_path: Path) -> None:
    stages = {"one": stage("one"), "two": stage("two", "one"), "three": stage("three", "two")}
    project = make(tmp_path / "project", stages)
    own.start_worker("one")
    on_cluster(own, project, REPRO)
    for place in ("scheduler/.cluster/scheduler", "one/.cluster/machine/depot"):
        for path in (own.folder / place).glob("??/*"):
            path.write_bytes(b"damaged")
    replace(project / "dvc.yaml", "echo three", "echo other")
    said, where = on_cluster(own, project, REPRO)
    assert set(where) == {"three"}, said
    assert (project / "three.txt").read_text() == "source\nsource\nsource\none\ntwo\nother\n"


def test_no_machine_at_all(own: Machines, tmp_path: Path) -> None:
    project = make(tmp_path / "project", {"one": stage("one")})
    started = time.monotonic()
    said, _ = on_cluster(own, project, REPRO, status=2)
    assert "has no machine that could run a stage; run `make worker`" in said
    own.kill("scheduler")
    said, _ = on_cluster(own, project, REPRO, status=2)
    assert "no scheduler answers" in said
    assert time.monotonic() - started < 60
