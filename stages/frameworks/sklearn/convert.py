"""A fitted scikit-learn classifier as ONNX."""

from functools import partial

import onnx
from skl2onnx import convert_sklearn, update_registered_converter
from skl2onnx._parse import _parse_sklearn_simple_model
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes
from sklearn.base import BaseEstimator
from sklearn.svm import SVC

from stages.frameworks.sklearn.predict import has_probabilities
from stages.frameworks.sklearn.svc import convert_svc
from stages.frameworks.sklearn.trees import KINDS, add_empty_node, fill_nodes


def convert(model: BaseEstimator, image_shape: tuple[int, ...]) -> onnx.ModelProto:
    """The graph: its outputs are labels and, if the classifier has them, probabilities.

    An image is a row of numbers: `image_shape` is (features,).
    """
    options = None
    if has_probabilities(model) and type(model) not in KINDS:
        # By default, the probabilities are a list of dictionaries. Trees have a parser instead:
        # with options, skl2onnx reads all properties of all trees, in 0.15 s for a forest.
        options = {id(model): {"zipmap": False}}
    if isinstance(model, SVC) and not has_probabilities(model):
        # skl2onnx's own converter writes one node, which takes 3 ms per image and 50 s for 10,000.
        update_registered_converter(
            type(model),
            "MatrixSVC",
            calculate_linear_classifier_output_shapes,
            convert_svc,
            options={"zipmap": [False], "nocl": [False], "output_class_labels": [False]},
        )
        options = {id(model): {"zipmap": False}}
    trees: dict[str, BaseEstimator] = {}  # by the name of their node, also within `model`
    exported = convert_sklearn(
        model,
        initial_types=[("images", FloatTensorType([None, *image_shape]))],
        options=options,
        custom_conversion_functions=dict.fromkeys(KINDS, partial(add_empty_node, trees)),
        custom_parsers=dict.fromkeys(KINDS, _parse_sklearn_simple_model),
    )
    fill_nodes(exported.graph, trees)
    if not has_probabilities(model):
        del exported.graph.output[1:]  # decision values
    return exported
