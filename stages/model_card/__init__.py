"""The model card of a run, a Markdown page: YAML as on Hugging Face, then sections for people."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.model_card.published import Published
from stages.model_file.metadata import Metadata


@dataclass(frozen=True)
class Facts:
    """What is known of a run and its model.

    `metadata` and `sha256` are those of its file, which takes images of `input_shape` and returns
    `outputs`. `scores`, `profile` and `audit` are what the stages of these names wrote. `labels`
    and `predicted`, both (n,), are of the test images; `pictures` are the names of the run's
    pictures. `recipe` has the blocks of params.yaml that its training depends on, `seeds` its
    accuracies on validation images by other seeds, None if nobody measured them. `pins` are the
    packages that computed it.
    """

    name: str
    metadata: Metadata
    sha256: str
    input_shape: tuple[int, ...]
    outputs: list[str]
    scores: dict[str, Any]
    profile: dict[str, Any]
    audit: dict[str, Any]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    pictures: list[str]
    seed: int
    recipe: dict[str, Any]
    seeds: dict[str, Any] | None
    pins: list[str]
    published: Published | None
