"""Classifiers made of classifiers as ONNX, where skl2onnx gives some images other labels."""

from typing import Any

import numpy as np
from onnx import TensorProto
from skl2onnx._supported_operators import sklearn_operator_name_map
from skl2onnx.common._registration import get_converter
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType
from skl2onnx.common.exceptions import MissingConverter
from sklearn.base import BaseEstimator

from stages.frameworks.sklearn.nodes import Nodes


def convert_voting(scope: Any, operator: Any, container: Any) -> None:
    """Adds a VotingClassifier, as a converter for skl2onnx.

    skl2onnx takes the class of the highest score for a classifier's label, and adds shares, so that
    rounding decides between classes with equally many votes.
    """
    nodes, model = Nodes(scope, container), operator.raw_operator
    weights = model._weights_not_none or [1] * len(model.estimators_)
    classes = nodes.constant(np.arange(len(model.classes_)))
    votes = []
    for estimator, weight in zip(model.estimators_, weights, strict=True):
        label, vote = add_inner(scope, container, estimator, operator.inputs)
        if model.voting == "hard":
            column = nodes.add("Unsqueeze", label, nodes.constant(np.array([1])))
            vote = nodes.add("Cast", nodes.add("Equal", column, classes), to=TensorProto.FLOAT)
        votes.append(nodes.add("Mul", vote, nodes.constant(np.float32(weight))))
    total = nodes.add("Sum", *votes)
    best = nodes.add("ArgMax", total, axis=1, keepdims=0)
    add_label(nodes, operator, best)
    share = nodes.constant(np.float32(sum(weights)))
    nodes.add("Div", total, share, output=operator.outputs[1].full_name)


def convert_one_vs_rest(scope: Any, operator: Any, container: Any) -> None:
    """Adds a OneVsRestClassifier, as a converter for skl2onnx.

    skl2onnx takes decision values for probabilities.
    """
    nodes, model = Nodes(scope, container), operator.raw_operator
    columns = []
    for estimator in model.estimators_:
        has_shares = hasattr(estimator, "predict_proba")
        _, scores = add_inner(scope, container, estimator, operator.inputs, not has_shares)
        columns.append(add_last_column(nodes, scores))
    if len(columns) == 1:  # of two classes, that of the second
        limit = nodes.constant(np.float32(0.5 if has_shares else 0))
        above = nodes.add("Cast", nodes.add("Greater", columns[0], limit), to=TensorProto.INT64)
        best = nodes.add("Squeeze", above, nodes.constant(np.array([1])))
        one = nodes.constant(np.float32(1))
        columns = [nodes.add("Sub", one, columns[0]), columns[0]]
    scores = nodes.add("Concat", *columns, axis=1)
    if len(model.estimators_) > 1:
        best = nodes.add("ArgMax", scores, axis=1, keepdims=0)
    add_label(nodes, operator, best)
    total = nodes.add("ReduceSum", scores, nodes.constant(np.array([1])), keepdims=1)
    zero, one = (nodes.constant(np.float32(number)) for number in (0, 1))
    total = nodes.add("Where", nodes.add("Equal", total, zero), one, total)
    nodes.add("Div", scores, total, output=operator.outputs[1].full_name)


def convert_stacking(scope: Any, operator: Any, container: Any) -> None:
    """Adds a StackingClassifier, as a converter for skl2onnx.

    skl2onnx gives the final estimator both decision values of two classes, which was fitted on one,
    and takes the class of its highest score for its label.
    """
    nodes, model = Nodes(scope, container), operator.raw_operator
    columns = []
    for estimator, method in zip(model.estimators_, model.stack_method_, strict=True):
        raw = method == "decision_function"
        label, scores = add_inner(scope, container, estimator, operator.inputs, raw)
        if method == "predict":
            column = nodes.add("Unsqueeze", label, nodes.constant(np.array([1])))
            columns.append(nodes.add("Cast", column, to=TensorProto.FLOAT))
        elif len(model.classes_) == 2:
            columns.append(add_last_column(nodes, scores))
        else:
            columns.append(scores)
    if model.passthrough:
        columns.append(operator.inputs[0].full_name)
    width = model.final_estimator_.n_features_in_
    features = scope.declare_local_variable("features", FloatTensorType([None, width]))
    nodes.add("Concat", *columns, output=features.full_name, axis=1)
    label, scores = add_inner(scope, container, model.final_estimator_, [features])
    add_label(nodes, operator, label)
    nodes.add("Identity", scores, output=operator.outputs[1].full_name)


def convert_pipeline(scope: Any, operator: Any, container: Any) -> None:
    """Adds a Pipeline within another classifier, as a converter for skl2onnx.

    If that wants decision values, skl2onnx does not tell the last step.
    """
    last = operator.raw_operator.steps[-1][1]
    if container.get_options(operator.raw_operator, {"raw_scores": False})["raw_scores"]:
        want_decision_values(scope, container, last)
    get_converter(operator.type)(scope, operator, container)


def add_inner(
    scope: Any, container: Any, estimator: BaseEstimator, inputs: list[Any], raw: bool = False
) -> tuple[str, str]:
    """Adds a classifier within another; returns the names of its labels and its scores.

    The scores are decision values if `raw`, otherwise probabilities if it has them.
    """
    if type(estimator) not in sklearn_operator_name_map:
        raise MissingConverter(type(estimator).__name__)
    inner = scope.declare_local_operator(sklearn_operator_name_map[type(estimator)], estimator)
    if raw:
        want_decision_values(scope, container, estimator)
    inner.inputs = inputs
    label = scope.declare_local_variable("label", Int64TensorType())
    scores = scope.declare_local_variable("scores", FloatTensorType())
    inner.outputs.extend([label, scores])
    return label.full_name, scores.full_name


def want_decision_values(scope: Any, container: Any, estimator: BaseEstimator) -> None:
    """Has skl2onnx convert a classifier with decision values instead of probabilities."""
    if container.has_options(estimator, "raw_scores"):
        for one in (scope, container):
            one.add_options(id(estimator), {"raw_scores": True})


def add_last_column(nodes: Nodes, scores: str) -> str:
    """The scores for the second of two classes, (n, 1); there may be none for the first."""
    return nodes.add("Gather", scores, nodes.constant(np.array([-1])), axis=1)


def add_label(nodes: Nodes, operator: Any, index: str) -> None:
    """The class with an index, as the first output of `operator`."""
    classes = nodes.constant(operator.raw_operator.classes_.astype(np.int64))
    nodes.add("Gather", classes, index, output=operator.outputs[0].full_name)
