"""Folds for cross-validation: each image is held out once, with its near duplicates."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import replace, run
from own_data import NAMES, choose_some, load
from PIL import Image, ImageEnhance
from threadpoolctl import threadpool_info, threadpool_limits

from stages.datasets.duplicates import find_exact, find_pairs
from stages.datasets.search import search
from stages.load import Parts
from stages.normalize import standardize
from stages.runtime.errors import InputError
from stages.sources.common.folds import deal, find_groups, sample_folds
from tools.parameters.edit import set_values

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


def load_all(folder: Path, folds: int, **others: Any) -> list[Parts]:
    """What `load` makes of each fold."""
    return [load(folder, folds=folds, fold=fold + 1, **others) for fold in range(folds)]


def test_each_image_is_held_out_once_with_its_near_duplicates(folder: Path) -> None:
    everything = EACH * 3 + 6 * 3
    loaded = load_all(folder, 3, test_fraction=0.2)
    fold_of = np.full(everything, -1)
    for fold, parts in enumerate(loaded):
        _, labels, held = parts["validation"]
        training, test = parts["train"][2], parts["test"][2]
        assert sorted([*held, *training, *test]) == [*range(everything)]
        assert (fold_of[held] < 0).all()
        fold_of[held] = fold
        np.testing.assert_array_equal(test, loaded[0]["test"][2])
    images, labels, test = loaded[0]["test"]
    np.testing.assert_array_equal(test, load(folder, test_fraction=0.2)["test"][2])
    np.testing.assert_array_equal(np.flatnonzero(fold_of < 0), test)
    counts = np.array([np.bincount(labels[fold_of == fold]) for fold in range(3)])
    inside = np.flatnonzero(fold_of >= 0)
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
    loaded = load_all(tmp_path, 2, validation_fraction=0)
    held = np.concatenate([parts["validation"][2] for parts in loaded])
    assert len(without["validation"][2]) == 12
    assert sorted(held) == [*range(len(without["train"][2]) + 12)]
    for parts in loaded:
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
    ("parameters", "message"),
    [
        ({"folds": 5}, "data.mine: folds and fold go together: set both, such as 5 and 1, or none"),
        ({"fold": 1}, "data.mine: folds and fold go together: set both"),
        ({"folds": 5, "fold": 6}, "data.mine: there is no fold 6; choose 1 to 5"),
        ({"folds": 1, "fold": 1}, "data.mine.folds is 1: Input should be greater than or equal"),
        ({"folds": 21, "fold": 1}, "data.mine.folds is 21: Input should be less than or equal"),
        ({"folds": 5, "fold": 0}, "data.mine.fold is 0: Input should be greater than or equal"),
        ({"folds": 5, "fold": "1"}, "data.mine.fold is '1': Input should be a valid integer"),
    ],
)
def test_wrong_folds(folder: Path, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        load(folder, **parameters)
    assert str(error.value).startswith(message)


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
    means = []
    for fold in (1, 2):
        values = {"data.fashion_mnist.folds": 2, "data.fashion_mnist.fold": fold}
        params.write_text(set_values(text, values))
        run("python", "-m", "stages.check", "params.yaml", "out.txt", cwd=fresh)
        raw, normalized = f"data/raw/{fold}", f"data/normalized/{fold}"
        told = run("python", "-m", "stages.load", "fashion_mnist", raw, cwd=fresh).stdout
        assert f"validation is fold {fold} of 2\n" in told
        run("python", "-m", "stages.normalize", raw, normalized, cwd=fresh)
        train = np.load(fresh / raw / "train/images.npy")
        means.append(standardize(train)["mean"])
        about = json.loads((fresh / normalized / "about.json").read_text())
        assert about["normalization"]["mean"] == means[-1]
        pixels = np.load(fresh / normalized / "train/images.npy")
        assert abs(pixels.mean()) < 1e-4
        assert abs(np.load(fresh / normalized / "validation/images.npy").mean()) > 1e-4
    assert means[0] != means[1]
