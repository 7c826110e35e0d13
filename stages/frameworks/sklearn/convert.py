"""A fitted scikit-learn classifier as ONNX."""

import onnx
from skl2onnx import convert_sklearn, update_registered_converter
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes
from sklearn.base import BaseEstimator
from sklearn.svm import SVC

from stages.frameworks.sklearn.predict import has_probabilities
from stages.frameworks.sklearn.svc import convert_svc


def convert(model: BaseEstimator, image_shape: tuple[int, ...]) -> onnx.ModelProto:
    """The graph: its outputs are labels and, if the classifier has them, probabilities.

    An image is a row of numbers: `image_shape` is (features,).
    """
    # By default, the probabilities are a list of dictionaries.
    options = {id(model): {"zipmap": False}} if has_probabilities(model) else None
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
    exported = convert_sklearn(
        model, initial_types=[("images", FloatTensorType([None, *image_shape]))], options=options
    )
    if not has_probabilities(model):
        del exported.graph.output[1:]  # decision values
    return exported
