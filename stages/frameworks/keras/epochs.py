"""The epochs of a Keras fit, with hundreds of steps in one call of TensorFlow."""

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from stages.datasets.arrays import Split
from stages.frameworks.keras.augment import make_augment
from stages.frameworks.keras.checkpoint import Checkpoints
from stages.runtime.errors import InputError

STEPS = 200  # per call; between two calls the progress bar moves
VALIDATION_BATCH = 32  # images; Keras's default

# From a batch's images and labels to its mean loss and the probabilities.
Step = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def run_epochs(
    model: keras.Model,
    optimizer: keras.Optimizer,
    train: Split,
    validation: Split,
    epochs: int,
    batch_size: int,
    seed: int,
    class_weight: dict[Any, float] | None = None,
    label_smoothing: float = 0,
    augment: Mapping[Any, int] | None = None,
) -> list[dict[str, float]]:
    """Fits `model` on cross-entropy; returns the learning curve, one row per epoch.

    The loss of a training image is multiplied by the weight of its class: 1 if it has none. Images
    are changed as `augment` says, see `make_augment`. Each row has epoch, accuracy, loss and, if
    there are validation images, val_accuracy and val_loss. Weights and rows are those of
    `keras.Model.fit`, bit for bit, in two thirds of its time: it also assembles, starts and
    measures each batch in Python and in `tf.data`. A training that was killed goes on after its
    last checkpoint.

    Raises:
        InputError: the loss or a weight is not finite.
    """
    cross_entropy = keras.losses.SparseCategoricalCrossentropy()
    smoothed = keras.losses.CategoricalCrossentropy(label_smoothing=label_smoothing)
    optimizer.build(model.trainable_variables)
    classes = model.output_shape[1]
    by_label = [(class_weight or {}).get(label, 1.0) for label in range(classes)]
    change = make_augment(augment or {}, train[0].shape[1:], seed)

    def learn(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        weights = tf.gather(tf.constant(by_label), labels) if class_weight else None
        if change:
            images = change(images, optimizer.iterations)
        with tf.GradientTape() as tape:
            probability = model(images, training=True)
            if label_smoothing:
                loss = smoothed(tf.one_hot(labels, classes), probability, weights)
            else:
                loss = cross_entropy(labels, probability, weights)
            loss = tf.add_n([loss, *model.losses])
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss, probability

    def measure(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        probability = model(images, training=False)
        return tf.add_n([cross_entropy(labels, probability), *model.losses]), probability

    learn_epoch, measure_epoch = over_batches(learn, train), over_batches(measure, validation)
    orders = shuffle(len(train[1]), seed)
    steps = -(-len(train[1]) // batch_size)
    checkpoints = Checkpoints(
        [*model.variables, *optimizer.variables],
        [train, validation],
        {
            "model": model.to_json(),
            "optimizer": keras.optimizers.serialize(optimizer),
            "training": [epochs, batch_size, seed, by_label, label_smoothing],
            "augment": dict(augment or {}),
            "libraries": [keras.__version__, tf.__version__],
            "threads": tf.config.threading.get_intra_op_parallelism_threads(),
        },
    )
    rows = checkpoints.resume()
    for _ in rows:
        next(orders)
    for epoch in range(len(rows), epochs):
        print(f"Epoch {epoch + 1}/{epochs}")
        progress = keras.utils.Progbar(steps, verbose=1 if sys.stdout.isatty() else 2)
        loss, accuracy = learn_epoch(next(orders), batch_size, progress.update)
        row = {"accuracy": accuracy, "loss": loss}
        if held_out := len(validation[1]):
            loss, accuracy = measure_epoch(tf.range(held_out, dtype=tf.int64), VALIDATION_BATCH)
            row |= {"val_accuracy": accuracy, "val_loss": loss}
        progress.update(steps, row.items(), finalize=True)
        if not np.isfinite([*row.values(), *map(np.sum, model.get_weights())]).all():
            raise InputError(
                f"training diverged: the loss is {row['loss']:.3g} after epoch {epoch + 1} of "
                f"{epochs}; lower learning_rate, now {float(optimizer.learning_rate):.3g}"
            )
        rows.append({"epoch": epoch, **row})
        checkpoints.save(rows)
    checkpoints.remove()
    return rows


def over_batches(step: Step, split: Split) -> Callable[..., tuple[float, float]]:
    """A function that takes `step` over batches of the split and returns mean loss and accuracy.

    Its arguments are the indices of the images in order, int64 (n,), the batch size, and a function
    to call with the number of batches so far. The last batch may be smaller.
    """
    images, labels = share(split[0]), tf.constant(split[1].astype(np.int64))

    def take_steps(
        batches: tf.Tensor, start: tf.Tensor, stop: tf.Tensor, sums: tf.Tensor
    ) -> tf.Tensor:
        for index in tf.range(start, stop):
            truth = tf.gather(labels, batches[index])
            loss, probability = step(tf.gather(images, batches[index]), truth)
            right = tf.reduce_sum(tf.cast(tf.argmax(probability, 1) == truth, tf.float32))
            sums += tf.stack([loss * tf.cast(tf.size(truth), tf.float32), right])
        return sums

    compiled = tf.function(
        take_steps,
        input_signature=[
            tf.TensorSpec((None, None), tf.int64),
            tf.TensorSpec((), tf.int32),
            tf.TensorSpec((), tf.int32),
            tf.TensorSpec((2,), tf.float32),
        ],
    )

    def run(
        order: tf.Tensor, batch_size: int, report: Callable[[int], None] = lambda batches: None
    ) -> tuple[float, float]:
        count = len(order) // batch_size
        batches = tf.reshape(order[: count * batch_size], (count, batch_size))
        sums = tf.zeros(2)
        for start in range(0, count, STEPS):
            stop = min(start + STEPS, count)
            sums = compiled(batches, tf.constant(start), tf.constant(stop), sums)
            report(stop)
        rest = order[None, count * batch_size :]
        if rest.shape[1]:
            sums = compiled(rest, tf.constant(0), tf.constant(1), sums)
        loss, accuracy = (sums / len(order)).numpy().tolist()
        return loss, accuracy

    return run


def share(images: NDArray[Any]) -> tf.Tensor:
    """The images as a tensor, on the memory of a mapped file: `tf.constant` copies twice."""
    if not isinstance(images, np.memmap) or not images.size:
        return tf.constant(images)
    # TensorFlow refuses the mapping of a split, which is read-only, but never writes to this one.
    # An array in a file starts at a multiple of 64 bytes, without which TensorFlow crashes.
    mapped: Any = np.memmap(str(images.filename), images.dtype, "c", images.offset, images.shape)
    return tf.experimental.dlpack.from_dlpack(mapped.__dlpack__())


def shuffle(count: int, seed: int) -> Iterator[tf.Tensor]:
    """Yields all indices, int64 (count,), in another order for each epoch."""
    orders = tf.data.Dataset.range(count).shuffle(count, seed=seed).batch(count)
    while True:
        yield next(iter(orders))
        next(iter(orders))  # `keras.Model.fit` draws two orders per epoch and uses the first
