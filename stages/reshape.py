"""Reshapes images to the layout that a model takes: `flat` (n, h*w*c) or `image` (n, h, w, c)."""

import functools
from pathlib import Path
from typing import Any

from stages.runtime.command import run

from numpy.typing import NDArray

from stages.datasets.arrays import SPLITS, read_split, write_split
from stages.runtime.errors import InputError
from stages.runtime.files import atomic_write, read_json, write_json


def main(normalized: Path, layout: str, out: Path) -> None:
    """Writes the splits of `normalized` in `layout` to `out`, with `out`/about.json."""
    metadata = read_json(normalized / "about.json", classes=list)
    metadata["layout"] = layout
    lay_out = functools.partial(reshape, layout=layout)
    with atomic_write(out) as partial:
        for split in SPLITS:
            images, labels = read_split(normalized / split)
            metadata["image_shape"] = images.shape[1:]
            write_split(partial / split, images, labels, change=lay_out)
        write_json(partial / "about.json", metadata)
    numbers = " x ".join(map(str, lay_out(images).shape[1:]))
    print(f"{layout}: each image is {numbers} numbers")


def reshape(images: NDArray[Any], layout: str) -> NDArray[Any]:
    """Images (n, h, w, c) in `layout`, without a copy."""
    if layout not in LAYOUTS:
        raise InputError(f"layout {layout!r} is unknown; the layouts are {', '.join(LAYOUTS)}")
    return LAYOUTS[layout](images)


def flatten(images: NDArray[Any]) -> NDArray[Any]:
    """Images (n, h, w, c) flattened to (n, h*w*c)."""
    n, height, width, channels = images.shape
    return images.reshape(n, height * width * channels)


def keep(images: NDArray[Any]) -> NDArray[Any]:
    """Images (n, h, w, c), unchanged."""
    return images


LAYOUTS = {"flat": flatten, "image": keep}  # the choices of `models.RUN.layout`


if __name__ == "__main__":
    run(main, "arrays")
