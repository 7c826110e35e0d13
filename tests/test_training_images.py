"""A model learns from `training_images` of a data set; all others stay as they are."""

from pathlib import Path

import numpy as np
import pytest
from conftest import edit, run

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


def test_only_the_training_images_get_fewer(untrained: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    run("git", "clone", "-q", untrained, project, cwd=tmp_path)
    load = ["python", "-m", "stages.load", "cifar10"]
    run(*load, "all", cwd=project)
    data = edit(project)["data"]
    data["cifar10"]["training_images"] = 50
    edit(project, data=data)
    said = run(*load, "few", cwd=project).stdout
    assert "50 train, 40 validation, 150 test" in said
    images, labels = read_split(project / "few/train")
    assert np.bincount(labels).tolist() == [5] * 10
    every = {one.tobytes() for one in read_split(project / "all/train")[0]}
    assert all(one.tobytes() in every for one in images)
    for split in ("validation", "test"):
        assert (
            len({hash_split(*read_split(project / name / split)) for name in ("all", "few")}) == 1
        )
    data["cifar10"]["training_images"] = 5000
    edit(project, data=data)
    error = run(*load, "many", cwd=project, status=2).stderr
    assert error.startswith("load: error: ")
    assert "training_images 5000: choose from 10, one of each class, to 360\n" in error
