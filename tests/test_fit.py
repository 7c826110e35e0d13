"""How Keras models are fitted.

TensorFlow is imported in the tests: these are collected for `make test-quick` as well.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stages.datasets.arrays import Split, read_split, write_split
from stages.runtime.errors import InputError

if TYPE_CHECKING:
    import keras

EPOCHS, BATCH, SEED = 3, 32, 100


def draw_split(folder: Path, count: int) -> Split:
    """Writes random images of three classes that differ in brightness, and reads them."""
    generator = np.random.default_rng(count)
    labels = generator.integers(3, size=count).astype(np.uint8)
    images = generator.random((count, 8, 8, 1), dtype=np.float32) + labels[:, None, None, None]
    write_split(folder, images, labels)
    return read_split(folder)


def build() -> keras.Model:
    """A network with all that has a state: a random mask, moving averages, and a penalty."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(SEED)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(3, activation="softmax"),
        ]
    )


@pytest.mark.parametrize(
    ("held_out", "class_weight"), [(50, None), (0, None), (50, {0: 2, 2: 0.5})]
)
def test_the_weights_and_the_learning_curve_are_those_of_keras(
    held_out: int, class_weight: dict[int, float] | None, tmp_path: Path
) -> None:
    import keras
    import tensorflow as tf

    from stages.frameworks.keras.epochs import run_epochs

    tf.config.experimental.enable_op_determinism()
    train = draw_split(tmp_path / "train", 7 * BATCH + 5)
    validation = draw_split(tmp_path / "validation", held_out)

    expected = build()
    expected.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    order = tf.data.Dataset.range(len(train[1])).shuffle(len(train[1]), seed=SEED).batch(BATCH)
    labels = train[1].astype(np.int64)
    history = expected.fit(
        order.map(lambda index: (tf.gather(train[0], index), tf.gather(labels, index))),
        shuffle=False,
        epochs=EPOCHS,
        validation_data=(validation[0], validation[1].astype(np.int64)) if held_out else None,
        class_weight=class_weight and {1: 1} | class_weight,
        verbose=0,
    ).history

    model = build()
    optimizer = keras.optimizers.Adam(0.001)
    curve = run_epochs(model, optimizer, train, validation, EPOCHS, BATCH, SEED, class_weight)
    for weight, other in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)
    assert curve == [
        {"epoch": epoch, **{name: values[epoch] for name, values in sorted(history.items())}}
        for epoch in range(EPOCHS)
    ]
    assert ("val_accuracy" in curve[0]) == bool(held_out)


@pytest.mark.parametrize("rate", [1e30, 20.0])
def test_a_training_that_diverges_stops_at_that_epoch(
    rate: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import keras

    from stages.frameworks.keras.epochs import run_epochs

    train, none = draw_split(tmp_path / "train", 7 * BATCH), draw_split(tmp_path / "none", 0)
    said = r"^training diverged: the loss is \S+ after epoch \d of 9; lower learning_rate, now "
    with pytest.raises(InputError, match=said) as error:
        run_epochs(build(), keras.optimizers.SGD(rate), train, none, 9, BATCH, SEED)
    epochs = capsys.readouterr().out.count("Epoch ")
    assert f"after epoch {epochs} of" in str(error.value)
    assert epochs == 1 if rate > 100 else 1 < epochs < 9


def test_every_epoch_has_all_images_in_another_order_that_the_seed_decides() -> None:
    import keras

    from stages.frameworks.keras.epochs import shuffle

    def orders(seed: int) -> list[list[int]]:
        keras.utils.set_random_seed(seed)
        return [order.numpy().tolist() for order in islice(shuffle(100, seed), 3)]

    first, second, third = orders(100)
    assert sorted(first) == sorted(second) == sorted(third) == list(range(100))
    assert first != second != third != first
    assert orders(100) == [first, second, third]
    assert orders(7)[0] != first
