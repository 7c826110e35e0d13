"""The audit finds leaked images, exact and near, and raises no false alarm."""

import csv
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
from stages.datasets import search
from stages.datasets.duplicates import find_near
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
    out = (Path(f"audit.{ending}") for ending in ("json", "csv", "png", "txt"))
    audit.main(Path("raw/fashion_mnist"), *out)
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
    with (tmp_path / "audit.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["test_index"]) for row in rows if row["distance"] == "identical"] == list(
        range(leak)
    )
    for row in rows:  # the indices are those of the splits that `load` has written
        test, other = (
            np.load(tmp_path / f"raw/fashion_mnist/{split}/images.npy")[int(row[key])]
            for split, key in (("test", "test_index"), (row["split"], "index"))
        )
        same = row["distance"] == "identical"
        assert (test == other).all() == same
        assert same or float(row["distance"]) < NEAR
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
    # What is near is looked at, and does not stop the pipeline: docs/near_duplicates/README.md.
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


def resize(image: Images, side: int) -> Images:
    smaller = Image.fromarray(image.squeeze()).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(smaller).reshape(side, side, -1)


def crop(images: Images) -> Images:
    """An eighth of each side cut off, then as large as before."""
    side = images.shape[1]
    return np.stack([resize(image[1 : side - 3, 2 : side - 2], side) for image in images])


def frame(images: Images, width: int) -> Images:
    """Resized into a white frame."""
    side = images.shape[1]
    framed = np.full_like(images, 255)
    inner = slice(width, side - width)
    framed[:, inner, inner] = [resize(image, side - 2 * width) for image in images]
    return framed


def strengthen(images: Images) -> Images:
    mean = images.mean(axis=(1, 2), keepdims=True)
    return np.clip((images - mean) * 1.8 + mean, 0, 255).astype(np.uint8)


CHANGES: dict[str, Callable[[Images], Images]] = {
    "shifted": shift,
    "brighter": lambda images: np.minimum(images * 0.8 + 40, 255).astype(np.uint8),
    "encoded again": encode,
    "darker in the middle tones": lambda images: (255 * (images / 255) ** 2).astype(np.uint8),
    "of strong contrast": strengthen,
    "cropped": crop,
    "in a frame": lambda images: frame(images, width=2),
    "mirrored": lambda images: images[:, :, ::-1],
}
# White clothes lose what is in them, and a thick bright frame hides the edges of all.
HARDER = {("fashion_mnist", "of strong contrast"): 0.7, ("fashion_mnist", "in a frame"): 0.3}


@pytest.mark.slow  # many inputs
@pytest.mark.parametrize("dataset", ["fashion_mnist", "cifar10"])
def test_near_duplicates_are_found(dataset: str) -> None:
    train, _ = sheet.read_files(sheet.find(SAMPLE / dataset)["train"])
    train = train[:3000]
    copied = np.arange(100, 160)
    copies = np.concatenate([change(train[copied]) for change in CHANGES.values()])
    nearest, distance = find_near(copies, train)
    found = (nearest == np.tile(copied, len(CHANGES))) & (distance < NEAR)
    for change, share in zip(CHANGES, found.reshape(len(CHANGES), -1).mean(axis=1), strict=True):
        assert share >= HARDER.get((dataset, change), 0.95), f"{change}: {share:.2f}"


def test_several_copies_do_not_hide_each_other() -> None:
    train, _ = sheet.read_files(sheet.find(SAMPLE / "cifar10")["train"])
    copied = np.arange(20)
    copies = [change(train[copied]) for change in CHANGES.values()]
    copies.append(encode(CHANGES["brighter"](train[copied])))
    others = np.concatenate([*copies, train[20:1000]])
    nearest, distance = find_near(train[copied], others)
    assert (distance < NEAR).all()
    np.testing.assert_array_equal(nearest % 20, copied)
    assert (nearest < 20 * len(copies)).all()


@pytest.mark.parametrize("width", [6, 8])
def test_the_same_frame_makes_no_duplicates(width: int) -> None:
    images, _ = sheet.read_files(sheet.find(SAMPLE / "cifar10")["test"])
    images = images // 2 + 60  # fainter than the frame
    others = np.concatenate([frame(images[100:105], width), images[105:]])  # few are in a frame
    _, distance = find_near(frame(images[:100], width), others)
    assert (distance < NEAR).mean() <= 0.02


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 5, 3), (4, 4, 1), (14, 9, 3), (64, 80, 3)])
@pytest.mark.parametrize("count", [1, 3, 60])
def test_any_shape_and_few_images(shape: tuple[int, int, int], count: int) -> None:
    random = np.random.default_rng(0)
    others = random.integers(0, 256, (count, *shape), dtype=np.uint8)
    images = np.concatenate([others[:2], np.full_like(others[:1], 7)])
    nearest, distance = find_near(images, others)
    assert nearest.shape == distance.shape == (len(images),)
    assert ((nearest >= 0) & (nearest < count)).all()
    assert ((distance >= 0) & (distance <= 1)).all()
    assert distance[-1] == 1  # plain
    if count > 1 and min(shape[:2]) >= 9:
        copies = CHANGES["brighter"](others)
        nearest, distance = find_near(copies, others)
        np.testing.assert_array_equal(nearest, np.arange(count))
        assert (distance < NEAR).all()


@pytest.mark.slow  # many inputs
@pytest.mark.parametrize("dataset", ["fashion_mnist", "cifar10"])
def test_a_shortlist_loses_none_that_a_search_in_all_ways_finds(
    dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, _ = sheet.read_files(sheet.find(SAMPLE / dataset)["train"])
    test, _ = sheet.read_files(sheet.find(SAMPLE / dataset)["test"])
    nearest, distance = find_near(test[:120], train)
    monkeypatch.setattr(search, "FEW", range(2 * len(search.WAYS)))
    nearest_of_all, distance_of_all = find_near(test[:120], train)
    found = (distance < NEAR) | (distance_of_all < NEAR)
    assert (nearest == nearest_of_all)[found].all()
    np.testing.assert_allclose(distance[found], distance_of_all[found], atol=0.1)


@pytest.mark.slow  # thousands of images
@pytest.mark.parametrize("dataset", ["fashion_mnist", "cifar10"])
def test_different_images_are_not_near(dataset: str) -> None:
    images, _ = sheet.read_files(sheet.find(SAMPLE / dataset)["test"])
    _, distance = find_near(images[:500], images[500:])
    assert (distance < NEAR).mean() <= {"fashion_mnist": 0.02, "cifar10": 0.01}[dataset]


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


def test_the_page_of_near_duplicates_counts_what_is_in_its_lists() -> None:
    folder = ROOT / "docs" / "near_duplicates"
    page = " ".join((folder / "README.md").read_text().split())
    for name, dataset in (("CIFAR-10", "cifar10"), ("Fashion-MNIST", "fashion_mnist")):
        with (folder / f"{dataset}.csv").open() as file:
            rows = list(csv.DictReader(file))
        found = [row for row in rows if row["distance"]]
        labels = [row["label"] for row in found]
        counts = [labels.count(label) for label in ("same", "similar", "different")]
        assert f"| {name} | {' | '.join(map(str, [sum(counts), *counts]))} |" in page
        assert len({row["test_index"] for row in found}) == len(found) == sum(counts)
        assert all(float(row["distance"]) < NEAR for row in found)
        for row in rows:
            assert row["label"] or row["judgment"]
            if row.get("judgment") == "1" and row["label"]:
                assert row["label"] == "same"
