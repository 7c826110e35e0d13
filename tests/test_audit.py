"""The audit finds leaked images, exact and near, and raises no false alarm."""

import hashlib
import io
import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import ROOT, run
from numpy.typing import NDArray
from PIL import Image

from stages import audit, load
from stages.datasets import duplicates
from stages.datasets.duplicates import find_exact, find_near
from stages.runtime.errors import InputError
from stages.sources import sheet
from tools.sample import write_sheet

Images = NDArray[np.uint8]
SAMPLE = ROOT / "data" / "sample"
NEAR = yaml.safe_load((ROOT / "params.yaml").read_text())["audit"]["near"]


def audit_toy(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leak: int, allowed: int = 0
) -> dict[str, Any]:
    """Loads and audits the toy Fashion-MNIST with `leak` training images copied into test."""
    shutil.copytree(untrained / "data" / "toy", tmp_path / "data" / "toy")
    params = yaml.safe_load((untrained / "params.yaml").read_text())
    params["audit"]["max_overlap"] = allowed
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    folder = tmp_path / "data/toy/fashion_mnist"
    (train, train_labels), (test, test_labels) = (
        sheet.read_files(sheet.find(folder)[split]) for split in ("train", "test")
    )
    test, test_labels = test.copy(), test_labels.copy()
    test[:leak], test_labels[:leak] = train[:leak], train_labels[:leak]
    write_sheet(folder, "test", test, test_labels)
    monkeypatch.chdir(tmp_path)
    load.main("fashion_mnist", Path("raw/fashion_mnist"))
    audit.main(Path("raw/fashion_mnist"), Path("audit.json"), Path("audit.png"), Path("audit.txt"))
    report: dict[str, Any] = json.loads(Path("audit.json").read_text())
    return report


@pytest.mark.parametrize("leak", [1, 10, 150])
def test_leaked_images_stop_it(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leak: int
) -> None:
    with pytest.raises(InputError) as error:
        audit_toy(untrained, tmp_path, monkeypatch, leak)
    message = str(error.value)
    assert f"{leak} of 150 test images are also training images (test 0 is training" in message
    assert "audit.max_overlap allows 0" in message
    assert f"`dvc exp run -S audit.max_overlap={leak}`" in message
    assert not (tmp_path / "audit.txt").exists()
    assert json.loads((tmp_path / "audit.json").read_text())["test_in_training"] == leak
    assert (tmp_path / "audit.png").stat().st_size > 10_000


def test_leaked_images_can_be_allowed(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = audit_toy(untrained, tmp_path, monkeypatch, leak=10, allowed=10)
    assert report["test_in_training"] == 10
    assert (tmp_path / "audit.txt").exists()


def test_the_pipeline_stops_at_a_leak_and_goes_on_knowingly(project: Path) -> None:
    folder = project / "data/toy/cifar10"
    train, labels = sheet.read_files(sheet.find(folder)["train"])
    write_sheet(folder, "test", train[:150], labels[:150])
    result = run("dvc", "repro", "normalize@cifar10", cwd=project, status=255)
    assert (
        "audit: error: data set cifar10: 150 of 150 test images are also training" in result.stderr
    )
    run("dvc", "exp", "run", "-S", "audit.max_overlap=150", "normalize@cifar10", cwd=project)


@pytest.mark.parametrize("dataset", ["fashion_mnist", "cifar10"])
def test_the_samples_are_clean(dataset: str) -> None:
    report = json.loads((ROOT / f"data/audit/{dataset}.json").read_text())
    assert report["test_in_training"] == report["validation_in_train"] == 0
    for split in ("train", "validation", "test"):
        assert report[split]["repeated"] == report[split]["constant"] == 0
        assert report[split]["imbalance"] == 1
        assert len(set(report[split]["classes"].values())) == 1
    # What is near is looked at, and does not stop the pipeline. These are known, see find_near.
    assert report["test_near_training"] <= 0.07 * report["test"]["images"]


def encode(images: Images) -> Images:
    def again(image: Images) -> Images:
        buffer = io.BytesIO()
        Image.fromarray(image.squeeze()).save(buffer, format="jpeg", quality=85)
        return np.asarray(Image.open(buffer)).reshape(image.shape)

    return np.stack([again(image) for image in images])


def shift(images: Images) -> Images:
    """In all 24 ways, by up to two pixels in each direction."""
    ways = [(down, right) for down in range(-2, 3) for right in range(-2, 3) if down or right]
    pairs = zip(images, itertools.cycle(ways), strict=False)
    return np.stack([np.roll(image, way, axis=(0, 1)) for image, way in pairs])


CHANGES: dict[str, Callable[[Images], Images]] = {
    "shifted": shift,
    "brighter": lambda images: np.minimum(images * 0.8 + 40, 255).astype(np.uint8),
    "encoded again": encode,
}


@pytest.mark.parametrize("dataset", ["fashion_mnist", "cifar10"])
@pytest.mark.parametrize("change", CHANGES)
def test_near_duplicates_are_found(dataset: str, change: str) -> None:
    train, _ = sheet.read_files(sheet.find(SAMPLE / dataset)["train"])
    train = train[:3000]
    copied = np.arange(100, 200)
    nearest, distance = find_near(CHANGES[change](train[copied]), train)
    assert (find_exact(CHANGES[change](train[copied]), train) < 0).all()
    found = (nearest == copied) & (distance < NEAR)
    assert found.mean() >= 0.95, f"{found.sum()} of 100"


@pytest.mark.parametrize("dataset", ["fashion_mnist", "cifar10"])
def test_a_shortlist_loses_none_that_a_search_with_all_moves_finds(
    dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, _ = sheet.read_files(sheet.find(SAMPLE / dataset)["train"])
    test, _ = sheet.read_files(sheet.find(SAMPLE / dataset)["test"])
    nearest, distance = find_near(test[:300], train)
    monkeypatch.setattr(duplicates, "FEW", np.ones(25, dtype=bool))
    nearest_of_all, distance_of_all = find_near(test[:300], train)
    assert (nearest == nearest_of_all).mean() >= 0.995
    np.testing.assert_array_equal(distance < NEAR, distance_of_all < NEAR)


@pytest.mark.parametrize("dataset", ["fashion_mnist", "cifar10"])
def test_different_images_are_not_near(dataset: str) -> None:
    images, _ = sheet.read_files(sheet.find(SAMPLE / dataset)["test"])
    _, distance = find_near(images[:500], images[500:])
    assert (distance < NEAR).mean() <= {"fashion_mnist": 0.1, "cifar10": 0.01}[dataset]


def test_constant_and_repeated_images_are_counted() -> None:
    images = np.zeros((5, 6, 6, 1), dtype=np.uint8)
    images[3:, 2, 2] = 9
    splits = {"train": (images, np.array([0, 0, 0, 1, 1], dtype=np.uint8))}
    report = audit.describe(splits, ["a", "b"])["train"]
    content = splits["train"][0].tobytes() + splits["train"][1].tobytes()
    assert report.pop("sha256") == hashlib.sha256(content).hexdigest()
    assert report == {
        "images": 5,
        "classes": {"a": 3, "b": 2},
        "imbalance": 1.5,
        "repeated": 3,
        "constant": 3,
    }
