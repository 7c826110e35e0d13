"""A clone gets what another trained from a remote: a directory, and a real SSH server."""

import getpass
import hashlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import BIN, ENVIRONMENT, make_repro, read_lock, repro, run, without_times

from tools.store.objects import is_intact

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/sbin")
SERVER = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
UsePAM no
StrictModes no
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
"""
CLIENT = """
Host storage-server
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {folder}/user
"""


@pytest.fixture
def ssh_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A folder behind its own SSH server, whose name and key are in `~/.ssh/config`."""
    if SSHD is None:
        pytest.skip("sshd is not installed (Debian: apt-get install openssh-server)")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd as root does not start without it
    folder = tmp_path / "ssh"
    home = folder / "home"
    (home / ".ssh").mkdir(parents=True)
    for key in ("host", "user"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key, cwd=tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "sshd_config").write_text(SERVER.format(port=port, folder=folder))
    client = CLIENT.format(port=port, user=getpass.getuser(), folder=folder)
    (home / ".ssh" / "config").write_text(client)
    monkeypatch.setitem(ENVIRONMENT, "HOME", str(home))
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=log)
    try:
        wait_until_it_listens(server, port, folder / "log")
        yield f"ssh://storage-server{tmp_path}/storage"
    finally:
        server.terminate()
        server.wait()


def wait_until_it_listens(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Returns when a connection to the port succeeds."""
    for _ in range(100):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert server.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(f"sshd does not listen: {log.read_text()}")


def test_a_directory_as_remote(project: Path, tmp_path: Path) -> None:
    push_and_reproduce_in_a_clone(project, str(tmp_path / "storage"))


def test_an_ssh_server_as_remote(project: Path, ssh_url: str) -> None:
    push_and_reproduce_in_a_clone(project, ssh_url)


def push_and_reproduce_in_a_clone(project: Path, url: str) -> None:
    storage = project.parent / "storage"
    clone = project.parent / "clone"
    run("dvc", "remote", "add", "-d", "storage", url, cwd=project)
    run("git", "commit", "-qam", "remote", cwd=project)
    run("dvc", "push", "--run-cache", cwd=project)
    assert run("git", "status", "--porcelain", cwd=project).stdout == ""
    assert pushed(storage, project / "data/models/cifar10-cnn.onnx")
    for path in (project / "data" / "toy").rglob("*.*"):
        assert not pushed(storage, path), f"{path} is in git"

    run("git", "clone", "-q", project, clone, cwd=project)
    run("python", "-m", "tools.pull", cwd=clone)
    assert_the_same_bytes(clone, project)
    assert run("git", "status", "--porcelain", cwd=clone).stdout == ""
    assert repro(clone) == []

    model = storage / "files" / "md5" / relative_path(clone / "data/models/cifar10-cnn.onnx")
    model.chmod(0o644)
    content = model.read_bytes()
    model.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    shutil.rmtree(clone / ".dvc/cache")
    said = run("python", "-m", "tools.pull", cwd=clone, status=2).stderr
    assert "data/models/cifar10-cnn.onnx: the remote's " in said


def pushed(storage: Path, path: Path) -> bool:
    """Whether a remote contains a file."""
    return (storage / "files" / "md5" / relative_path(path)).exists()


def relative_path(path: Path) -> Path:
    """Where a file is in DVC's stores, by its content."""
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    return Path(md5[:2], md5[2:])


# What shows the times of `profile`, which differ whenever it runs.
TIMED = ("metrics/profile/*", "data/models/*.md", "plots/tradeoff.png", "plots/README.md")


def assert_the_same_bytes(clone: Path, project: Path, but: tuple[str, ...] = ()) -> None:
    """Compares dvc.lock and every file in the folders of results."""
    locks = [(without_times if but else read_lock)(folder) for folder in (clone, project)]
    assert locks[0] == locks[1]
    for folder in ("data", "metrics", "plots"):
        files = [p.relative_to(project) for p in (project / folder).rglob("*") if p.is_file()]
        for path in files:
            if not any(path.match(pattern) for pattern in but):
                assert (clone / path).read_bytes() == (project / path).read_bytes(), path


def test_after_make_push_not_even_what_is_not_committed_is_trained_again(
    project: Path, tmp_path: Path
) -> None:
    run("dvc", "remote", "add", "-d", "storage", tmp_path / "storage", cwd=project)
    run("git", "commit", "-qam", "remote", cwd=project)
    run("git", "clone", "-q", project, tmp_path / "clone", cwd=tmp_path)
    edit(project)
    make_repro(project)
    said, counted = run_push(project).stdout.splitlines()
    assert said == "`verify` is set for the remote storage: commit .dvc/config"
    assert re.fullmatch(r"\d+ runs, \d+ files", counted)

    edit(tmp_path / "clone")
    states = make_repro(tmp_path / "clone", "--pull")
    assert states["train@fashion_mnist-svc"] == "from the cache"
    assert states["evaluate@fashion_mnist-svc"] == "from the cache"
    # DVC keeps no run that has only files of git.
    drawn = {f"{stage}@fashion_mnist-svc" for stage in ("profile", "plot", "card")}
    assert {name for name, state in states.items() if state == "ran"} == {*drawn, "compare"}
    assert_the_same_bytes(tmp_path / "clone", project, but=TIMED)


def test_two_clones_that_push_at_once_leave_a_remote_that_has_all(
    project: Path, tmp_path: Path
) -> None:
    run("dvc", "remote", "add", "-d", "storage", tmp_path / "storage", cwd=project)
    clones = [shutil.copytree(project, tmp_path / name) for name in ("one", "two")]
    edit(clones[0])
    make_repro(clones[0])
    command: list[str | Path] = [BIN / "python", "-m", "tools.push"]
    pushing = [subprocess.Popen(command, cwd=clone, env=ENVIRONMENT) for clone in clones]
    assert [process.wait(timeout=60) for process in pushing] == [0, 0]
    for clone in clones:
        for path in (clone / "data/models").glob("*.onnx"):
            assert pushed(tmp_path / "storage", path)
    objects = [path for path in (tmp_path / "storage/files/md5").rglob("*") if path.is_file()]
    assert len(objects) > 30
    for path in objects:
        assert is_intact(path, path.parent.name + path.name)


def edit(project: Path) -> None:
    content = (project / "params.yaml").read_text()
    assert "C: 1.0, kernel" in content
    (project / "params.yaml").write_text(content.replace("C: 1.0, kernel", "C: 10.0, kernel"))


def run_push(project: Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    return run("python", "-m", "tools.push", cwd=project, status=status)


@pytest.mark.slow
def test_make_push_without_a_remote_says_how_to_set_one(untrained: Path) -> None:
    error = run_push(untrained, status=2).stderr
    assert error.startswith("push: error: ")
    assert "dvc remote add -d" in error
    assert len(error.splitlines()) == 1
