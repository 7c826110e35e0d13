"""Versions of models: what a release refuses, and that DVC and GTO find what it has tagged."""

import hashlib
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import BEFORE, replace, run
from gto.constants import assert_name_is_valid
from gto.exceptions import ValidationError

from stages.runtime.errors import InputError
from stages.runtime.text import NAME
from tools.engine.programs import call
from tools.engine.repository import list_edited
from tools.registry.artifacts import check_artifacts, write_artifact
from tools.registry.versions import Versions, name_artifact, read_versions, require_next, tag_of
from tools.release import require_clean

SVC = "fashion_mnist-svc"
BLOCK = {"dataset": "fashion_mnist", "framework": "sklearn"}


def release(project: Path, *arguments: str, status: int = 0) -> Any:
    return run("python", "-m", "tools.release", *arguments, cwd=project, status=status)


def refused(project: Path, *arguments: str) -> str:
    """The line with which a release is refused; it has tagged nothing."""
    before = run("git", "tag", cwd=project).stdout
    (line,) = release(project, *arguments, status=2).stderr.splitlines()
    assert run("git", "tag", cwd=project).stdout == before
    return str(line.removeprefix("release: error: "))


@pytest.mark.slow
def test_from_a_release_to_a_model_elsewhere(project: Path, tmp_path: Path) -> None:
    hub, elsewhere = tmp_path / "hub.git", tmp_path / "elsewhere"
    elsewhere.mkdir()
    run("git", "init", "-q", "--bare", "-b", "main", hub, cwd=tmp_path)
    run("git", "remote", "add", "origin", hub, cwd=project)
    tag = f"{SVC}@v1.0.0"
    said = release(project, SVC, "1.0.0", "--dry-run").stdout
    assert said.startswith(f"Would tag this commit {tag}:\n\n{SVC} v1.0.0: accuracy 0.")
    assert "This commit names no default remote" in said
    assert run("git", "tag", cwd=project).stdout == ""

    run("dvc", "remote", "add", "-d", "storage", tmp_path / "storage", cwd=project)
    assert refused(project, SVC, "1.0.0").startswith(".dvc/config: not as in the last commit")
    run("git", "commit", "-qam", "remote", cwd=project)
    said = release(project, SVC, "1.0.0").stdout
    assert said.endswith(
        "The default remote lacks the model. To share the version:\n"
        f"  make push && git push origin {tag}\n"
    )
    assert refused(project, SVC, "1.1.0").startswith(f"this commit is {tag}: ")
    run("dvc", "push", f"data/models/{SVC}.onnx", cwd=project)
    run("gto", "assign", SVC, "--version", "v1.0.0", "--stage", "prod", cwd=project)
    run("git", "commit", "-q", "--allow-empty", "-m", "next", cwd=project)
    said = release(project, SVC, "1.1.0-rc.1", "--dry-run").stdout
    assert said.startswith(f"{SVC}: compared with {tag}: same predictions\nWould tag")
    assert (
        f"The model is in the default remote. To share the version:\n  git push origin {SVC}@"
        in said
    )
    run("git", "push", "-q", "--tags", "origin", "main", cwd=project)

    shown = run("gto", "show", "--repo", hub, "--plain", cwd=elsewhere).stdout
    assert shown.split()[-3:] == [SVC, "v1.0.0", "v1.0.0"]
    for number, choice in enumerate((("--rev", "v1.0.0"), ("--stage", "prod"))):
        out = f"{number}/{SVC}.onnx"
        run("dvc", "artifacts", "get", hub, SVC, *choice, "-o", out, cwd=elsewhere)
        card = f"data/models/{SVC}.md"
        run("dvc", "get", hub, card, "--rev", tag, "-o", f"{number}.md", cwd=elsewhere)
        model = (project / f"data/models/{SVC}.onnx").read_bytes()
        assert (elsewhere / out).read_bytes() == model
        assert (elsewhere / f"{number}.md").read_bytes() == (project / card).read_bytes()
        digest = hashlib.sha256(model).hexdigest()
        assert f"{digest}  {SVC}.onnx\n" in (elsewhere / f"{number}.md").read_text()
    message = run("git", "tag", "-l", "--format=%(contents:body)", tag, cwd=project).stdout
    assert message.strip() == f"{digest}  {SVC}.onnx"
    code = f"import dvc.api; print(dvc.api.artifacts_show({SVC!r}, repo={str(hub)!r}))"
    shown = run("python", "-c", code, cwd=elsewhere).stdout
    commit = run("git", "rev-parse", f"{tag}^{{commit}}", cwd=project).stdout.strip()
    assert shown == f"{{'rev': '{commit}', 'path': 'data/models/{SVC}.onnx'}}\n"


