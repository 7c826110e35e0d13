"""What a remote has is checked before it is used: its content, and where it would be written."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, make_repro, read_lock, replace, run
from hypothesis import given
from hypothesis import strategies as st

from stages.runtime.errors import InputError
from tools.store.objects import read_folder, require_confined

FOLDER = ("load@fashion_mnist", "data/raw/fashion_mnist")
MODEL = ("train@fashion_mnist-svc", "data/models/fashion_mnist-svc.onnx")
OUTSIDE = ["../../../typer.py", "/by-pull.py", "../../../.git/hooks/post-checkout", "a/../../b"]


@pytest.fixture
def clone(few: Path, tmp_path: Path) -> Path:
    """A clone without data, whose remote has all of them."""
    project = shutil.copytree(few, tmp_path / "project")
    run("dvc", "remote", "add", "-d", "storage", tmp_path / "storage", cwd=project)
    run("git", "commit", "-qam", "remote", cwd=project)
    run("dvc", "push", "-q", cwd=project)
    run("git", "clone", "-q", project, tmp_path / "clone", cwd=tmp_path)
    return tmp_path / "clone"


def find_object(store: Path, oid: str) -> Path:
    return store / "files/md5" / oid[:2] / oid[2:]


def oid_of(project: Path, stage: str, path: str) -> str:
    (oid,) = [out["md5"] for out in read_lock(project)[stage]["outs"] if out["path"] == path]
    return str(oid)


def put(store: Path, content: bytes) -> str:
    """Adds an object to a store; returns its name."""
    oid = hashlib.md5(content).hexdigest()
    path = find_object(store, oid)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return oid


def damage(path: Path, content: bytes | None = None) -> None:
    """Writes other content of the same size, or that given, with the old time and mode."""
    before = path.stat()
    old = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(content or bytes([old[0] ^ 1]) + old[1:])
    path.chmod(before.st_mode)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def add_to_list(store: Path, oid: str, relpath: str) -> bytes:
    """The list of a folder with one more file, whose object is added to the store."""
    entries = json.loads(find_object(store, oid).read_bytes())
    entries.append({"md5": put(store, b"open('ran', 'w')\n"), "relpath": relpath})
    return json.dumps(entries).encode()


def pull(clone: Path, *paths: str, status: int = 0) -> Any:
    return run("python", "-m", "tools.pull", *paths, cwd=clone, status=status)


def files_of(folder: Path) -> set[Path]:
    of_tools = {".dvc", "__pycache__"}
    return {path for path in folder.rglob("*") if not of_tools & set(path.parts)}


def test_all_that_the_lock_names_comes_and_nothing_is_left_to_do(clone: Path) -> None:
    assert " outputs are as in dvc.lock" in pull(clone).stdout
    assert make_repro(clone) == {}
    assert run("git", "status", "--porcelain", cwd=clone).stdout == ""
    for name in ("data/models", "data/raw"):
        files = [path for path in (clone / name).rglob("*") if path.is_file()]
        assert files
        for path in files:
            other = clone.parent / "project" / path.relative_to(clone)
            assert path.read_bytes() == other.read_bytes()


def test_one_output(clone: Path) -> None:
    assert pull(clone, MODEL[1]).stdout.startswith("1 output")
    assert list(clone.glob("data/models/*.onnx")) == [clone / MODEL[1]]
    said = pull(clone, "data/modells", status=2).stderr
    assert said.startswith("pull: error: data/modells: dvc.lock names no such output")


@pytest.mark.parametrize("relpath", OUTSIDE)
def test_a_list_of_files_that_was_changed_is_refused(clone: Path, relpath: str) -> None:
    store = clone.parent / "storage"
    oid = oid_of(clone, *FOLDER)
    damage(find_object(store, oid), add_to_list(store, oid, relpath))
    before = files_of(clone.parent)
    said = pull(clone, status=2).stderr
    assert f"{FOLDER[1]}: the remote's {oid} has other content than its name says" in said
    assert files_of(clone.parent) == before
    assert not list(clone.rglob(".dvc/cache/**/*.dir"))


def test_a_list_that_leads_elsewhere_is_refused_if_the_lock_names_it(clone: Path) -> None:
    store = clone.parent / "storage"
    oid = oid_of(clone, *FOLDER)
    content = add_to_list(store, oid, OUTSIDE[0])
    evil = put(store, content)
    find_object(store, evil).rename(find_object(store, f"{evil}.dir"))
    replace(clone / "dvc.lock", oid, f"{evil}.dir")
    before = files_of(clone.parent)
    said = pull(clone, status=2).stderr
    assert f"{FOLDER[1]}: the list of its files is refused: '{OUTSIDE[0]}'" in said
    assert files_of(clone.parent) == before


def test_another_model_is_refused_and_nothing_is_checked_out(clone: Path) -> None:
    store = clone.parent / "storage"
    other = oid_of(clone, "train@fashion_mnist-mlp", "data/models/fashion_mnist-mlp.onnx")
    model = find_object(store, oid_of(clone, *MODEL))
    size = model.stat().st_size
    damage(model, find_object(store, other).read_bytes()[:size])
    assert f"{MODEL[1]}: the remote's " in pull(clone, status=2).stderr
    assert not list(clone.glob("data/models/*.onnx"))
    damage(model, b"0" * (size + 1))
    assert "dvc.lock allows" in pull(clone, status=2).stderr


def test_what_plain_dvc_has_taken_is_checked_too(clone: Path) -> None:
    store = clone.parent / "storage"
    oid = oid_of(clone, *FOLDER)
    good = find_object(store, oid).read_bytes()
    damage(find_object(store, oid), add_to_list(store, oid, "planted.py"))
    run("dvc", "pull", cwd=clone)
    assert (clone / FOLDER[1] / "planted.py").exists()
    damage(find_object(store, oid), good)
    said = pull(clone).stdout
    assert f"{FOLDER[1]}: {oid} in DVC's cache was damaged and is removed" in said
    assert not (clone / FOLDER[1] / "planted.py").exists()
    assert make_repro(clone) == {}


def test_what_the_remote_lacks_is_named_and_the_rest_comes(clone: Path) -> None:
    find_object(clone.parent / "storage", oid_of(clone, *MODEL)).unlink()
    said = pull(clone, status=1).stderr
    assert f"1 output is neither in DVC's cache nor in a remote: {MODEL[1]}" in said
    assert not (clone / MODEL[1]).exists()
    assert len(list(clone.glob("data/models/*.onnx"))) == 3
    assert make_repro(clone) == {MODEL[0]: "ran"}


def test_a_link_to_elsewhere_is_refused(clone: Path) -> None:
    elsewhere = clone.parent / "elsewhere"
    elsewhere.mkdir()
    (clone / "data/raw").mkdir(parents=True)
    (clone / FOLDER[1]).symlink_to(elsewhere)
    assert f"{FOLDER[1]} is a link to {elsewhere}" in pull(clone, status=2).stderr
    assert list(elsewhere.iterdir()) == []


def test_a_run_record_that_was_changed_is_not_used(clone: Path) -> None:
    project = clone.parent / "project"
    for folder in (project, clone):
        replace(folder / "params.yaml", "C: 1.0", "C: 2.0")
    assert make_repro(project)[MODEL[0]] == "ran"
    run("python", "-m", "tools.push", cwd=project)
    pull(clone, status=0)
    records = [path for path in (clone.parent / "storage/runs").rglob("*") if path.is_file()]
    changed = [path for path in records if f"path: {MODEL[1]}" in path.read_text()]
    for path in changed:
        replace(path, f"path: {MODEL[1]}", "path: .git/hooks/post-commit")
    said = run("python", "-m", "tools.repro", "--pull", cwd=clone).stdout
    assert f"{MODEL[0]} " in said
    assert not (clone / ".git/hooks/post-commit").exists()
    assert (clone / MODEL[1]).read_bytes() == (project / MODEL[1]).read_bytes()


def test_a_remote_that_cannot_be_used_is_one_line(clone: Path) -> None:
    url = "ssh://127.0.0.1:1/storage"
    run("dvc", "remote", "modify", "storage", "url", url, cwd=clone)
    for tool in ("pull", "push"):
        said = run("python", "-m", f"tools.{tool}", cwd=clone, status=2).stderr
        assert said.startswith(f"{tool}: error: the remote storage ({url}) cannot be used: ")
        assert said.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", ["pull", "push", "experiments", "verify_files", "review main", "repro"]
)
def test_where_there_is_no_repository_it_is_one_line(tmp_path: Path, command: str) -> None:
    for name in ("tools", "stages", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    said = run("python", "-m", *f"tools.{command}".split(), cwd=tmp_path, status=2).stderr
    assert said.startswith(f"{command.split()[0]}: error: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[" * 100_000,
        b'[{"md5": "0"}]',
        b'[{"md5": "../../../../a", "relpath": "a"}]',
        b'[{"md5": "%s", "relpath": "a"}, {"md5": "%s", "relpath": "a"}]' % (b"0" * 32, b"1" * 32),
        b'[{"md5": "%s", "relpath": "a"}, {"md5": "%s", "relpath": "a/b"}]' % ((b"0" * 32,) * 2),
        b'[{"md5": "%s", "relpath": "a\\u0000b"}]' % (b"0" * 32),
        b"\xff\xfe",
    ],
)
def test_a_list_that_is_none_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.dir").write_bytes(content)
    with pytest.raises(InputError, match="data/a: the list of its files is refused") as error:
        read_folder(tmp_path / "a.dir", "data/a")
    assert len(str(error.value)) <= 300


@given(st.lists(st.sampled_from(["..", ".", "", "a", "b c", "\\", "\n", "/", "é"]), max_size=6))
def test_no_path_that_is_accepted_leaves_the_folder(parts: list[str]) -> None:
    path = "/".join(parts)
    try:
        require_confined(path)
    except ValueError:
        return
    root = "/a/folder"
    assert os.path.normpath(f"{root}/{path}") == (f"{root}/{path}" if path else root)
