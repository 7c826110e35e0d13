"""Changes training images at random, differently in each epoch: mirrored, moved, partly covered."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from stages.runtime.errors import InputError

Augment = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]  # images and the number of the batch


def make_augment(settings: Mapping[Any, int], shape: tuple[int, ...], seed: int) -> Augment | None:
    """A function that changes a batch of images, float32 (n, h, w, c); None if none is to be.

    `flip` mirrors one image in two; `crop` moves it by up to so many pixels, and what moves in is
    the mirror image of the border; `cutout` covers a square with so long a side with zeros. The
    random numbers depend on the seed and the number of the batch alone, so that a training that
    goes on after a kill sees the same images.

    Raises:
        InputError: the images are not in the layout `image`, or too small.
    """
    settings = {name: value for name, value in settings.items() if value}
    if not settings:
        return None
    if len(shape) != 3:
        raise InputError(f"augment: an image of shape {shape} cannot be moved; set layout: image")
    for name in ("crop", "cutout"):
        if settings.get(name, 0) >= min(shape[:2]):
            raise InputError(
                f"augment.{name} is {settings[name]}: an image is {shape[0]}x{shape[1]}"
            )

    def augment(images: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
        for number, (name, value) in enumerate(sorted(settings.items())):
            key = tf.stack([seed + (number << 32), tf.cast(batch, tf.int64)])
            images = CHANGES[name](images, value, key)
        return images

    return augment


def flip(images: tf.Tensor, _: int, key: tf.Tensor) -> tf.Tensor:
    """Mirrors about half of the images."""
    chosen = tf.random.stateless_uniform([tf.shape(images)[0], 1, 1, 1], key) < 0.5
    return tf.where(chosen, images[:, :, ::-1], images)


def crop(images: tf.Tensor, most: int, key: tf.Tensor) -> tf.Tensor:
    """Moves each image by up to `most` pixels in each direction."""
    count, height, width, _ = tf.unstack(tf.shape(images))
    padded = tf.pad(images, [[0, 0], [most, most], [most, most], [0, 0]], "REFLECT")
    start = tf.random.stateless_uniform([2, count, 1], key, 0, 2 * most + 1, tf.int32)
    rows, columns = start[0] + tf.range(height), start[1] + tf.range(width)
    moved = tf.gather(padded, rows, axis=1, batch_dims=1)
    return tf.gather(moved, columns, axis=2, batch_dims=1)


def cutout(images: tf.Tensor, side: int, key: tf.Tensor) -> tf.Tensor:
    """Covers a square in each image; a part of it may be outside (DeVries 2017, 1708.04552)."""
    count, height, width, _ = tf.unstack(tf.shape(images))
    center = tf.random.stateless_uniform([2, count, 1], key, 0, 1)

    def is_in(position: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
        start = tf.cast(position * tf.cast(size, tf.float32), tf.int32) - side // 2
        return (tf.range(size) >= start) & (tf.range(size) < start + side)

    covered = is_in(center[0], height)[:, :, None] & is_in(center[1], width)[:, None, :]
    return tf.where(covered[..., None], tf.zeros_like(images), images)


CHANGES = {"flip": flip, "crop": crop, "cutout": cutout}
