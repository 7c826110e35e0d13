"""EfficientNet-Lite: inverted residual blocks without squeeze and excitation, and ReLU6.

Tan and Le 2019, EfficientNet, arXiv 1905.11946; the lite variant is that of TensorFlow's authors:
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
"""

import math
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from stages.backbones.arrays import Arrays, Weights
from stages.backbones.graph import Graph

# Repeats, kernel, stride, expansion, filters.
STAGES = [
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
]
EPSILON = 1e-3  # of batch normalization
MEAN, DEVIATION = [127.0] * 3, [128.0] * 3  # of pixels from 0 to 255
UNUSED = ".num_batches_tracked"  # the end of the names of what only a training uses


def build(arrays: Arrays, width: float, depth: float) -> onnx.ModelProto:
    """The network, with PyTorch's names of arrays: `width` times the filters, `depth` the repeats.

    The layers are `stem`; for each block, such as the first of stage 6, `block6a_expand`, the
    activation of its expanding convolution, and `block6a`, its output; and `top`. Batch
    normalization, with the averages of the whole training, is a part of the convolutions.

    Raises:
        ValueError: an array is missing, or one too many.
    """
    weights = Weights({name: arrays[name] for name in arrays if not name.endswith(UNUSED)})
    graph = Graph()

    def convolve(
        values: str, name: str, norm: str, stride: int = 1, groups: int = 1, activated: bool = True
    ) -> str:
        kernel, bias = fold(weights, name, norm)
        values = graph.convolve(values, kernel, bias, stride, groups)
        return graph.add("Clip", values, zero, six) if activated else values

    zero, six = graph.weight(0), graph.weight(6)
    convolve(graph.scale(MEAN, DEVIATION), "_conv_stem", "_bn0", stride=2)
    values, channels, number = graph.layer("stem", 32), 32, 0
    for stage, (repeats, _, first_stride, expansion, filters) in enumerate(STAGES, start=1):
        filters = round_filters(filters * width)
        if stage not in (1, len(STAGES)):
            repeats = math.ceil(depth * repeats)
        for repeat in range(repeats):
            at, name = f"_blocks.{number}.", f"block{stage}{'abcdefgh'[repeat]}"
            before, stride = values, first_stride if repeat == 0 else 1
            expanded = channels * expansion
            if expansion > 1:
                convolve(values, f"{at}_expand_conv", f"{at}_bn0")
                values = graph.layer(f"{name}_expand", expanded)
            values = convolve(values, f"{at}_depthwise_conv", f"{at}_bn1", stride, expanded)
            values = convolve(values, f"{at}_project_conv", f"{at}_bn2", activated=False)
            if stride == 1 and channels == filters:
                graph.add("Add", values, before)
            values, channels, number = graph.layer(name, filters), filters, number + 1
    convolve(values, "_conv_head", "_bn1")
    values = graph.layer("top", 1280)
    values = graph.add("Flatten", graph.add("GlobalAveragePool", values))
    kernel, bias = weights.take("_fc.weight").T, weights.take("_fc.bias")
    values = graph.add("MatMul", values, graph.weight(kernel))
    graph.add("Softmax", graph.add("Add", values, graph.weight(bias)))
    weights.require_none_left()
    return graph.finish(len(bias))


def fold(weights: Weights, name: str, norm: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """A kernel, (filters, channels, height, width), and bias, with what normalizes its output.

    The latter is y = gamma * (x - mean) / sqrt(variance + EPSILON) + beta.
    """
    kernel = weights.take(f"{name}.weight").astype(np.float64)
    parts = ("weight", "bias", "running_mean", "running_var")
    gamma, beta, mean, variance = (weights.take(f"{norm}.{part}") for part in parts)
    scale = gamma / np.sqrt(variance.astype(np.float64) + EPSILON)
    return kernel * scale[:, None, None, None], beta - mean * scale


def round_filters(filters: float) -> int:
    """The nearest multiple of 8, but not less than nine tenths."""
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters else rounded