def test_what_is_no_release(project: Path) -> None:
    assert refused(project, "svc", "1.0.0").startswith("RUN is 'svc': choose one of fashion_mnist-")
    assert refused(project, SVC, "1.0").startswith("VERSION is '1.0': write a semantic version")
    model = project / f"data/models/{SVC}.onnx"
    content = model.read_bytes()
    model.unlink()
    assert f"{model.relative_to(project)}: missing; run `make pull" in refused(
        project, SVC, "1.0.0"
    )
    model.write_bytes(content + b"0")
    assert "not the one that dvc.lock names" in refused(project, SVC, "1.0.0")
    model.write_bytes(content)
    replace(project / "params.yaml", "C: 1.0", "C: 2.0")
    assert refused(project, SVC, "1.0.0").startswith("params.yaml: not as in the last commit")
    run("git", "commit", "-qam", "another C", cwd=project)
    assert refused(project, SVC, "1.0.0").startswith("dvc.lock is not current: ")
    lines = write_artifact(SVC, BLOCK) + "\n"
    replace(project / "dvc.yaml", lines, "")
    assert refused(project, SVC, "1.0.0").startswith(f"dvc.yaml: artifacts lacks {SVC}; run `")


def test_a_model_that_is_worse_is_no_release(revisions: Path, tmp_path: Path) -> None:
    project = shutil.copytree(revisions, tmp_path / "project")
    name = "fashion_mnist-tree"
    for tag in ("before", "after"):
        run("git", "checkout", "-q", tag, cwd=project)
        with (project / "dvc.yaml").open("a") as file:
            file.write(write_artifact(name, BEFORE[name]) + "\n")
        run("git", "commit", "-qam", "a model", cwd=project)
        run("dvc", "checkout", "-q", cwd=project)
        if tag == "before":
            release(project, name, "1.0.0")
    worse = release(project, name, "1.1.0", status=3)
    assert re.search(
        r": worse, test accuracy 0\.\d+ → 0\.\d+, p (<0\.0001|0\.\d{4})\n$", worse.stdout
    )
    assert worse.stderr.startswith(f"release: {name}: test accuracy got significantly worse, by 0.")
    assert run("git", "tag", "-l", f"{name}*", cwd=project).stdout == f"{name}@v1.0.0\n"


def test_a_project_in_a_subfolder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("git", "init", "-q", cwd=tmp_path)
    run("git", "commit", "-q", "--allow-empty", "-m", "start", cwd=tmp_path)
    for name, artifact in (("a/b", f"a/b:{SVC}"), (".", SVC)):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        monkeypatch.chdir(tmp_path / name)
        assert name_artifact(SVC) == artifact
    assert tag_of(f"a/b:{SVC}", "v1.0.0") == f"a/b={SVC}@v1.0.0"
    run("git", "tag", "-am", "x", f"a/b={SVC}@v1.0.0", cwd=tmp_path)
    assert read_versions(f"a/b:{SVC}") == Versions(["v1.0.0"], ["v1.0.0"])
    assert read_versions(SVC) == Versions([], [])
    run("git", "tag", "-am", "x", f"a/b={SVC}@v1.0.0!", cwd=tmp_path)
    assert read_versions(f"a/b:{SVC}") == Versions(["v1.0.0"], [])
    (tmp_path / "c d").mkdir()
    monkeypatch.chdir(tmp_path / "c d")
    with pytest.raises(InputError, match=r"^c d: GTO cannot name a model in this folder"):
        name_artifact(SVC)


