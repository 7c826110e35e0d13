"""Scalers, rounded as scikit-learn rounds."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto
from sklearn.base import BaseEstimator
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from stages.frameworks.sklearn.nodes import Nodes

SCALERS = (MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler)


def convert_scaler(scope: Any, operator: Any, container: Any) -> None:
    """Adds a scaler that rounds as scikit-learn's does, as a converter for skl2onnx.

    The threshold of a tree may be a pixel's very value; then the last bit decides. skl2onnx
    multiplies by the inverse of the scale.
    """
    nodes, model = Nodes(scope, container), operator.raw_operator
    values = operator.inputs[0].full_name
    for kind, constant in list_steps(model):
        # numpy computes in the constant's precision and rounds the result to that of the images
        double = constant.dtype == np.float64
        if double:
            values = nodes.add("Cast", values, to=TensorProto.DOUBLE)
        values = nodes.add(kind, values, nodes.constant(constant))
        if double:
            values = nodes.add("Cast", values, to=TensorProto.FLOAT)
    if getattr(model, "clip", False):
        limits = getattr(model, "feature_range", (-1, 1))
        values = nodes.add("Clip", values, *(nodes.constant(np.float32(end)) for end in limits))
    nodes.add("Identity", values, output=operator.outputs[0].full_name)


def list_steps(model: BaseEstimator) -> Iterator[tuple[str, NDArray[Any]]]:
    """What a scaler does with each image, one after the other: an ONNX operator and its operand."""
    if isinstance(model, MinMaxScaler):
        yield "Mul", model.scale_
        yield "Add", model.min_
        return
    if isinstance(model, StandardScaler) and model.with_mean:
        yield "Sub", model.mean_.astype(np.float32)
    if isinstance(model, RobustScaler) and model.with_centering:
        yield "Sub", model.center_
    if model.scale_ is not None:
        single = isinstance(model, StandardScaler)
        yield "Div", model.scale_.astype(np.float32) if single else model.scale_
