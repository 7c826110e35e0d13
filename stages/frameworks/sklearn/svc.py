"""A support vector classifier without probabilities as an ONNX graph of matrix products."""

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto
from skl2onnx.common._registration import get_converter
from sklearn.svm import SVC

from stages.frameworks.sklearn.nodes import Nodes
from stages.frameworks.sklearn.predict import has_probabilities


def convert_svc(scope: Any, operator: Any, container: Any) -> None:
    """Adds a support vector classifier as matrix products, as a converter for skl2onnx.

    The kernel values of images and support vectors, (n, vectors), times the coefficients are the
    decisions for each pair of classes, (n, pairs). Their signs times a table are the votes for each
    class. ArgMax takes the first of equals, as libsvm's svm_predict_values does. One with
    probabilities is left to skl2onnx.
    """
    model: SVC = operator.raw_operator
    if has_probabilities(model):
        get_converter(operator.type)(scope, operator, container)
        return
    nodes = Nodes(scope, container)
    images = operator.inputs[0].full_name
    coefficients, intercepts = pair_coefficients(model)
    if model.kernel == "linear":  # the vectors fold into the coefficients
        products = nodes.add(
            "MatMul", images, single(nodes, model.support_vectors_.T @ coefficients)
        )
    else:
        kernel = add_kernel(nodes, model, images)
        products = nodes.add("MatMul", kernel, single(nodes, coefficients))
    decision = nodes.add("Add", products, single(nodes, intercepts))
    votes, with_confidence = add_votes(nodes, decision, len(model.classes_))
    label, scores = (output.full_name for output in operator.outputs)
    by_class = model.decision_function_shape == "ovr" and len(model.classes_) > 2
    ranked = with_confidence if model.break_ties and by_class else votes
    best = nodes.add("ArgMax", ranked, axis=1, keepdims=0)
    nodes.add("Gather", nodes.constant(model.classes_.astype(np.int64)), best, output=label)
    # The scores are scikit-learn's `decision_function`, which other classifiers calibrate or stack.
    if len(model.classes_) == 2:
        nodes.add("Concat", decision, nodes.add("Neg", decision), output=scores, axis=1)
    else:
        nodes.add("Identity", with_confidence if by_class else decision, output=scores)


def single(nodes: Nodes, value: Any) -> str:
    """Adds a constant in float32."""
    return nodes.constant(np.asarray(value, dtype=np.float32))


def add_kernel(nodes: Nodes, model: SVC, images: str) -> str:
    """The value of a kernel other than `linear` for each image and support vector, (n, vectors)."""
    vectors = model.support_vectors_
    products = nodes.add("MatMul", images, single(nodes, vectors.T))
    gamma = single(nodes, model._gamma)
    if model.kernel == "rbf":
        # |x - v|² = x² + v² - 2xv, which rounding may make negative
        first = nodes.constant(np.array([1]))
        of_images = nodes.add("ReduceSumSquare", images, first, keepdims=1)
        of_vectors = single(nodes, (vectors.astype(np.float64) ** 2).sum(axis=1))
        cross = nodes.add("Mul", products, single(nodes, 2))
        distances = nodes.add("Sub", nodes.add("Add", of_images, of_vectors), cross)
        distances = nodes.add("Max", distances, single(nodes, 0))
        return nodes.add("Exp", nodes.add("Neg", nodes.add("Mul", distances, gamma)))
    scaled = nodes.add("Add", nodes.add("Mul", products, gamma), single(nodes, model.coef0))
    if model.kernel == "poly":
        return nodes.add("Pow", scaled, single(nodes, model.degree))
    if model.kernel == "sigmoid":
        return nodes.add("Tanh", scaled)
    raise NotImplementedError(f"SVC with kernel {model.kernel!r}")


def pair_coefficients(model: SVC) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The coefficients, (vectors, pairs), and intercepts, (pairs,), for each pair of classes.

    libsvm stores those of a vector of class i against class j in row j - 1 if j > i, otherwise in
    row j; the decision for the pair i, j is positive for i.
    """
    # scikit-learn flips the signs of the public attributes if there are two classes
    dual, intercepts = model._dual_coef_, model._intercept_
    ends = np.cumsum(model.n_support_)
    rows = [slice(end - count, end) for end, count in zip(ends, model.n_support_, strict=True)]
    pairs = list(combinations(range(len(model.classes_)), 2))
    coefficients = np.zeros((len(model.support_vectors_), len(pairs)))
    for column, (i, j) in enumerate(pairs):
        coefficients[rows[i], column] = dual[j - 1, rows[i]]
        coefficients[rows[j], column] = dual[i, rows[j]]
    return coefficients, intercepts


def add_votes(nodes: Nodes, decision: str, classes: int) -> tuple[str, str]:
    """The votes for each class, (n, classes), and the same with ties broken by confidence."""
    pairs = np.array(list(combinations(range(classes), 2)))
    first, second = (np.eye(classes, dtype=np.float32)[pairs[:, side]] for side in (0, 1))
    above = nodes.add("Greater", decision, single(nodes, 0))
    won = nodes.add("Cast", above, to=TensorProto.FLOAT)
    # at first, `second` has all votes; a decision above 0 moves one to the first class
    votes = nodes.add("MatMul", won, single(nodes, first - second))
    votes = nodes.add("Add", votes, single(nodes, second.sum(axis=0)))
    # As in sklearn.utils.multiclass._ovr_decision_function: adds less than half a vote.
    confidence = nodes.add("MatMul", decision, single(nodes, first - second))
    size = nodes.add("Add", nodes.add("Abs", confidence), single(nodes, 1))
    size = nodes.add("Mul", size, single(nodes, 3))
    return votes, nodes.add("Add", votes, nodes.add("Div", confidence, size))
