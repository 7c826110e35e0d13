"""A machine whose network is cut: its stage runs elsewhere, and it is used again once it is back.

The machine is a network namespace, joined to this one by a cable to a bridge. To cut it, the plug
at the bridge is taken out: no connection is told, as when a switch fails.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from conftest import replace, repro
from machines import (
    Machines,
    find_open_ports,
    on_cluster,
    require_packages,
    start_driver,
    wait_until,
)
from shell_stages import make, stage

from tools.cluster.keys import write_keys

require_packages()
pytestmark = [pytest.mark.cluster, pytest.mark.slow]
REPRO = "tools.repro"
IP = shutil.which("ip", path=f"{os.environ['PATH']}:/usr/sbin:/sbin") or ""
PLACES = 2**15  # blocks of 4 addresses in 198.18.0.0/15, which is for such tests (RFC 2544)
# A connection is given up 30 s after its last answer, by Dask's distributed.comm.timeouts.tcp.
# Measured on two loaded cores: a command is killed after 25 s, and has run elsewhere after 31 s.
DONE = 60.0  # seconds from the cut until the stage has run elsewhere
SHORT = 10.0  # seconds of a cut by which nothing may be lost


class Cable:
    """What joins a network namespace, as another machine, to this one; it can be cut."""

    def __init__(self) -> None:
        number = os.getpid()
        self.space, self.bridge = f"far{number}", f"br{number}"
        self.plug, self.far_plug = f"p{number}", f"q{number}"
        start = (198 << 24) + (18 << 16) + 4 * (number % PLACES)
        self.here, self.there = (
            ".".join(str((start + last) >> shift & 255) for shift in (24, 16, 8, 0))
            for last in (1, 2)
        )

    def lay(self) -> None:
        """Makes the namespace, and joins it."""
        far = ["-n", self.space]
        ip("netns", "add", self.space)
        ip("link", "add", self.bridge, "type", "bridge")
        ip("address", "add", f"{self.here}/30", "dev", self.bridge)
        ip("link", "add", self.plug, "type", "veth", "peer", "name", self.far_plug)
        ip("link", "set", self.far_plug, "netns", self.space)
        ip("link", "set", self.plug, "master", self.bridge)
        ip(*far, "address", "add", f"{self.there}/30", "dev", self.far_plug)
        for link in ("lo", self.far_plug):
            ip(*far, "link", "set", link, "up")
        for link in (self.plug, self.bridge):
            ip("link", "set", link, "up")

    def cut(self) -> None:
        """Takes the plug out."""
        ip("link", "set", self.plug, "down")

    def heal(self) -> None:
        """Puts the plug in again."""
        ip("link", "set", self.plug, "up")

    def remove(self) -> None:
        """Removes all of it that there is."""
        for command in (
            ("link", "delete", self.plug),
            ("link", "delete", self.bridge),
            ("netns", "delete", self.space),
        ):
            subprocess.run([IP, *command], check=False, capture_output=True)


def ip(*arguments: str) -> None:
    """Runs `ip`."""
    subprocess.run([IP, *arguments], check=True, capture_output=True, text=True)


@pytest.fixture
def cable() -> Iterator[Cable]:
    """A cable, where this process may lay one."""
    if not IP:
        pytest.skip("no `ip`: install iproute2")
    one = Cable()
    one.remove()  # what a killed process of the same number has left
    try:
        try:
            one.lay()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr.strip()}")
        yield one
    finally:
        one.remove()


@contextmanager
def far_machines(folder: Path, cable: Cable) -> Iterator[Machines]:
    """A scheduler here, with certificates, whose machine `one` is at the end of a cable."""
    write_keys(folder / "keys")
    with Machines(
        folder,
        "tls",
        cable.here,
        folder / "keys",
        within={"one": [IP, "netns", "exec", cable.space]},
    ) as cluster:
        cluster.start_scheduler()
        yield cluster


def find_sleep(machines: Machines, name: str) -> list[psutil.Process]:
    """The command that sleeps on a machine, once there is one."""
    found: list[psutil.Process] = wait_until(lambda: machines.find_commands(name, "sleep"))
    return found


def test_a_cut_network(tmp_path: Path, cable: Cable) -> None:
    flag = tmp_path / "again"
    first = f"if [ -e {flag} ]; then true; else touch {flag}; sleep 300; fi"
    stages = {"slow": stage("slow", first=first), "after": stage("after", "slow")}
    with far_machines(tmp_path / "machines", cable) as machines:
        project = make(tmp_path / "project", stages)
        shutil.copytree(machines.place("scheduler") / ".cluster", project / ".cluster")
        machines.start_worker("one")
        assert find_open_ports(psutil.Process(machines.programs["scheduler"].pid)) == {
            machines.port
        }
        driver = start_driver(machines, project, REPRO)
        try:
            command = find_sleep(machines, "one")
            machines.start_worker("two")
            assert len(find_open_ports(machines.find_worker("two"))) == 1
            cable.cut()
            cut = time.monotonic()
            said, _ = driver.communicate(timeout=DONE)
        finally:
            driver.kill()
        print(f"it ran elsewhere after {time.monotonic() - cut:.1f} s")
        assert driver.returncode == 0, said
        assert "two (again: one was lost)" in said
        # The machine has noticed it, too, and does not go on with what nobody waits for.
        assert not psutil.wait_procs(command, timeout=cut + DONE - time.monotonic())[1]
        assert machines.said("one").count(": joined") == 1

        cable.heal()
        healed = time.monotonic()
        wait_until(lambda: machines.said("one").count(": joined") == 2)
        print(f"it joined again after {time.monotonic() - healed:.1f} s")
        machines.end("two")
        replace(project / "dvc.yaml", "echo after", "echo other")
        said, where = on_cluster(machines, project, REPRO)
        assert where == {"after": "one"}, said
        assert (project / "after.txt").read_text() == "source\nsource\nslow\nother\n"
        assert repro(project) == []


def test_a_short_cut_loses_nothing(tmp_path: Path, cable: Cable) -> None:
    count = tmp_path / "count"
    first = f"echo once >> {count}; sleep {2 * SHORT}"
    with far_machines(tmp_path / "machines", cable) as machines:
        project = make(tmp_path / "project", {"slow": stage("slow", first=first)})
        shutil.copytree(machines.place("scheduler") / ".cluster", project / ".cluster")
        machines.start_worker("one")
        driver = start_driver(machines, project, REPRO)
        try:
            find_sleep(machines, "one")
            cable.cut()
            time.sleep(SHORT)
            cable.heal()
            said, _ = driver.communicate(timeout=60)
        finally:
            driver.kill()
        assert driver.returncode == 0, said
        assert count.read_text() == "once\n"
        assert "was lost" not in said
        assert machines.said("one").count(": joined") == 1
