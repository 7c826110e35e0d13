"""The pictures of a run: one module per picture, with a `CAPTION` and a function `draw`.

`draw` takes a `Run` and returns the picture, or None if there is nothing to draw for this run.
"""

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray


@dataclass(frozen=True)
class Run:
    """What the pictures show: a run's predictions for the test images, learning curve and model.

    `images` are the raw test images, uint8 (n, h, w, c), `labels` and `predicted` are (n,),
    `probabilities` is (n, classes) or None. `curve` contains the columns of the learning curve, and
    `normalization` the mean and deviation for the model's images. `backbone` is the name of a
    network within the model that was not trained here, but learned ImageNet. `examples` and
    `mistakes` are how many images to show.
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
    backbone: str | None
    examples: int
    mistakes: int
    seed: int
