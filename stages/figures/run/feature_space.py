"""The test images in the space of features, from which the last layer tells the classes apart."""

from collections.abc import Iterator

import numpy as np
import onnx
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.figures.run import Run
from stages.figures.run.examples import choose_examples
from stages.figures.run.feature_maps import compute_values
from stages.figures.run.filters import find_convolution
from stages.figures.style import BLUE, GRAY, ORANGE, OTHERS, new_figure, wrap
from stages.normalize import normalize

CAPTION = (
    "The test images as the last layer sees them: the values that enter it, projected to the two "
    "directions in which they vary most. What is apart here is easy to tell apart; what overlaps "
    "may still be apart in other directions."
)
NOTE = "small: an image, hollow if it is predicted as another class\nlarge: the mean of a class"
MOST = 1000  # images: 7 s at 7 ms per image
COLORS = [BLUE, ORANGE, *OTHERS, GRAY]
MARKERS = "os^Dv"  # and 7 colors: 35 different pairs
LIGHT = "#CCCCCC"
NAMED = 20  # classes, the most frequent: others share a color
ROUNDING = 1e-12  # share of the variance
BEFORE_OUTPUT = ("Softmax", "Sigmoid", "Add", "Identity", "Cast")  # after the last dense layer


def draw(run: Run) -> Figure | None:
    """The images' first two principal components, colored by class, hollow if mistaken.

    None if there is no convolution, or no layer that takes features.
    """
    features = find_features(run.model)
    if features is None:
        return None
    chosen = np.sort(choose_examples(len(run.images), MOST, run.seed))
    taken = normalize(run.images[chosen], run.normalization)
    points, shares = project(compute_values(run.model, features, taken))
    labels, wrong = run.labels[chosen], (run.labels != run.predicted)[chosen]
    figure = new_figure(width=9, height=6.4)
    axes = figure.subplots()
    draw_points(axes, points, labels, wrong, run.classes)
    axes.set_xlabel(f"first principal component: {shares[0]:.0%} of the variance")
    axes.set_ylabel(f"second principal component: {shares[1]:.0%} of the variance")
    axes.set_title(f"{run.name}: {len(chosen):,} test images as the last layer sees them\n{NOTE}")
    figure.legend(loc="outside right upper", fontsize=9, labelspacing=0.7, title="actual class")
    return figure


def draw_points(
    axes: Axes,
    points: NDArray[np.float64],
    labels: NDArray[np.int64],
    wrong: NDArray[np.bool_],
    classes: list[str],
) -> None:
    """Points, (n, 2), in the color and with the marker of their class, and each class's mean."""
    counts = np.bincount(labels)
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    named, others = np.sort(order[:NAMED]), order[NAMED:]
    if len(others):
        x, y = points[np.isin(labels, others)].T
        axes.scatter(x, y, s=20, c=LIGHT, linewidths=0, label=f"{len(others)} other classes")
    means = []
    for i, label in enumerate(named):
        color, marker, own = COLORS[i % len(COLORS)], MARKERS[i % len(MARKERS)], labels == label
        x, y = points[own & ~wrong].T
        axes.scatter(x, y, s=20, c=color, marker=marker, linewidths=0, alpha=0.6)
        x, y = points[own & wrong].T
        axes.scatter(x, y, s=20, c="none", marker=marker, edgecolors=color, linewidths=1)
        means.append((points[own].mean(axis=0), color, marker, wrap(classes[label], 24, 2)))
    for (x, y), color, marker, name in means:  # above all points
        axes.scatter(
            x, y, s=130, c=color, marker=marker, edgecolors="w", linewidths=1.5, label=name
        )


def find_features(model: onnx.ModelProto) -> str | None:
    """The name of the values that enter the last layer of a network, (n, d), or None.

    For a network, the input of the last dense layer, if only softmax follows. For another
    classifier on features of a network, these: the first vector per image, after the last
    convolution, from which all else is computed.
    """
    if find_convolution(model) is None:
        return None
    depends, producers = {"images"}, dict[str, onnx.NodeProto]()
    for node in model.graph.node:
        if depends.intersection(node.input):
            depends |= {*node.output}
            producers |= dict.fromkeys(node.output, node)
    last = model.graph.output[-1].name
    ends = {last}
    while last in producers:
        node = producers[last]
        if node.op_type in ("MatMul", "Gemm") and node.input[1] not in depends:
            return node.input[0]
        inputs = depends.intersection(node.input)
        if node.op_type not in BEFORE_OUTPUT or len(inputs) != 1:
            break
        (last,) = inputs
        ends.add(last)
    return next((name for name in list_bottlenecks(model) if name not in ends), None)


def list_bottlenecks(model: onnx.ModelProto) -> Iterator[str]:
    """The vectors after the last convolution, (n, d), from which alone all else is computed."""
    inferred = onnx.shape_inference.infer_shapes(model).graph.value_info
    vectors = {
        value.name
        for value in inferred
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        and len(value.type.tensor_type.shape.dim) == 2
    }
    nodes = model.graph.node
    last_use = {name: index for index, node in enumerate(nodes) for name in list_inputs(node)}
    last_use |= dict.fromkeys((value.name for value in model.graph.output), len(nodes))
    last_convolution = max(index for index, node in enumerate(nodes) if node.op_type == "Conv")
    live = {"images"}  # values of images that a later node takes
    for index, node in enumerate(nodes):
        if live.intersection(list_inputs(node)):
            live |= {*node.output}
        live = {name for name in live if last_use.get(name, -1) > index}
        if index > last_convolution and len(live) == 1:
            yield from live & vectors


def list_inputs(node: onnx.NodeProto) -> list[str]:
    """The values that a node takes, also within a graph of its own."""
    inner = [one for attribute in node.attribute for one in attribute.g.node]
    return [*node.input, *(name for one in inner for name in list_inputs(one))]


def project(features: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The first two principal components, (n, 2), and their shares of the variance, (2,).

    Each points where its largest weight is positive. They are eigenvectors of the smaller matrix of
    products: 2 s for 2,000 images with 3,000 features, of which `np.linalg.svd` takes 7 s.
    """
    centered = features.astype(np.float64)
    centered -= centered.mean(axis=0)
    images, columns = centered.shape
    products = centered @ centered.T if images < columns else centered.T @ centered
    variance = np.trace(products)
    values, vectors = np.linalg.eigh(products)
    points, shares = np.zeros((images, 2)), np.zeros(2)
    for i, value in enumerate(values[::-1][:2]):
        if value > ROUNDING * variance:  # all images may be alike, or on a line
            weights = vectors[:, -1 - i]
            weights = centered.T @ weights / np.sqrt(value) if images < columns else weights
            points[:, i] = centered @ weights * np.sign(weights[np.abs(weights).argmax()])
            shares[i] = value / variance
    return points, shares
