"""Machines of a cluster take big files from a remote: they do not pass the scheduler."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from bucket import Bucket, open_bucket
from conftest import make_repro, read_lock, replace, run
from machines import Machines, on_cluster, require_packages
from shell_stages import make

require_packages()
pytestmark = [pytest.mark.cluster, pytest.mark.slow]
SIZE = 20_000_000
MORE = 2_000_000
STAGES = {
    "write": {
        "cmd": f"yes source | head -c {SIZE} > written.bin; yes | head -c {MORE} > more.bin",
        "deps": ["source.txt"],
        "outs": ["written.bin", "more.bin"],
    },
    "read": {
        "cmd": "cat written.bin more.bin | cksum > read.txt",
        "deps": ["written.bin", "more.bin"],
        "outs": ["read.txt"],
    },
}


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    """A scheduler."""
    with Machines(tmp_path / "machines") as cluster:
        cluster.start_scheduler()
        yield cluster


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A new bucket."""
    with open_bucket(monkeypatch) as one:
        yield one


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that has run here, and whose stage that reads must run again."""
    folder = make(tmp_path / "project", STAGES)
    make_repro(folder)
    replace(folder / "dvc.yaml", "| cksum", "|  cksum")
    return folder


def set_directory(project: Path) -> Path:
    """Makes a directory the default remote."""
    storage = project.parent / "storage"
    run("dvc", "remote", "add", "-d", "storage", storage, cwd=project)
    return storage


def push(project: Path) -> str:
    """Sends all to the remote; the MD5 of the biggest file."""
    run("python", "-m", "tools.push", cwd=project)
    outs = {out["path"]: out["md5"] for out in read_lock(project)["write"]["outs"]}
    return str(outs["written.bin"])


def start_worker(machines: Machines, project: Path | None = None) -> None:
    """Starts a machine, with the remote of a project or none."""
    if project is not None:
        shutil.copytree(
            project / ".dvc", machines.place("one") / ".dvc", ignore=lambda *_: ["cache", "tmp"]
        )
    machines.start_worker("one")


def run_there(machines: Machines, project: Path) -> tuple[str, int]:
    """Runs a stage on the machine; what is said, and the bytes that the scheduler has got."""
    said, where = on_cluster(machines, project, "tools.repro")
    assert where == {"read": "one"}, said
    assert (project / "read.txt").read_text().endswith(f" {SIZE + MORE}\n")
    depot = machines.folder / "scheduler" / ".cluster" / "scheduler"
    return said, sum(path.stat().st_size for path in depot.rglob("*") if path.is_file())


def test_from_a_directory(machines: Machines, project: Path) -> None:
    set_directory(project)
    push(project)
    start_worker(machines, project)
    said, passed = run_there(machines, project)
    assert passed < 1000
    assert "remote" not in said + machines.said("one")


def test_from_a_bucket(machines: Machines, project: Path, bucket: Bucket) -> None:
    bucket.set_remote(project)
    push(project)
    start_worker(machines, project)
    said, passed = run_there(machines, project)
    assert passed < 1000
    assert "remote" not in said + machines.said("one")


def test_a_machine_without_a_remote_gets_it_from_the_scheduler(
    machines: Machines, project: Path
) -> None:
    set_directory(project)
    push(project)
    start_worker(machines)
    said, passed = run_there(machines, project)
    assert passed >= SIZE + MORE
    assert "remote" not in said + machines.said("one")


def test_what_the_remote_lacks_comes_from_the_scheduler(machines: Machines, project: Path) -> None:
    set_directory(project)
    start_worker(machines, project)
    said, passed = run_there(machines, project)
    assert passed >= SIZE + MORE
    assert "remote" not in said + machines.said("one")


@pytest.mark.parametrize("more", [b"", b"more"])
def test_what_is_damaged_there_comes_from_the_scheduler(
    machines: Machines, project: Path, more: bytes
) -> None:
    storage = set_directory(project)
    md5 = push(project)
    path = storage / "files" / "md5" / md5[:2] / md5[2:]
    path.chmod(0o644)
    path.write_bytes(b"S" + path.read_bytes()[1:] + more)
    start_worker(machines, project)
    _, passed = run_there(machines, project)
    assert passed >= SIZE
    line = f"one: the remote's {md5} has other content than its name says; it goes through the "
    assert machines.said("one").count(line) == 1


def test_a_remote_that_cannot_be_used_fails_no_stage(
    machines: Machines, project: Path, bucket: Bucket
) -> None:
    bucket.set_remote(project)
    run("dvc", "remote", "modify", "storage", "endpointurl", "http://127.0.0.1:1", cwd=project)
    start_worker(machines, project)
    said, passed = run_there(machines, project)
    assert passed >= SIZE + MORE
    line = "the remote storage (s3://classifiers/storage) cannot be used: Could not connect to "
    assert said.count(line) == 1
    assert machines.said("one").count(f"one: {line}") == 1
