"""SqueezeNet 1.1: fire modules, which squeeze channels before they expand them.

Iandola et al. 2016, SqueezeNet, arXiv 1602.07360; 1.1 is that of its authors:
https://github.com/forresti/SqueezeNet
"""

import onnx

from stages.backbones.arrays import Arrays, Weights
from stages.backbones.graph import Graph

POOLED = (3, 5)  # the fire modules after which images are halved
MEAN_BGR, DEVIATION = [103.939, 116.779, 123.68], [1.0] * 3  # of pixels from 0 to 255


def build(arrays: Arrays) -> onnx.ModelProto:
    """The network, with Keras's names of arrays; its layers are `conv1`, `fire2` ... `fire9`.

    Raises:
        ValueError: an array is missing, or one too many.
    """
    weights, graph = Weights(arrays), Graph()

    def convolve(values: str, name: str, part: str, stride: int = 1) -> tuple[str, int]:
        kernel, bias = (weights.take(f"{name}/{part}_{kind}") for kind in "Wb")
        padding = "VALID" if stride > 1 else "SAME_UPPER"
        kernel = kernel.transpose(3, 2, 0, 1)
        values = graph.convolve(values, kernel, bias, stride, padding=padding)
        return graph.add("Relu", values), len(bias)

    def pool(values: str) -> str:
        return graph.add("MaxPool", values, kernel_shape=[3, 3], strides=[2, 2])

    images = graph.scale(MEAN_BGR, DEVIATION, bgr=True)
    _, channels = convolve(images, "conv1", "conv1", stride=2)
    values = pool(graph.layer("conv1", channels))
    for number in range(2, 10):
        name = f"fire{number}"
        squeezed, _ = convolve(values, f"{name}/squeeze1x1", "squeeze1x1")
        small, few = convolve(squeezed, f"{name}/expand1x1", "expand1x1")
        large, more = convolve(squeezed, f"{name}/expand3x3", "expand3x3")
        graph.add("Concat", small, large, axis=1)
        values = graph.layer(name, few + more)
        if number in POOLED:
            values = pool(values)
    values, classes = convolve(values, "conv10", "conv10")
    graph.add("Softmax", graph.add("Flatten", graph.add("GlobalAveragePool", values)))
    weights.require_none_left()
    return graph.finish(classes)
