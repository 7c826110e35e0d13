"""A bucket as remote, with a real server on this machine: see test_sharing.py and test_pull.py."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from bucket import Bucket, open_bucket
from conftest import make_repro, run
from test_pull import FOLDER, MODEL, OUTSIDE, files_of, oid_of, pull
from test_sharing import TIMED, assert_the_same_bytes, edit, run_push

# Runs a program as if these packages were not installed.
WITHOUT = """
import runpy, sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("dvc_s3", "s3fs"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A new bucket."""
    with open_bucket(monkeypatch) as one:
        yield one


@pytest.fixture
def clone(bucket: Bucket, project: Path, tmp_path: Path) -> Path:
    """A clone without data, whose remote is a bucket that has all of them."""
    bucket.set_remote(project)
    assert run_push(project).stdout.startswith("`verify` is set for the remote storage: ")
    run("git", "commit", "-qam", "remote", cwd=project)
    assert run("git", "status", "--porcelain", cwd=project).stdout == ""
    return clone_of(project, tmp_path / "clone")


def clone_of(project: Path, folder: Path) -> Path:
    """A clone with the credentials, which are not in git."""
    run("git", "clone", "-q", project, folder, cwd=project)
    local = (project / ".dvc/config.local").read_text()
    assert "secret_access_key" in local
    assert "secret" not in (folder / ".dvc/config").read_text()
    (folder / ".dvc/config.local").write_text(local)
    return folder


def test_another_clone_gets_all_and_trains_nothing(clone: Path, bucket: Bucket) -> None:
    project = clone.parent / "project"
    assert len(bucket.list_objects()) > 30
    assert " outputs are as in dvc.lock" in pull(clone).stdout
    assert make_repro(clone) == {}
    assert_the_same_bytes(clone, project)
    assert run("git", "status", "--porcelain", cwd=clone).stdout == ""

    other = clone_of(project, clone.parent / "other")
    assert make_repro(other, "--pull") == {}
    assert_the_same_bytes(other, project)


def test_runs_that_are_not_committed_are_not_trained_again(clone: Path) -> None:
    project = clone.parent / "project"
    edit(project)
    make_repro(project)
    run_push(project)
    edit(clone)
    states = make_repro(clone, "--pull")
    assert states["train@fashion_mnist-svc"] == "from the cache"
    assert states["evaluate@fashion_mnist-svc"] == "from the cache"
    drawn = {f"{stage}@fashion_mnist-svc" for stage in ("profile", "plot", "card")}
    assert {name for name, state in states.items() if state == "ran"} == {*drawn, "compare"}
    assert_the_same_bytes(clone, project, but=TIMED)


def test_another_model_is_refused_and_nothing_is_checked_out(clone: Path, bucket: Bucket) -> None:
    oid = oid_of(clone, *MODEL)
    content = bucket.read(oid)
    bucket.write(oid, content[:-1] + bytes([content[-1] ^ 1]))
    assert f"{MODEL[1]}: the remote's {oid} has other content" in pull(clone, status=2).stderr
    assert not list(clone.glob("data/models/*.onnx"))
    bucket.write(oid, content + b"0")
    assert "dvc.lock allows" in pull(clone, status=2).stderr
    bucket.write(oid, content)
    pull(clone)
    assert (clone / MODEL[1]).read_bytes() == content


def test_a_list_of_files_that_was_changed_is_refused(clone: Path, bucket: Bucket) -> None:
    oid = oid_of(clone, *FOLDER)
    entries = json.loads(bucket.read(oid))
    bucket.write(oid, json.dumps([*entries[1:], entries[0] | {"relpath": OUTSIDE[0]}]).encode())
    before = files_of(clone.parent)
    said = pull(clone, status=2).stderr
    assert f"{FOLDER[1]}: the remote's {oid} has other content than its name says" in said
    assert files_of(clone.parent) == before


PROBLEMS = {
    "bucket": ("url", "s3://missing/storage", "there is no bucket missing; "),
    "server": ("endpointurl", "http://127.0.0.1:1", "Could not connect to the endpoint URL: "),
    "credentials": ("access_key_id", None, "Unable to locate credentials; "),
}


@pytest.mark.parametrize("what", PROBLEMS)
@pytest.mark.parametrize("tool", ["pull", "push", "repro"])
def test_a_bucket_that_cannot_be_used_is_one_line(
    bucket: Bucket, project: Path, tmp_path: Path, what: str, tool: str
) -> None:
    option, value, said = PROBLEMS[what]
    bucket.set_remote(project)
    run("git", "commit", "-qam", "remote", cwd=project)
    clone = clone_of(project, tmp_path / "clone") if tool != "push" else project
    if value is None:
        for name in (option, "secret_access_key"):
            run("dvc", "remote", "modify", "--local", "--unset", "storage", name, cwd=clone)
    else:
        run("dvc", "remote", "modify", "--local", "storage", option, value, cwd=clone)
    before = files_of(clone)
    options = ["--pull"] if tool == "repro" else []
    ended = run("python", "-m", f"tools.{tool}", *options, cwd=clone, status=2)
    url = value if what == "bucket" else f"s3://{bucket.storage}"
    assert ended.stderr.startswith(f"{tool}: error: the remote storage ({url}) cannot be used: ")
    assert said in ended.stderr
    assert ended.stderr.endswith('; its settings are in docs/sharing.md, "S3"\n')
    assert ended.stderr.count("\n") == 1
    assert ended.stdout == ""
    assert {path for path in files_of(clone) - before if "logs" not in path.parts} == set()


@pytest.mark.parametrize("tool", ["pull", "push", "repro --pull"])
def test_without_the_package_one_line_says_how_to_install_it(project: Path, tool: str) -> None:
    url = "s3://classifiers/storage"
    run("dvc", "remote", "add", "-d", "storage", url, cwd=project)
    run("git", "clean", "-qdxf", "-e", "config.local", cwd=project)
    ended = run("python", "-c", WITHOUT, *f"tools.{tool}".split(), cwd=project, status=2)
    assert ended.stderr == (
        f"{tool.split()[0]}: error: the remote storage ({url}) cannot be used: it needs dvc-s3, "
        "which is not installed; run `make setup EXTRA=s3`\n"
    )
