"""The check that the committed accuracies are reproduced."""

import json
from pathlib import Path

from conftest import read_lock, replace, run

MODEL = "data/models/fashion_mnist-svc.onnx"


def forget_model(project: Path) -> bytes:
    """Removes a model from the workspace and the cache, and returns its content."""
    model = (project / MODEL).read_bytes()
    outs = {
        out["path"]: out["md5"] for out in read_lock(project)["train@fashion_mnist-svc"]["outs"]
    }
    md5 = outs[MODEL]
    (project / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]).unlink()
    (project / MODEL).unlink()
    return model


def test_what_the_remote_has_is_pulled_instead_of_computed(project: Path, tmp_path: Path) -> None:
    run("dvc", "remote", "add", "--local", "-d", "shelf", tmp_path / "shelf", cwd=project)
    run("dvc", "push", "-q", cwd=project)
    model = forget_model(project)
    said = run("python", "-m", "tools.ci.verify_accuracies", cwd=project)
    assert " outputs are as in dvc.lock" in said.stderr
    assert "Running stage" not in said.stderr
    assert (project / MODEL).read_bytes() == model

    forget_model(project)
    for path in (tmp_path / "shelf/files").rglob("*"):
        if path.is_file() and path.read_bytes() == model:
            path.unlink()
            path.write_bytes(model[::-1])
    said = run("python", "-m", "tools.ci.verify_accuracies", cwd=project, status=2)
    assert "has other content than its name says" in said.stderr
    assert "the remote cannot be used" in said.stderr


def test_without_a_remote_what_the_cache_lacks_is_computed(project: Path) -> None:
    model = forget_model(project)
    said = run("python", "-m", "tools.ci.verify_accuracies", cwd=project)
    assert f"1 output is neither in DVC's cache nor in a remote: {MODEL}" in said.stderr
    assert "Running stage 'train@fashion_mnist-svc'" in said.stderr
    assert (project / MODEL).read_bytes() == model
    assert said.stdout == ""


def test_an_accuracy_that_does_not_come_out_again_is_named(project: Path) -> None:
    path = project / "metrics" / "fashion_mnist-svc.json"
    content = json.loads(path.read_text())
    scores = content["test"]
    wrong = scores | {"accuracy": 1, "accuracy_low": 0.99, "accuracy_high": 1}
    path.write_text(json.dumps(content | {"test": wrong}))
    run("git", "commit", "-qam", "too good", cwd=project)
    said = run("python", "-m", "tools.ci.verify_accuracies", cwd=project, status=1)
    assert (
        f"`fashion_mnist-svc`: test accuracy {scores['accuracy']:.4f}, committed 0.9900"
        in said.stdout
    )
    assert said.stdout.count("accuracy") == 1


def test_a_stage_that_fails_is_an_error(project: Path) -> None:
    replace(project / "params.yaml", "C: 1.0", "C: wide")
    said = run("python", "-m", "tools.ci.verify_accuracies", cwd=project, status=2)
    assert "verify_accuracies: error: a stage failed" in said.stderr
