"""Splits are written block by block."""

import io
from pathlib import Path

import numpy as np
import pytest

from stages.datasets.arrays import BLOCK, read_split, write_split


@pytest.mark.parametrize("count", [0, 1, BLOCK, 2 * BLOCK + 3])
def test_blocks_make_the_file_that_numpy_makes_of_the_whole(tmp_path: Path, count: int) -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count + 5, 4, 4, 3)).astype(np.uint8)
    labels = np.arange(count + 5).astype(np.uint8)
    chosen = random.permutation(count + 5)[:count]
    write_split(tmp_path / "split", images, labels, chosen, lambda part: part / np.float32(255))
    for name, array in (("images", images[chosen] / np.float32(255)), ("labels", labels[chosen])):
        file = io.BytesIO()
        np.save(file, array)
        assert (tmp_path / "split" / f"{name}.npy").read_bytes() == file.getvalue()


def test_a_bad_pixel_is_found_in_the_last_block(tmp_path: Path) -> None:
    images = np.zeros((2 * BLOCK + 3, 2), dtype=np.float32)
    images[-2, 1] = np.inf
    write_split(tmp_path / "split", images, np.zeros(len(images), dtype=np.uint8))
    with pytest.raises(ValueError, match=f"image {len(images) - 2} has a pixel"):
        read_split(tmp_path / "split")
