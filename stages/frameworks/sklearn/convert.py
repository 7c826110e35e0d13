"""A fitted scikit-learn classifier as ONNX."""

from functools import partial

import onnx
from skl2onnx import convert_sklearn
from skl2onnx._parse import _parse_sklearn_simple_model
from skl2onnx._supported_operators import sklearn_operator_name_map
from skl2onnx.common._registration import get_converter
from skl2onnx.common.data_types import FloatTensorType
from sklearn.base import BaseEstimator
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from stages.frameworks.join import OPSET
from stages.frameworks.sklearn.composed import (
    convert_one_vs_rest,
    convert_pipeline,
    convert_stacking,
    convert_voting,
)
from stages.frameworks.sklearn.predict import has_probabilities
from stages.frameworks.sklearn.scalers import SCALERS, convert_scaler
from stages.frameworks.sklearn.svc import convert_svc
from stages.frameworks.sklearn.trees import KINDS, add_empty_node, fill_nodes

OPSETS = {"": OPSET, "ai.onnx.ml": 3}
OWN = {
    SVC: convert_svc,
    OneVsRestClassifier: convert_one_vs_rest,
    Pipeline: convert_pipeline,
    StackingClassifier: convert_stacking,
    VotingClassifier: convert_voting,
    **dict.fromkeys(SCALERS, convert_scaler),
}


def convert(model: BaseEstimator, image_shape: tuple[int, ...]) -> onnx.ModelProto:
    """The graph: its outputs are labels and, if the classifier has them, probabilities.

    An image is a row of numbers: `image_shape` is (features,).
    """
    # skl2onnx gives this option to the last step of any pipeline, but not to its linear SVC.
    get_converter("SklearnLinearSVC").get_allowed_options()["zipmap"] = [True, False, "columns"]
    options = None
    if type(model) in sklearn_operator_name_map and type(model) not in KINDS:
        # By default, the probabilities are a list of dictionaries. Trees have a parser instead:
        # with options, skl2onnx reads all properties of all trees, in 0.15 s for a forest.
        options = {id(model): {"zipmap": False}}
    trees: dict[str, BaseEstimator] = {}  # by the name of their node, also within `model`
    exported = convert_sklearn(
        model,
        initial_types=[("images", FloatTensorType([None, *image_shape]))],
        options=options,
        target_opset=OPSETS,
        custom_conversion_functions=OWN | dict.fromkeys(KINDS, partial(add_empty_node, trees)),
        custom_parsers=dict.fromkeys(KINDS, _parse_sklearn_simple_model),
    )
    fill_nodes(exported.graph, trees)
    if not has_probabilities(model):
        del exported.graph.output[1:]  # decision values
    return exported
