"""Folds for cross-validation: each image is held out once, with its near duplicates."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, replace, run
from own_data import NAMES, choose_some, load, load_folds
from PIL import Image, ImageEnhance
from threadpoolctl import threadpool_info, threadpool_limits

from stages.check import check
from stages.datasets.arrays import FOLDS, SPLITS, read_raw, write_folds, write_split
from stages.datasets.duplicates import find_exact, find_pairs
from stages.datasets.search import search
from stages.normalize import standardize
from stages.runtime.errors import InputError
from stages.runtime.parameters import read_parameters
from stages.sources.common.folds import deal, find_groups, sample_folds
from tools.parameters.edit import set_values
from tools.trials.values import with_values

EACH = 20  # images of each class; of every tenth there are copies


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures without a test split, some with a copy, a darker one, and one moved by a pixel."""
    folder = tmp_path_factory.mktemp("pictures")
    images, labels = choose_some("train", EACH)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        (folder / NAMES[label]).mkdir(exist_ok=True)
        copies = [picture := Image.fromarray(image)]
        if index % 10 == 0:
            darker = ImageEnhance.Brightness(picture).enhance(0.8)
            copies += [picture, darker, Image.fromarray(np.roll(image, 1, axis=0))]
        for number, copy in enumerate(copies):
            copy.save(folder / NAMES[label] / f"{index:02}-{number}.png")
    return folder


def test_each_image_is_held_out_once_with_its_near_duplicates(folder: Path) -> None:
    everything = EACH * 3 + 6 * 3
    parts, folds = load_folds(folder, folds=3, test_fraction=0.2)
    assert folds is not None
    images, labels, inside = parts["train"]
    test = parts["test"][2]
    assert not len(parts["validation"][2])
    np.testing.assert_array_equal(test, load(folder, test_fraction=0.2)["test"][2])
    assert sorted([*inside, *test]) == [*range(everything)]
    fold_of = np.zeros(everything, dtype=np.uint8)
    fold_of[inside] = folds
    counts = np.array([np.bincount(labels[fold_of == fold]) for fold in (1, 2, 3)])
    assert counts.sum() == len(inside)
    groups = inside[find_groups(images[inside], 0.3)]
    for label, of_class in enumerate(counts.T):
        largest = np.bincount(groups[labels[inside] == label]).max()
        assert of_class.max() <= max(largest, of_class.sum() / 3 + 1)
    for first in np.flatnonzero(find_exact(images, images) < np.arange(everything)) - 1:
        assert len({*fold_of[first : first + 4]}) == 1  # a picture, and its three copies


def test_the_seed_chooses_the_folds_on_any_number_of_threads(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, labels, _ = load(folder, test_fraction=0.2)["train"]
    used: set[int] = set()

    def count_threads(*args: Any) -> Any:
        used.update(pool["num_threads"] for pool in threadpool_info())
        return search(*args)

    monkeypatch.setattr("stages.datasets.duplicates.search", count_threads)
    with threadpool_limits(2):
        folds = [sample_folds(images, labels, 3, 0.2, seed).tolist() for seed in (1, 1, 2)]
    assert used == {1}
    assert folds[0] == folds[1] != folds[2]


def test_a_validation_split_is_divided_as_well(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "train").symlink_to(folder)
    for split in ("val", "test"):
        for label, name in enumerate(NAMES):
            images, labels = choose_some("test", 4)
            (tmp_path / split / name).mkdir(parents=True)
            for index, image in enumerate(images[labels == label]):
                Image.fromarray(image).save(tmp_path / split / name / f"{index}.png")
    without = load(tmp_path, validation_fraction=0)
    parts, folds = load_folds(tmp_path, folds=2, validation_fraction=0)
    assert folds is not None
    assert len(without["validation"][2]) == 12
    assert len(folds) == len(parts["train"][2]) == len(without["train"][2]) + 12
    assert {*folds.tolist()} == {1, 2}
    np.testing.assert_array_equal(parts["test"][0], without["test"][0])


def test_groups_are_dealt_so_that_shares_are_equal() -> None:
    """Also of classes of different sizes, with groups of several classes."""
    random = np.random.default_rng(0)
    labels = random.choice(3, size=300, p=[0.7, 0.2, 0.1]).astype(np.uint8)
    groups = np.arange(300)
    for size in (2, 3, 12):
        members = random.choice(300, size=size, replace=False)
        groups[np.isin(groups, groups[members])] = members[0]
    largest_last = np.argsort(np.bincount(groups)[groups], kind="stable")
    folds = deal(groups, labels, largest_last, 7)
    for group in np.unique(groups):
        assert len(np.unique(folds[groups == group])) == 1
    counts = np.array([np.bincount(labels[folds == fold]) for fold in range(7)])
    assert np.ptp(counts[:, 0]) <= 1
    assert np.ptp(counts, axis=0).max() <= 12
    assert np.ptp(np.bincount(folds)) <= 3


@pytest.mark.slow  # many inputs
def test_an_image_is_no_duplicate_of_itself() -> None:
    images = np.random.default_rng(0).integers(0, 256, (60, 28, 28, 1)).astype(np.uint8)
    assert len(find_pairs(images, 0.5)) == 0
    for few in (2, 3):
        assert len(find_groups(images[:few], 0.5)) == few
    images[[7, 58]] = np.roll(images[[3, 57]], 1, axis=2)
    pairs = {*map(tuple, find_pairs(images, 0.5).tolist())}
    assert pairs == {(3, 7), (7, 3), (57, 58), (58, 57)}
    assert find_groups(images, 0).tolist() == [*range(60)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"data.cifar10.folds": 1}, "data.cifar10.folds is 1: Input should be greater than or eq"),
        (
            {"data.cifar10.folds": 21},
            "data.cifar10.folds is 21: Input should be less than or equal",
        ),
        ({"fold": 0}, "fold is 0: Input should be greater than or equal to 1"),
        ({"fold": "1"}, "fold is '1': Input should be a valid integer"),
        ({"data.cifar10.fold": 2}, "data.cifar10: unknown key fold; choose from path, validation"),
        (
            {"data.fashion_mnist.folds": 6, "data.cifar10.folds": 5, "fold": 6},
            "fold is 6: data.cifar10 has 5 folds; choose 1 to 5",
        ),
    ],
)
def test_wrong_folds(values: dict[str, Any], message: str) -> None:
    parameters = read_parameters(ROOT / "params.yaml")
    check(with_values(parameters, {"fold": 6, "data.fashion_mnist.folds": 6}))
    with pytest.raises(InputError) as error:
        check(with_values(parameters, values))
    assert str(error.value).startswith(message)


