"""A cluster for tests: a real scheduler and real workers, each in a folder of its own."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import ENVIRONMENT, run
from shell_stages import copy_code

SECONDS = 60.0  # after which a test gives up


def wait_until(what: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """What a function returns once that is true."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
    return found


def find_port() -> int:
    """A port of this machine that is free."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def find_commands(folder: Path, program: str = "") -> list[psutil.Process]:
    """The processes that run commands of stages for the worker of a folder, named `program`."""
    found = []
    for process in psutil.process_iter():
        try:
            runs = process.cwd().startswith(f"{folder}/sandboxes") and program in process.name()
            if runs and process.status() != "zombie":
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def find_open_ports(process: psutil.Process) -> set[int]:
    """The ports of a process that other machines can reach."""
    return {
        one.laddr.port
        for one in process.net_connections("inet")
        if one.status == psutil.CONN_LISTEN and not one.laddr.ip.startswith(("127.", "::1"))
    }


@dataclass
class Machines:
    """A scheduler and workers, in folders of their own below `folder`; they end with the block.

    `keys` is a folder with certificates, of which each machine gets a copy; `within`, what a
    machine's commands begin with, by its name.
    """

    folder: Path
    protocol: str = "tcp"
    host: str = "127.0.0.1"
    keys: Path | None = None
    within: dict[str, list[str]] = field(default_factory=dict)
    port: int = field(default_factory=find_port)
    programs: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """The scheduler's address."""
        return f"{self.protocol}://{self.host}:{self.port}"

    def __enter__(self) -> "Machines":
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self.programs):
            self.kill(name)

    def place(self, name: str) -> Path:
        """The folder of a machine."""
        folder = self.folder / name
        if not folder.exists():
            copy_code(folder)
            if self.keys:
                shutil.copytree(self.keys, folder / ".cluster" / "keys")
        return folder

    def start(
        self, name: str, *command: str, python: str = sys.executable, **variables: str
    ) -> None:
        """Starts a program on a machine; what it prints is added to `said`."""
        folder = self.place(name)
        with (self.folder / f"{name}.log").open("ab") as log:
            self.programs[name] = subprocess.Popen(
                [*self.within.get(name, []), python, "-m", *command],
                cwd=folder,
                env=ENVIRONMENT | variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_scheduler(self) -> None:
        """Starts the scheduler, and waits until it listens."""
        self.start("scheduler", "tools.scheduler", self.address, "--dashboard", str(find_port()))

        def listens() -> bool:
            with socket.socket() as one:
                return one.connect_ex((self.host, self.port)) == 0

        wait_until(listens)

    def start_worker(self, name: str, slots: int = 1, **settings: str) -> None:
        """Starts a worker, and waits until it has joined."""
        before = self.said(name).count(": joined")
        options = ["--slots", str(slots), "--name", name]
        self.start(name, "tools.worker", self.address, *options, **settings)
        wait_until(lambda: self.said(name).count(": joined") > before)

    def said(self, name: str) -> str:
        """What a machine's program has printed."""
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def find_worker(self, name: str) -> psutil.Process:
        """The process of Dask's worker on a machine."""
        (worker,) = psutil.Process(self.programs[name].pid).children()
        return worker

    def find_commands(self, name: str, program: str = "") -> list[psutil.Process]:
        """The processes that run commands of stages on a machine, those named `program`."""
        return find_commands(self.folder / name / ".cluster" / "machine", program)

    def kill(self, name: str) -> None:
        """Kills the program of a machine with all that it has started, as if it was turned off."""
        program = self.programs.pop(name)
        try:
            started = [psutil.Process(program.pid), *psutil.Process(program.pid).children(True)]
        except psutil.NoSuchProcess:
            started = []
        for process in started:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        program.wait()

    def end(self, name: str) -> int:
        """Ends the program of a machine as Ctrl-C does, and returns its exit status."""
        program = self.programs.pop(name)
        program.send_signal(signal.SIGINT)
        return program.wait(SECONDS)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """A scheduler, and two machines with one slot each."""
    with Machines(tmp_path_factory.mktemp("machines")) as cluster:
        cluster.start_scheduler()
        for name in ("one", "two"):
            cluster.start_worker(name)
        yield cluster


def on_cluster(
    machines: Machines, project: Path, *command: str, status: int | None = 0
) -> tuple[str, dict[str, str]]:
    """What a command on a cluster prints, and where each stage that it names ran."""
    result = run(
        "python", "-m", *command, "--cluster", machines.address, cwd=project, status=status
    )
    found = re.findall(r"^(\S+) +ran +[\d.]+ s(?:   (.+))?$", result.stdout, re.M)
    return result.stdout + result.stderr, dict(found)


def start_driver(machines: Machines, project: Path, *command: str) -> subprocess.Popen[str]:
    """Starts a command on a cluster, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", *command, "--cluster", machines.address],
        cwd=project,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def require_packages() -> None:
    """Skips a module of tests where the optional packages are missing."""
    pytest.importorskip("distributed", reason="make setup EXTRA=cluster")
