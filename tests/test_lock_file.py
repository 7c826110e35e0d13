"""dvc.lock is written as DVC would, and mended when a kill has cut it off."""

import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml
from conftest import ROOT, read_lock, run
from dvc.repo import Repo
from dvc.utils.serialize import dump_yaml, modify_yaml

from stages.runtime.errors import InputError
from tools.engine.claims import claim
from tools.engine.lock_file import HEAD, restore_damaged, write_entries

TEXT = (ROOT / "dvc.lock").read_text(encoding="utf-8")
STAGES = read_lock(ROOT)
ORDER = list(STAGES)
# It is parsed a hundred times.
SHORT = HEAD + "".join(re.findall(r"  (?:load@.*|compare|check):\n(?:    .*\n)+", TEXT))


@pytest.mark.slow  # DVC writes a hundred files
@pytest.mark.parametrize("seed", range(5))
def test_it_has_the_bytes_that_dvc_would_write(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    ours, theirs = tmp_path / "ours.lock", tmp_path / "theirs.lock"
    present = sorted(chance.sample(ORDER, 20), key=ORDER.index)
    dump_yaml(ours, {"schema": "2.0", "stages": {name: STAGES[name] for name in present}})
    dump_yaml(theirs, yaml.safe_load(ours.read_text()))
    others = [name for name in ORDER if name not in present]
    changed = [*chance.sample(present, 3), *others]
    edited = {
        name: STAGES[name] | {"cmd": f"python -m {'x ' * chance.randrange(99)}"} for name in changed
    }
    for name in chance.sample(changed, len(changed)):  # one by one, in any order
        write_entries(ours, {name: edited[name]}, [*present, *others])
    with modify_yaml(theirs) as content:
        content["stages"].update(edited)
    assert ours.read_bytes() == theirs.read_bytes()


def test_the_first_stage_of_a_new_file(tmp_path: Path) -> None:
    write_entries(tmp_path / "dvc.lock", {"check": STAGES["check"]}, ORDER)
    dump_yaml(tmp_path / "theirs", {"schema": "2.0", "stages": {"check": STAGES["check"]}})
    assert (tmp_path / "dvc.lock").read_bytes() == (tmp_path / "theirs").read_bytes()


@pytest.mark.parametrize(
    "text",
    [
        SHORT + "datasets:\n- name: x\n",
        SHORT.replace("  compare:\n", "  # by hand\n  compare:\n"),
        SHORT.replace("\n  compare:\n", "\n# by hand\n  compare:\n"),
        SHORT.replace("'2.0'", '"2.0"'),
        SHORT.rstrip("\n"),
        "datasets:\n- name: x\n" + SHORT,
        SHORT.replace("\n", "\r\n"),
        yaml.safe_dump({"stages": yaml.safe_load(SHORT)["stages"], "schema": "2.0"}, indent=6),
        json.dumps({"schema": "2.0", "stages": yaml.safe_load(SHORT)["stages"]}),
    ],
)
def test_one_that_was_edited_by_hand_loses_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "dvc.lock"
    path.write_bytes(text.encode())
    before = yaml.safe_load(text)
    for _ in range(2):
        write_entries(path, {"check": STAGES["compare"]}, ORDER)
        before["stages"]["check"] = STAGES["compare"]
        assert yaml.safe_load(path.read_text()) == before


CUT_BUT_VALID = [TEXT[:-1], TEXT[:-5], HEAD + "  check:\n    cmd: python -m st"]


@pytest.mark.parametrize(
    "damaged", ["", "\n", TEXT[:9], "stages: 3\n", TEXT + "  another: {", *CUT_BUT_VALID]
)
@pytest.mark.parametrize("source", ["last call", "last commit", "nothing"])
def test_a_damaged_one_is_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: str, source: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".dvc/tmp").mkdir(parents=True)
    lock = Path("dvc.lock")
    lock.write_text(TEXT)
    if source == "last call":
        assert restore_damaged() is None
    elif source == "last commit":
        run("git", "init", "-q", cwd=tmp_path)
        run("git", "add", "dvc.lock", cwd=tmp_path)
        run("git", "commit", "-qm", "results", cwd=tmp_path)
    lock.write_text(damaged)
    said = restore_damaged()
    assert said is not None
    assert "dvc.lock was damaged" in said
    assert Path("logs/dvc.lock").read_text() == damaged
    if source == "nothing":
        assert not lock.exists()
    else:
        assert lock.read_text() == TEXT
        assert source in said


def test_values_that_yaml_1_1_reads_as_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "dvc.lock"
    values = "    params:\n      p.yaml:\n        a: on\n        b: 1e-05\n        c: 12:30:45\n"
    path.write_text("# by hand\n" + TEXT + f"  other:\n    cmd: x\n{values}")
    write_entries(path, {"check": STAGES["check"]}, ORDER)
    assert values in path.read_text()
    assert path.read_text().startswith("# by hand\n")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "  compare:\n",
            "<<<<<<< HEAD\n  compare:\n=======\n>>>>>>> other\n",
            "a merge conflict (<",
        ),
        ("  compare:\n", "  compare: {}\n  compare:\n", "key compare is there twice (first in "),
        ("  compare:\n    cmd", "  compare:\n\tcmd", "a tab; indent with spaces"),
    ],
)
def test_what_a_merge_or_a_person_has_left_there_is_not_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert old in SHORT
    for text in (SHORT.replace(old, new), SHORT.replace(old, new)[:-1]):  # cut as well
        Path("dvc.lock").write_text(text)
        with pytest.raises(InputError, match=rf"^dvc.lock: line \d+, column \d: {re.escape(said)}"):
            restore_damaged()
        assert Path("dvc.lock").read_text() == text


@pytest.mark.parametrize("content", ["", '{"write": {"a', "[]", '{"write": {"/a": 3}}'])
def test_claims_that_nobody_can_read_are_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    with make_repository(tmp_path) as repo:
        path = tmp_path / ".dvc" / "tmp" / "rwlock"
        path.write_text(content)
        claim(repo, [])
        assert json.loads(path.read_text()) == {"write": {}, "read": {}}
        claim(repo, [])
    said = capsys.readouterr().out
    assert said == "rwlock was damaged: the claims in it are removed\n"


def test_claims_of_ended_processes_and_of_zombies_are_removed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as zombie:
        while psutil.Process(zombie.pid).status() != psutil.STATUS_ZOMBIE:
            pass
        claims = {
            name: {"pid": pid, "cmd": name}
            for name, pid in {
                "living": os.getpid(),
                "zombie": zombie.pid,
                "dead": 2**22 + 1,
            }.items()
        }
        content = {"write": {f"/{name}": claims[name] for name in claims}}
        content["read"] = {"/x": list(claims.values()), "/y": [claims["dead"]]}  # type: ignore[dict-item]
        with make_repository(tmp_path) as repo:
            path = tmp_path / ".dvc" / "tmp" / "rwlock"
            path.write_text(json.dumps(content))
            claim(repo, [])
            left = json.loads(path.read_text())
    living = claims["living"]
    assert left == {"write": {"/living": living}, "read": {"/x": [living]}}


def make_repository(folder: Path) -> Repo:
    run("git", "init", "-q", cwd=folder)
    (folder / ".dvc" / "tmp").mkdir(parents=True)
    (folder / ".dvc" / "config").touch()
    return Repo(folder)
