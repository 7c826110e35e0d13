"""A support vector classifier without probabilities as an ONNX graph of matrix products."""

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from sklearn.svm import SVC

OPSET = 18  # of the graph's operators


def convert_svc(scope: Any, operator: Any, container: Any) -> None:
    """Adds a support vector classifier as matrix products, as a converter for skl2onnx.

    The kernel values of images and support vectors, (n, vectors), times the coefficients are the
    decisions for each pair of classes, (n, pairs). Their signs times a table are the votes for each
    class. ArgMax takes the first of equals, as libsvm's svm_predict_values does.
    """
    model: SVC = operator.raw_operator

    def constant(value: Any) -> str:
        array = np.asarray(value)
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        name = scope.get_unique_variable_name("constant")
        tensor = numpy_helper.from_array(array)
        container.add_initializer(name, tensor.data_type, array.shape, tensor)
        return name

    def add(kind: str, *inputs: str, **attributes: Any) -> str:
        output = scope.get_unique_variable_name(kind.lower())
        name = scope.get_unique_operator_name(kind)
        container.add_node(kind, list(inputs), output, name=name, op_version=OPSET, **attributes)
        return output

    images = operator.inputs[0].full_name
    coefficients, intercepts = pair_coefficients(model)
    if model.kernel == "linear":  # the vectors fold into the coefficients
        products = add("MatMul", images, constant(model.support_vectors_.T @ coefficients))
    else:
        kernel = add_kernel(add, constant, model, images)
        products = add("MatMul", kernel, constant(coefficients))
    decision = add("Add", products, constant(intercepts))
    scores = add_votes(add, constant, decision, model)
    best = add("ArgMax", scores, axis=1, keepdims=0)
    label, values = (output.full_name for output in operator.outputs)
    classes = constant(model.classes_.astype(np.int64))
    container.add_node("Gather", [classes, best], label, op_version=OPSET)
    container.add_node("Identity", scores, values, op_version=OPSET)


def add_kernel(add: Any, constant: Any, model: SVC, images: str) -> str:
    """The value of a kernel other than `linear` for each image and support vector, (n, vectors)."""
    vectors = model.support_vectors_
    products = add("MatMul", images, constant(vectors.T))
    gamma = constant(np.float32(model._gamma))
    if model.kernel == "rbf":
        # |x - v|² = x² + v² - 2xv, which rounding may make negative
        of_images = add("ReduceSumSquare", images, constant(np.array([1])), keepdims=1)
        of_vectors = constant((vectors.astype(np.float64) ** 2).sum(axis=1))
        cross = add("Mul", products, constant(np.float32(2)))
        distances = add("Sub", add("Add", of_images, of_vectors), cross)
        distances = add("Max", distances, constant(np.float32(0)))
        return add("Exp", add("Neg", add("Mul", distances, gamma)))
    scaled = add("Add", add("Mul", products, gamma), constant(np.float32(model.coef0)))
    if model.kernel == "poly":
        return add("Pow", scaled, constant(np.float32(model.degree)))
    if model.kernel == "sigmoid":
        return add("Tanh", scaled)
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


def add_votes(add: Any, constant: Any, decision: str, model: SVC) -> str:
    """The votes for each class, (n, classes); with `break_ties`, ties are broken by confidence."""
    count = len(model.classes_)
    pairs = np.array(list(combinations(range(count), 2)))
    first, second = (np.eye(count, dtype=np.float32)[pairs[:, side]] for side in (0, 1))
    won = add("Cast", add("Greater", decision, constant(np.float32(0))), to=TensorProto.FLOAT)
    # at first, `second` has all votes; a decision above 0 moves one to the first class
    votes = add("MatMul", won, constant(first - second))
    votes = add("Add", votes, constant(second.sum(axis=0)))
    if not (model.break_ties and model.decision_function_shape == "ovr" and count > 2):
        return votes
    # As in sklearn.utils.multiclass._ovr_decision_function: adds less than half a vote.
    confidence = add("MatMul", decision, constant(first - second))
    size = add(
        "Mul", add("Add", add("Abs", confidence), constant(np.float32(1))), constant(np.float32(3))
    )
    return add("Add", votes, add("Div", confidence, size))
