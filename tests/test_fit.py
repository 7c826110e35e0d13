"""How models are fitted."""

import numpy as np
import tensorflow as tf

from stages.frameworks.keras.fit import shuffled_batches


def test_every_epoch_has_all_images_in_another_order_that_the_seed_decides() -> None:
    images = np.arange(100, dtype=np.float32)[:, None]
    labels = np.arange(100, dtype=np.uint8)

    def orders(seed: int) -> list[list[int]]:
        tf.config.experimental.enable_op_determinism()
        tf.keras.utils.set_random_seed(seed)
        batches = shuffled_batches(images, labels, 32, seed)
        epochs = [list(batches.as_numpy_iterator()) for _ in range(3)]
        for batch_images, batch_labels in epochs[0]:
            np.testing.assert_array_equal(batch_images[:, 0], batch_labels)
        return [[int(label) for _, part in epoch for label in part] for epoch in epochs]

    first, second, third = orders(100)
    assert sorted(first) == sorted(second) == sorted(third) == list(range(100))
    assert first != second != third != first
    assert orders(100) == [first, second, third]
    assert orders(7)[0] != first
