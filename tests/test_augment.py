"""How training images are changed, and the schedules and penalties of a Keras training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.runtime.errors import InputError

SHAPE = (8, 6, 2)
ALL = {"flip": 1, "crop": 2, "cutout": 3}


def change(settings: dict[str, int], images: NDArray[Any], batch: int = 0, seed: int = 7) -> Any:
    import tensorflow as tf

    from stages.frameworks.keras.augment import make_augment

    augment = make_augment(settings, images.shape[1:], seed)
    assert augment
    return tf.function(augment)(tf.constant(images), tf.constant(batch)).numpy()


@pytest.fixture(scope="module")
def images() -> NDArray[Any]:
    """Images without a zero, no two pixels of which are the same."""
    count = 60 * np.prod(SHAPE)
    return np.arange(1, count + 1, dtype=np.float32).reshape(60, *SHAPE)


def test_the_seed_and_the_batch_decide_the_changes(images: NDArray[Any]) -> None:
    changed = change(ALL, images)
    np.testing.assert_array_equal(changed, change(ALL, images))
    assert changed.dtype == np.float32
    for other in (change(ALL, images, batch=1), change(ALL, images, seed=8)):
        assert (changed != other).any(axis=(1, 2, 3)).mean() > 0.9


def test_flip_mirrors_about_half_of_the_images(images: NDArray[Any]) -> None:
    changed = change({"flip": 1}, images)
    same = (changed == images).all(axis=(1, 2, 3))
    mirrored = (changed == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same ^ mirrored).all()
    assert 15 < same.sum() < 45


def test_crop_moves_images_over_their_mirrored_border(images: NDArray[Any]) -> None:
    changed = change({"crop": 2, "flip": 0}, images)
    padded = np.pad(images, [(0, 0), (2, 2), (2, 2), (0, 0)], "reflect")
    moves = [(y, x) for y in range(5) for x in range(5)]
    found = [
        [move for move in moves if (one == all_of[move[0] :, move[1] :][:8, :6]).all()]
        for one, all_of in zip(changed, padded, strict=True)
    ]
    assert all(len(one) == 1 for one in found)
    assert len({one for (one,) in found}) > 15


def test_cutout_covers_a_square_and_nothing_else(images: NDArray[Any]) -> None:
    changed = change({"cutout": 3}, images)
    covered = changed == 0
    assert (changed == np.where(covered, 0, images)).all()
    for one in covered:
        rows, columns = (one[..., 0].any(axis=axis) for axis in (1, 0))
        assert (one == (rows[:, None] & columns)[..., None]).all()
        for line in (rows, columns):
            (where,) = np.nonzero(line)
            assert 1 <= len(where) <= 3
            assert np.ptp(where) == len(where) - 1
    assert len({one.tobytes() for one in covered}) > 15


@pytest.mark.parametrize(
    ("settings", "shape", "message"),
    [
        (
            {"flip": 1},
            (48,),
            r"^augment: an image of shape \(48,\) cannot be moved; set layout: im",
        ),
        ({"crop": 6}, SHAPE, r"^augment\.crop is 6: an image is 8x6$"),
        ({"cutout": 9}, SHAPE, r"^augment\.cutout is 9: an image is 8x6$"),
    ],
)
def test_what_cannot_be_changed(settings: Any, shape: tuple[int, ...], message: str) -> None:
    from stages.frameworks.keras.augment import make_augment

    with pytest.raises(InputError, match=message):
        make_augment(settings, shape, 0)
    assert make_augment({"flip": 0}, shape, 0) is None


def test_the_schedules() -> None:
    from stages.frameworks.keras.fit import schedule

    assert schedule("constant", 0.5, 100) == 0.5
    for name, first, peak in (("cosine", 1.0, 0), ("one_cycle", 0.1, 20)):
        rate: Any = schedule(name, 1.0, 100)
        values = [float(rate(step)) for step in range(101)]
        assert values[0] == pytest.approx(first)
        assert max(values) == pytest.approx(values[peak]) == pytest.approx(1)
        assert values[100] == pytest.approx(0, abs=1e-6)
        assert sorted(values[:peak]) == values[:peak]
        assert sorted(values[peak:], reverse=True) == values[peak:]


def test_weights_decay_but_not_those_of_normalization() -> None:
    """With black images, the kernel of a convolution and the scale behind it have no gradient."""
    import keras

    from stages.frameworks.keras.fit import fit
    from stages.models.resnet import build

    keras.utils.set_random_seed(3)
    before = build((8, 8, 1), 3, stem=2, filters=[2], depth=1).get_weights()[0]
    black = np.zeros((20, 8, 8, 1), np.float32), np.zeros(20, np.uint8)
    training: Any = {"epochs": 1, "batch_size": 10, "learning_rate": 0.01, "weight_decay": 5.0}
    network: Any = {"stem": 2, "filters": [2], "depth": 1}
    model, _ = fit(build, black, black, 3, 3, **training, **network)
    np.testing.assert_allclose(model.get_weights()[0], before * 0.95**2, rtol=1e-5)
    np.testing.assert_array_equal(model.get_weights()[1], [1, 1])


def test_mirrored_predictions_are_the_same_for_the_mirror_image() -> None:
    from stages.frameworks.keras.fit import average_mirrored
    from stages.models.resnet import build

    model = build((8, 8, 1), 3, stem=2, filters=[4], depth=2)
    images = np.random.default_rng(0).random((5, 8, 8, 1)).astype(np.float32)
    both = [np.asarray(model(one, training=False)) for one in (images, images[:, :, ::-1])]
    averaged = average_mirrored(model)
    assert np.abs(both[0] - both[1]).max() > 1e-4
    for one in (images, images[:, :, ::-1]):
        np.testing.assert_allclose(averaged(one, training=False), sum(both) / 2, atol=1e-6)
