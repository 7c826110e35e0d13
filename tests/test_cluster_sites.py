"""Machines that others start, as docs/cluster_sites.md says: jobs of SLURM, pods of Kubernetes."""

import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
import yaml
from conftest import ENVIRONMENT, ROOT, read_lock, repro, run
from machines import (
    Machines,
    find_commands,
    find_open_ports,
    find_port,
    on_cluster,
    require_packages,
    start_driver,
    wait_until,
)
from shell_stages import CODE, copy_code, make, stage

from tools.cluster.keys import write_keys

require_packages()
pytest.importorskip("dask_jobqueue", reason="make setup EXTRA=cluster")
pytestmark = [pytest.mark.cluster, pytest.mark.slow]
REPRO = "tools.repro"
PAGE = (ROOT / "docs" / "cluster_sites.md").read_text(encoding="utf-8")
# As SLURM, sbatch keeps a copy of the script, which its caller deletes, and runs it in the folder
# from which it was called; scancel ends all processes of a job.
SBATCH = """#!/bin/sh
job=1
until mkdir "$JOBS/$job" 2> /dev/null; do job=$((job + 1)); done
cp "$1" "$JOBS/$job/script"
SLURM_JOB_ID=$job setsid bash "$JOBS/$job/script" > "$JOBS/$job/log" 2>&1 < /dev/null &
echo $! > "$JOBS/$job/pid"
echo "Submitted batch job $job"
"""
SCANCEL = """#!/bin/sh
touch "$JOBS/$1/cancelled"
kill -TERM "-$(cat "$JOBS/$1/pid")"
"""


