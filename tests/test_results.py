"""What `make repro` says about hashes at its end."""

import copy
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import BIN, ROOT, read_lock, run

from stages import compare as draw
from stages.profile import name_processor
from stages.runtime.errors import InputError
from tools.engine.stages import find_timed
from tools.results import compare_locks as compare
from tools.results import results_table

LOCK: dict[str, dict[str, Any]] = {
    "train": {
        "cmd": "train",
        "deps": [{"path": "data", "md5": "1"}],
        "params": {"params.yaml": {"seed": 1}},
        "outs": [{"path": "model", "md5": "2"}],
    },
    "evaluate": {
        "cmd": "evaluate",
        "deps": [{"path": "model", "md5": "2"}],
        "outs": [{"path": "metrics", "md5": "3"}],
    },
}


def changed(**values: str) -> dict[str, dict[str, Any]]:
    lock = copy.deepcopy(LOCK)
    for stage in lock.values():
        for entry in [*stage["deps"], *stage["outs"]]:
            entry["md5"] = values.get(entry["path"], entry["md5"])
    return lock


def compare_locks(committed: Any, now: Any) -> str:
    return compare(committed, now, timed={"profile"}, processors="a processor")


def test_the_same_hashes() -> None:
    assert compare_locks(LOCK, changed()) == "Every hash is as committed, in all 2 stages."


def test_other_hashes_from_the_same_inputs_name_the_first_stage() -> None:
    said = compare_locks(LOCK, changed(model="x", metrics="y"))
    assert "from the same inputs: train." in said
    assert "Processors of different kinds" in said
    assert f"are from a processor; this is {name_processor()}." in said
    assert "There is nothing to do; or, to continue from these results, commit dvc.lock" in said
    assert "follow" in said
    assert "evaluate" not in said


def test_other_hashes_after_an_edit() -> None:
    assert "after an edit: train." in compare_locks(LOCK, changed(data="x", model="y"))
    edited = changed(model="x")
    edited["train"]["params"]["params.yaml"]["seed"] = 2
    assert "after an edit: train." in compare_locks(LOCK, edited)
    assert "after an edit: new." in compare_locks(LOCK, LOCK | {"new": LOCK["train"]})


def test_times_are_not_other_hashes() -> None:
    timed: dict[str, dict[str, Any]] = {
        "compare": {
            "cmd": "compare",
            "deps": [{"path": "times", "md5": "1"}],
            "outs": [{"path": "picture", "md5": "2"}],
        },
        "profile@a": {"cmd": "profile", "outs": [{"path": "times", "md5": "1"}]},
    }
    again = copy.deepcopy(timed)
    again["profile@a"]["outs"][0]["md5"] = again["compare"]["deps"][0]["md5"] = "3"
    again["compare"]["outs"][0]["md5"] = "4"
    said = compare_locks(LOCK | timed, changed() | again)
    assert said == "Every hash is as committed, in all 2 stages; the measured times differ."
    assert "train." in compare_locks(LOCK | timed, changed(model="x") | again)


def test_what_shows_times_is_not_other_hashes() -> None:
    """In this pipeline: cards, and what `compare` draws."""
    committed = read_lock(ROOT)
    now = copy.deepcopy(committed)
    for name, stage in now.items():
        kind = name.partition("@")[0]
        for entry in stage["outs"] if kind in ("profile", "card", "compare") else []:
            entry["md5"] = f"{name} {entry['path']}"
        for entry in stage["deps"]:
            if entry["path"] == "metrics" or entry["path"].startswith("metrics/profile/"):
                entry["md5"] = "other times"
    count = sum(name.partition("@")[0] not in ("profile", "card", "compare") for name in now)
    said = compare_locks(committed, now)
    assert said == f"Every hash is as committed, in all {count} stages; the measured times differ."
    card = next(name for name in now if name.startswith("card@"))
    now = copy.deepcopy(committed)
    now[card]["outs"][0]["md5"] = "x"
    assert f"from the same inputs: {card}." in compare_locks(committed, now)


def test_what_is_timed_is_said_in_dvc_yaml() -> None:
    assert find_timed((ROOT / "dvc.yaml").read_text()) == {"profile"}


def test_make_repro_says_so(project: Path) -> None:
    (project / ".venv").symlink_to(ROOT / ".venv")
    output = run("make", "repro", cwd=project).stdout
    count = len(read_lock(project))
    assert output.endswith(f"Every hash is as committed, in all {count} stages.\n")
    assert "| `fashion_mnist-svc`" in output


def test_the_stages_run_in_the_environment_of_dvc() -> None:
    lines = (ROOT / "tools" / "venv" / "venv.pth").read_text().splitlines()
    environment = "env", "PATH=/usr/bin:/bin"
    show = "import os; print(os.environ['PATH'])"
    path = run(*environment, BIN / "python", "-c", show, cwd=ROOT).stdout.strip()
    assert path == f"{BIN}:/usr/bin:/bin"
    assert all(line.startswith(("import ", "# ")) for line in lines)  # others would be folders


def test_a_process_ends_without_a_look_for_garbage() -> None:
    """It takes 0.8 s with TensorFlow. What ends with the process itself is still done."""
    code = """
import atexit, tempfile

class Garbage:
    def __del__(self):
        print("looked")

garbage = Garbage()
garbage.itself = garbage
folder = tempfile.TemporaryDirectory()
print(folder.name)
atexit.register(print, "ended")
"""
    folder, *said = run("python", "-c", code, cwd=ROOT).stdout.splitlines()
    assert said == ["ended"]
    assert not Path(folder).exists()


WRONG = {
    "a list": ("[]", "not a JSON object; "),
    "no test images": ('{"validation": {}}', "test is missing, and not of type dict"),
    "a key is missing": (
        '{"test": {"accuracy": 0.5}}',
        "accuracy_low is missing, and not of type ",
    ),
    "text for a number": ('{"test": {"accuracy": "x"}}', "accuracy is 'x', and not of type "),
    "null": ('{"test": {"accuracy": null}}', "accuracy is None, and not of type "),
}


@pytest.mark.parametrize("name", WRONG)
def test_metrics_of_a_wrong_structure_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    project = tmp_path
    shutil.copytree(ROOT / "metrics", project / "metrics")
    shutil.copyfile(ROOT / "params.yaml", project / "params.yaml")
    content, said = WRONG[name]
    path = "metrics/fashion_mnist-svc.json"
    (project / path).write_text(content)
    monkeypatch.chdir(project)
    with pytest.raises(InputError, match=f"^{re.escape(f'{path}: {said}')}.*`make repro`"):
        results_table(Path("metrics"), ["fashion_mnist-svc"])
    with pytest.raises(InputError, match=f"^{re.escape(f'{path}: {said}')}.*`make repro`"):
        draw.main(Path("metrics"), Path("a.png"), Path("t.png"), Path("p.md"))
    (project / "metrics/profile/fashion_mnist-svc.json").write_text("{}")
    with pytest.raises(InputError, match=r"profile/fashion_mnist-svc.json: dataset is missing, "):
        draw.main(Path("metrics"), Path("a.png"), Path("t.png"), Path("p.md"))
