"""Who may join a cluster, and who gets no stage: real machines, other versions, certificates."""

import dataclasses
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import BIN, ENVIRONMENT, run
from machines import Machines, find_port, on_cluster, require_packages, wait_until
from shell_stages import copy_code, make, stage

require_packages()
from tools.cluster.facts import explain_difference, find_facts  # noqa: E402

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
REPRO = "tools.repro"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A pipeline of four stages."""
    return make(tmp_path / "project", {name: stage(name) for name in ("a", "b", "c", "d")})


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Machines]:
    """A scheduler."""
    with Machines(tmp_path / "machines") as found:
        found.start_scheduler()
        yield found


def test_machines_that_compute_otherwise_get_no_stage(
    cluster: Machines, project: Path, tmp_path: Path
) -> None:
    # Another version of a package: an environment that has only it, and all else from this one.
    environment = tmp_path / "environment"
    venv.create(environment, symlinks=True)
    packages = next(environment.glob("lib/python*/site-packages"))
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--target",
        packages,
    ]
    subprocess.run([*pip, "numpy==2.4.5"], env=ENVIRONMENT, check=True)
    (packages / "rest.pth").write_text(f"{next(BIN.parent.glob('lib/python*/site-packages'))}\n")
    cluster.start_worker("package", python=str(environment / "bin" / "python"))
    for name, file in (("lock", "requirements.lock"), ("runner", "tools/cluster/depot.py")):
        with (cluster.place(name) / file).open("a") as edited:
            edited.write("# edited\n")
        cluster.start_worker(name)
    said, _ = on_cluster(cluster, project, REPRO, status=2)  # at once, with none that could
    assert "none of its machines computes as this one" in said
    assert "package (1 slot) is not used: numpy 2.4.5, here 2.4.6: run `make setup` th" in said
    assert "lock (1 slot) is not used: requirements.lock " in said
    assert "runner (1 slot) is not used: tools/cluster and what it uses " in said
    cluster.start_worker("good")
    said, where = on_cluster(cluster, project, REPRO)
    assert set(where.values()) == {"good"}
    assert said.count("is not used") == 3


def test_another_python_or_processor_is_named() -> None:
    here = find_facts("here", 2)
    assert explain_difference(here, here, any_processor=False) == ""
    other = dataclasses.replace(here, name="there", slots=8, host="another")
    assert explain_difference(other, here, any_processor=False) == ""
    for what, value, words in (
        ("python", "3.12.1", f"Python 3.12.1, here {here.python}"),
        ("system", "Darwin arm64", f"System Darwin arm64, here {here.system}"),
        ("processor", "Other (abc)", f"Other (abc), here {here.processor}: another kind may"),
    ):
        changed: dict[str, Any] = {what: value}
        other = dataclasses.replace(here, **changed)
        assert explain_difference(other, here, any_processor=False).startswith(words)
        allowed = explain_difference(other, here, any_processor=True) == ""
        assert allowed == (what == "processor")


def make_keys(folder: Path) -> Path:
    """New certificates, in a folder with the code of a machine."""
    run("python", "-m", "tools.cluster_keys", cwd=copy_code(folder))
    return folder / ".cluster" / "keys"


def give(keys: Path, folder: Path) -> None:
    """Copies certificates to a machine, as `scp -p` does."""
    shutil.rmtree(folder / ".cluster" / "keys", ignore_errors=True)
    shutil.copytree(keys, folder / ".cluster" / "keys")


def test_certificates(tmp_path: Path, project: Path) -> None:
    keys, strange = make_keys(tmp_path / "own"), make_keys(tmp_path / "strange")
    assert (
        "exists; remove it"
        in run("python", "-m", "tools.cluster_keys", cwd=tmp_path / "own", status=2).stderr
    )
    assert keys.stat().st_mode & 0o777 == 0o700
    assert (keys / "node-key.pem").stat().st_mode & 0o777 == 0o600
    assert not list(keys.glob("ca-key*"))
    with Machines(tmp_path / "machines", "tls") as cluster:
        for name in ("scheduler", "one", "stranger"):
            give(strange if name == "stranger" else keys, cluster.place(name))
        cluster.start_scheduler()
        cluster.start_worker("one")
        # A driver without certificates, with others, with a key that all can read, without TLS.
        said, _ = on_cluster(cluster, project, REPRO, status=2)
        assert ".cluster/keys/ca.pem is missing; run `make cluster-keys` on one machine" in said
        give(strange, project)
        said, _ = on_cluster(cluster, project, REPRO, status=2)
        assert "its certificates are of another cluster" in said
        give(keys, project)
        (project / ".cluster/keys/node-key.pem").chmod(0o644)
        said, _ = on_cluster(cluster, project, REPRO, status=2)
        assert "others can read .cluster/keys/node-key.pem" in said
        (project / ".cluster/keys/node-key.pem").chmod(0o600)
        cluster.protocol = "tcp"
        said, _ = on_cluster(cluster, project, REPRO, status=2)
        assert "the scheduler wants certificates; use tls://" in said
        cluster.protocol = "tls"
        # A worker with others is told so, and never joins.
        cluster.start("stranger", "tools.worker", cluster.address, "--name", "stranger")
        wait_until(lambda: "its certificates are of another cluster" in cluster.said("stranger"))
        said, where = on_cluster(cluster, project, REPRO)
        assert set(where.values()) == {"one"}
        assert "stranger" not in said
        assert "joined" not in cluster.said("stranger")


def test_what_listens_beyond_this_machine(tmp_path: Path) -> None:
    keys, port = make_keys(tmp_path / "own"), find_port()
    with Machines(tmp_path / "machines", "tls") as cluster:
        give(keys, cluster.place("scheduler"))
        address = f"tls://0.0.0.0:{cluster.port}"
        cluster.start("scheduler", "tools.scheduler", address, "--dashboard", str(port))
        process = psutil.Process(cluster.programs["scheduler"].pid)

        def listening() -> set[tuple[str, int]]:
            found = process.net_connections("tcp")
            return {one.laddr for one in found if one.status == psutil.CONN_LISTEN}

        wait_until(lambda: len(listening()) >= 2)
        assert listening() == {("0.0.0.0", cluster.port), ("127.0.0.1", port)}
        assert f"ssh -L {port}:127.0.0.1:{port}" in cluster.said("scheduler")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("tcp://192.0.2.7:8786", "whoever reaches this port runs code as you"),
        ("tcp://0.0.0.0:8786", "whoever reaches this port runs code as you"),
        ("head:8786", "write it as tls://HOST:8786"),
        ("tls://head", "write it as tls://HOST:8786"),
        ("tls://head:8786; touch x", "write it as tls://HOST:8786"),
    ],
)
def test_unsafe_addresses_are_refused(project: Path, address: str, words: str) -> None:
    for program in ("tools.repro --cluster", "tools.scheduler", "tools.worker"):
        said = run("python", "-m", *program.split(), address, cwd=project, status=2).stderr
        assert words in said
        assert len(said.splitlines()) == 1


def test_without_the_packages(project: Path) -> None:
    # As in an environment that was made without them: they cannot be found.
    hidden = "import sys; sys.modules['distributed'] = None; import runpy; del sys.argv[0]; "
    hidden += "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
    for program in (
        ("tools.repro", "--cluster", "tcp://127.0.0.1:1"),
        ("tools.scheduler", "tcp://127.0.0.1:1"),
        ("tools.worker", "tcp://127.0.0.1:1"),
    ):
        said = run("python", "-c", hidden, *program, cwd=project, status=2).stderr
        assert "run `make setup EXTRA=cluster`" in said
    run("python", "-c", hidden, "tools.repro", cwd=project)


def test_a_scheduler_of_dask_alone(project: Path, tmp_path: Path) -> None:
    with Machines(tmp_path / "machines") as cluster:
        options = ["--host", "127.0.0.1", "--port", str(cluster.port), "--no-dashboard"]
        cluster.start("scheduler", "distributed.cli.dask_scheduler", *options)
        wait_until(lambda: "Scheduler at" in cluster.said("scheduler"))
        said, _ = on_cluster(cluster, project, REPRO, status=2)
        assert "its scheduler is not one of this project; run `make scheduler`" in said


def test_a_folder_that_is_too_long_for_sockets(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 20)
    folder.mkdir()
    for command in (["tools.worker", "tcp://127.0.0.1:1"], ["tools.repro"]):
        result = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=project,
            env=ENVIRONMENT | {"TMPDIR": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 2
        assert "too long for a socket; set a shorter one, such as TMPDIR=/tmp" in result.stderr