@dataclass
class Slurm:
    """Stand-ins for SLURM's programs in a folder, and the script that starts machines with them."""

    folder: Path
    project: Path
    port: int = field(default_factory=find_port)

    @property
    def scratch(self) -> Path:
        """A folder on a node's disk: with a short name, for sockets of at most 108 characters."""
        return Path(tempfile.gettempdir()) / f"slurm-{self.port}"

    @property
    def variables(self) -> dict[str, str]:
        """The environment in which the stand-ins are found."""
        return ENVIRONMENT | {
            "PATH": f"{self.folder}:{ENVIRONMENT['PATH']}",
            "JOBS": str(self.folder / "jobs"),
            "TMPDIR": str(self.scratch),
        }

    @property
    def machines(self) -> Machines:
        """What `on_cluster` needs to know."""
        return Machines(self.folder, "tls", port=self.port)

    def install(self) -> None:
        """Writes the programs."""
        (self.folder / "jobs").mkdir(parents=True)
        self.scratch.mkdir()
        for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o755)

    def start(self) -> subprocess.Popen[bytes]:
        """Starts the page's script, with small jobs and other ports."""
        (text,) = find_blocks("python")
        for old, new in (
            ("8786", str(self.port)),
            ("8787", str(find_port())),
            ("cores=8", "cores=1"),
            ("sleep(60)", "sleep(1)"),
        ):
            assert text.count(old) == 1
            text = text.replace(old, new)
        (self.project / "start_slurm.py").write_text(text)
        with (self.folder / "said").open("wb") as said:
            return subprocess.Popen(
                [sys.executable, "start_slurm.py"],
                cwd=self.project,
                env=self.variables,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def cancel(self, job: int) -> None:
        """Ends a job as a person does."""
        subprocess.run([self.folder / "scancel", str(job)], env=self.variables, check=True)

    def read(self, job: int, name: str) -> str:
        """A file of a job."""
        path = self.folder / "jobs" / str(job) / name
        return path.read_text() if path.exists() else ""

    def find_joined(self) -> set[int]:
        """The jobs whose workers have joined the scheduler."""
        jobs = {int(path.name) for path in (self.folder / "jobs").iterdir()}
        return {job for job in jobs if ": joined tls://" in self.read(job, "log")}

    def find_processes(self) -> dict[int, list[psutil.Process]]:
        """What runs of each job: its shell, and what that has started."""
        found = {}
        for path in (self.folder / "jobs").glob("*/pid"):
            try:
                shell = psutil.Process(int(path.read_text()))
                if shell.status() != psutil.STATUS_ZOMBIE:
                    found[int(path.parent.name)] = [shell, *shell.children(recursive=True)]
            except (psutil.NoSuchProcess, ValueError):
                continue
        return found

    def find_commands(self, program: str) -> list[psutil.Process]:
        """The processes that run commands of stages, and are named `program`."""
        folders = self.scratch.glob("tmp.*")
        return [one for folder in folders for one in find_commands(folder / "machine", program)]


def find_blocks(language: str) -> list[str]:
    """The blocks of the page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.S | re.M)


@contextmanager
def started(slurm: Slurm) -> Iterator[subprocess.Popen[bytes]]:
    """The script, whose two jobs have joined; all that it starts ends with the block."""
    slurm.install()
    write_keys(slurm.project / ".cluster" / "keys")
    script = slurm.start()
    try:
        wait_until(lambda: len(slurm.find_joined()) == 2)
        yield script
    finally:
        script.kill()
        script.wait()
        for processes in slurm.find_processes().values():
            for process in processes:
                if process.is_running():
                    process.kill()
        shutil.rmtree(slurm.scratch, ignore_errors=True)


def test_jobs_run_stages_with_the_same_bytes(tmp_path: Path) -> None:
    stages = {
        "left": stage("left", first="sleep 2"),
        "right": stage("right", first="sleep 2"),
        "both": stage("both", "left", "right"),
    }
    project, alone = (make(tmp_path / name, stages) for name in ("project", "alone"))
    slurm = Slurm(tmp_path / "slurm", project)
    with started(slurm) as script:
        said = (slurm.folder / "said").read_text()
        assert re.fullmatch(rf"tls://[\d.]+:{slurm.port}\n", said), said
        header = re.findall("^#SBATCH (.+)$", slurm.read(1, "script"), re.M)
        assert {"-t 12:00:00", "--mem=30G", "--cpus-per-task=1", "-n 1"} <= set(header)
        for processes in slurm.find_processes().values():
            assert len(find_open_ports(processes[1])) == 1
        assert find_open_ports(psutil.Process(script.pid)) == {slurm.port}

        said, where = on_cluster(slurm.machines, project, REPRO)
        assert {where["left"], where["right"]} == {"SLURMCluster-0", "SLURMCluster-1"}, said
        run("dvc", "repro", "-q", cwd=alone)
        assert (project / "dvc.lock").read_text() == (alone / "dvc.lock").read_text()
        assert (project / "both.txt").read_bytes() == (alone / "both.txt").read_bytes()
        assert repro(project) == []

        script.send_signal(signal.SIGINT)
        assert script.wait(60) == 0
        wait_until(lambda: not slurm.find_processes())
        assert not list(slurm.scratch.glob("tmp.*"))
        assert len(list((slurm.folder / "jobs").glob("*/cancelled"))) == 2
        assert "Traceback" not in (slurm.folder / "said").read_text()


def test_the_script_wants_certificates_that_only_you_can_read(tmp_path: Path) -> None:
    slurm = Slurm(tmp_path / "slurm", make(tmp_path / "project", {}))
    slurm.install()
    key = slurm.project / ".cluster" / "keys" / "node-key.pem"
    for expected in ("run `make cluster-keys`", "others can read .cluster/keys/node-key.pem"):
        with slurm.start() as script:
            assert script.wait(60) == 1
        assert expected in (slurm.folder / "said").read_text().splitlines()[-1]
        if not key.exists():
            write_keys(key.parent)
            key.chmod(0o640)
    shutil.rmtree(slurm.scratch)


def test_a_cancelled_job_is_submitted_again_and_its_stage_runs_again(tmp_path: Path) -> None:
    flag = tmp_path / "again"
    first = f"if [ -e {flag} ]; then true; else touch {flag}; sleep 300; fi"
    project = make(tmp_path / "project", {"slow": stage("slow", first=first)})
    slurm = Slurm(tmp_path / "slurm", project)
    with started(slurm):
        driver = start_driver(slurm.machines, project, REPRO)
        try:
            (command,) = wait_until(lambda: slurm.find_commands("sleep"))
            folder = str(Path(command.cwd()).parents[2])
            (job,) = (
                job
                for job, processes in slurm.find_processes().items()
                if processes[0].children()[0].environ()["CLUSTER_FOLDER"] == folder
            )
            slurm.cancel(job)
            assert not psutil.wait_procs([command], timeout=10)[1]
            said, _ = driver.communicate(timeout=60)
        finally:
            driver.kill()
        assert driver.returncode == 0, said
        assert re.search(r"\(again: SLURMCluster-\d was lost\)", said), said
        assert set(read_lock(project)) == {"slow"}
        wait_until(lambda: slurm.find_joined() == {1, 2, 3})
        assert len(slurm.find_processes()) == 2


def test_two_machines_share_a_folder(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    stages = {name: stage(name, first="sleep 3") for name in ("left", "right")}
    project = make(tmp_path / "project", {"slow": stage("slow", first="sleep 10")} | stages)
    with Machines(tmp_path / "cluster") as machines:
        machines.start_scheduler()
        machines.start_worker("one")
        (machines.folder / "two").symlink_to(machines.place("one"))
        driver = start_driver(machines, project, REPRO)
        try:
            wait_until(lambda: machines.find_commands("one"))
            machines.start_worker("two")
            said, _ = driver.communicate(timeout=60)
        finally:
            driver.kill()
        assert driver.returncode == 0, said
        assert set(re.findall(r" s   (\w+)$", said, re.M)) == {"one", "two"}
        assert set(read_lock(project)) == {"slow", "left", "right"}


def test_the_manifest_and_the_image_of_kubernetes(tmp_path: Path) -> None:
    (text,) = find_blocks("yaml")
    manifest = yaml.safe_load(text)
    assert (manifest["apiVersion"], manifest["kind"]) == ("kubernetes.dask.org/v1", "DaskCluster")
    name = manifest["metadata"]["name"]
    scheduler = manifest["spec"]["scheduler"]
    assert scheduler["service"]["selector"] == {
        "dask.org/cluster-name": name,
        "dask.org/component": "scheduler",
    }
    (recipe,) = find_blocks("dockerfile")
    copied = re.findall(r"^COPY --chown=\S+ (.+) \S+$", recipe, re.M)
    files = [path.name for names in copied for one in names.split() for path in ROOT.glob(one)]
    assert set(files) >= {*CODE, "Makefile"}

    port = find_port()
    write_keys(tmp_path / "keys")
    commands = {
        what: " ".join(manifest["spec"][what]["spec"]["containers"][0]["args"][2].split())
        for what in ("scheduler", "worker")
    }
    assert f" tls://{name}-scheduler:8786 " in commands["worker"]
    changed = {
        "/keys/*": f"{tmp_path}/keys/*",
        "tools.scheduler": f"tools.scheduler tls://127.0.0.1:{port} --dashboard {find_port()}",
        f"{name}-scheduler:8786": f"127.0.0.1:{port}",
    }
    with ExitStack() as stack:
        for what, command in commands.items():
            for old, new in changed.items():
                command = command.replace(old, new)
            folder = copy_code(tmp_path / what)
            (folder / ".venv").symlink_to(sys.prefix)
            with (folder / "log").open("wb") as log:
                pod = subprocess.Popen(
                    ["sh", "-c", command],
                    cwd=folder,
                    env=ENVIRONMENT | {"DASK_WORKER_NAME": "pod"},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            stack.callback(pod.wait)
            stack.callback(pod.terminate)
        said = f"pod: joined tls://127.0.0.1:{port} with 8 slots\n"
        wait_until(lambda: (tmp_path / "worker" / "log").read_text().endswith(said))
