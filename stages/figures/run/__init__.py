"""The pictures of a run: a module each, with a `CAPTION` and a function `draw`.

`draw` takes a `Run` and returns the picture, or None where there is nothing to draw of this run.
"""

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray


@dataclass(frozen=True)
class Run:
    """What there is to draw of a run: its answers to the test images, its curve and its model.

    `images` are the raw test images, uint8 (n, h, w, c), `labels` and `predicted` (n,),
    `probabilities` (n, classes) or None; `curve` holds the columns of its learning curve, and
    `normalization` what the model's images are normalized by. `examples` and `mistakes` are how
    many images to show.
    """

    name: str
    classes: list[str]
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float32] | None
    curve: dict[str, list[float]]
    model: onnx.ModelProto
    normalization: dict[str, list[float]]
    examples: int
    mistakes: int
    seed: int
    threads: int