def test_a_fold_that_is_missing_and_damaged_folds_are_refused(tmp_path: Path) -> None:
    for split in SPLITS:
        write_split(
            tmp_path / split, np.zeros((4, 2, 2, 1), dtype=np.uint8), np.arange(4, dtype="B")
        )
    write_folds(tmp_path, np.array([1, 2, 2, 1], dtype=np.uint8))
    splits = read_raw(tmp_path, 2)
    assert [splits[split][1].tolist() for split in SPLITS] == [[0, 3], [1, 2], [0, 1, 2, 3]]
    with pytest.raises(InputError, match=r"no image is in fold 3; set `fold` in params.yaml"):
        read_raw(tmp_path, 3)
    write_folds(tmp_path, np.array([1, 2, 2], dtype=np.uint8))
    with pytest.raises(InputError, match=r"folds.npy: shape \(3,\), for 4 images; run `dvc repro`"):
        read_raw(tmp_path, 1)


def test_too_few_images_for_each_fold(tmp_path: Path) -> None:
    images, labels = choose_some("train", 6)
    images[labels == 1] = images[6]
    with pytest.raises(InputError) as error:
        sample_folds(images[..., None], labels.astype(np.uint8), 5, 0, 100)
    assert str(error.value) == (
        "5 folds: of class 1, with 6 images, only 1 folds can have one: near duplicates stay "
        "together; choose fewer folds, or add images"
    )
    one = np.zeros((1, 28, 28, 1), dtype=np.uint8)
    with pytest.raises(InputError, match="2 folds: of class 0, with 1 images, only 1 folds can"):
        sample_folds(one, one[:, 0, 0, 0], 2, 0.2, 100)


def test_the_stages_learn_the_normalization_of_a_fold_from_its_training_images(fresh: Path) -> None:
    params = fresh / "params.yaml"
    replace(params, "method: unit", "method: standardize")
    replace(params, "near: 0.2", "near: 0")  # a search takes long
    text = params.read_text()
    raw, means = "data/raw/in_folds", []
    params.write_text(set_values(text, {"data.fashion_mnist.folds": 2}))
    told = run("python", "-m", "stages.load", "fashion_mnist", raw, cwd=fresh).stdout
    assert "400 train, 0 validation, 150 test\n" in told
    assert "2 folds of 200, 200 images\n" in told
    images, folds = (np.load(fresh / raw / name) for name in ("train/images.npy", FOLDS))
    for fold in (1, 2):
        params.write_text(set_values(text, {"data.fashion_mnist.folds": 2, "fold": fold}))
        run("python", "-m", "stages.check", "params.yaml", "out.txt", cwd=fresh)
        normalized = f"data/normalized/{fold}"
        told = run("python", "-m", "stages.normalize", raw, normalized, cwd=fresh).stdout
        assert f"validation is fold {fold}: 200 train, 200 validation\n" in told
        means.append(standardize(images[folds != fold])["mean"])
        about = json.loads((fresh / normalized / "about.json").read_text())
        assert about["normalization"]["mean"] == means[-1]
        pixels = np.load(fresh / normalized / "train/images.npy")
        assert abs(pixels.mean()) < 1e-4
        assert abs(np.load(fresh / normalized / "validation/images.npy").mean()) > 1e-4
    assert means[0] != means[1]