def test_edited_files_are_those_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "my old name").write_text("x")
    run("git", "init", "-q", cwd=tmp_path)
    run("git", "add", ".", cwd=tmp_path)
    run("git", "commit", "-qm", "start", cwd=tmp_path)
    (tmp_path / "beside").write_text("x")
    monkeypatch.chdir(project)
    assert list_edited() == []
    run("git", "mv", "my old name", "é", cwd=project)
    assert list_edited() == ["project/my old name", "project/é"]


@pytest.mark.parametrize("version", ["1.10.0", "v1.10.0", "2.0.0-rc.1"])
def test_a_version_above_the_last(version: str) -> None:
    known = Versions(["v1.0.0", "v1.9.0"], ["v1.0.0"])
    assert require_next(version, known) == f"v{version.removeprefix('v')}"


@pytest.mark.parametrize("version", ["1.9.0", "1.9.0-rc.1", "0.1.0", "1", "1.2", "x", "", "01.2.3"])
def test_any_other_version_is_refused(version: str) -> None:
    with pytest.raises(InputError, match=r"^VERSION is "):
        require_next(version, Versions(["v1.0.0", "v1.9.0"], ["v1.0.0"]))


@pytest.mark.parametrize("name", ["a", "1", "1e3", "null", "a_b-c", "fashion_mnist-svc"])
def test_the_lines_that_are_printed_are_those_that_lack(name: str) -> None:
    ((what, lines),) = check_artifacts({}, {name: BLOCK})
    assert what == "lacks"
    artifacts = yaml.safe_load(lines)
    assert [*artifacts] == [name]
    assert not list(check_artifacts(artifacts, {name: BLOCK}))
    assert [what for what, _ in check_artifacts(artifacts, {})] == [
        "has, without a run in params.yaml,"
    ]
    assert_name_is_valid(name)
    artifacts[name]["path"] = "data/models/another.onnx"
    assert len(list(check_artifacts(artifacts, {name: BLOCK}))) == 2


@pytest.mark.parametrize("name", ["a-", "a_", "a--_"])
def test_a_run_that_gto_cannot_name_is_named(name: str) -> None:
    assert re.fullmatch(NAME, name)
    with pytest.raises(ValidationError):
        assert_name_is_valid(name)
    ((what, _),) = check_artifacts({}, {name: BLOCK})
    assert what.endswith("so rename")


def test_what_else_is_in_artifacts_is_of_no_interest() -> None:
    artifacts: dict[str, Any] = {"images": {"path": "data/raw", "type": "dataset"}, "empty": None}
    assert not list(check_artifacts(artifacts, {}))


def test_settings_of_git_hide_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tags in one line, bytes in another encoding, no untracked files: as a person likes it."""
    run("git", "init", "-q", cwd=tmp_path)
    for name, value in (
        ("column.ui", "always"),
        ("i18n.logOutputEncoding", "latin1"),
        ("status.showUntrackedFiles", "no"),
    ):
        run("git", "config", name, value, cwd=tmp_path)
    run("git", "commit", "-q", "--allow-empty", "-m", "gr\u00fcn", cwd=tmp_path)
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        run("git", "tag", f"a@v{version}", cwd=tmp_path)
    monkeypatch.chdir(tmp_path)
    assert read_versions("a").all == ["v1.0.0", "v2.0.0", "v3.0.0"]
    assert call(tmp_path, "git", "log", "--format=%s") == "gr\u00fcn\n"
    Path(os.fsdecode(b"caf\xe9.txt")).touch()
    with pytest.raises(InputError, match=r"caf\\xe9.txt.*: not as in the last commit"):
        require_clean()
