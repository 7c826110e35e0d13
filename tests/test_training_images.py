"""A model learns from `training_images` of a data set; all others stay as they are."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import edit

from stages import load
from stages.datasets.arrays import hash_split, read_split
from stages.runtime.errors import InputError
from stages.sources.common.hold_out import sample_training


def test_fewer_images_are_some_of_more_and_the_same_share_of_each_class() -> None:
    random = np.random.default_rng(0)
    labels = random.permutation(np.repeat([0, 1, 2], [600, 300, 100])).astype(np.uint8)
    before = np.zeros(len(labels), dtype=bool)
    for count in (10, 50, 333, 999, 1000):
        chosen = sample_training(labels, count, seed=1)
        assert chosen.sum() == count
        assert (chosen | before).sum() == count
        np.testing.assert_allclose(
            np.bincount(labels[chosen]), np.array([0.6, 0.3, 0.1]) * count, atol=1
        )
        before = chosen
    others = sample_training(labels, 50, seed=2)
    assert (others != sample_training(labels, 50, seed=1)).any()


@pytest.mark.parametrize("count", [2, 1001])
def test_too_few_or_too_many_are_named(count: int) -> None:
    labels = np.repeat(np.arange(4, dtype=np.uint8), 250)
    with pytest.raises(InputError, match=f"training_images {count}: choose from 4, .* to 1000"):
        sample_training(labels, count, seed=0)


def test_only_the_training_images_get_fewer(
    untrained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(untrained / "data/toy", tmp_path / "data/toy")
    shutil.copyfile(untrained / "params.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    load.main("cifar10", Path("all"))
    data = edit(tmp_path)["data"]
    data["cifar10"]["training_images"] = 50
    edit(tmp_path, data=data)
    load.main("cifar10", Path("few"))
    assert "50 train, 40 validation, 150 test" in capsys.readouterr().out
    few, every = (
        {split: read_split(Path(name, split)) for split in ("train", "validation", "test")}
        for name in ("few", "all")
    )
    images, labels = few["train"]
    assert np.bincount(labels).tolist() == [5] * 10
    known = {one.tobytes() for one in every["train"][0]}
    assert all(one.tobytes() in known for one in images)
    for split in ("validation", "test"):
        assert hash_split(*few[split]) == hash_split(*every[split])
    data["cifar10"]["training_images"] = 5000
    edit(tmp_path, data=data)
    said = "training_images 5000: choose from 10, one of each class, to 360$"
    with pytest.raises(InputError, match=said):
        load.main("cifar10", Path("many"))
    assert not Path("many").exists()
