"""A decision tree, or a forest of them, as the ONNX node that skl2onnx writes, made with numpy.

skl2onnx collects each number of the trees in Python lists and copies the node four times: 9 s and
1.7 GB for 100 trees with 900,000 nodes.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import AttributeProto, GraphProto
from skl2onnx.common._registration import get_converter
from sklearn.base import BaseEstimator
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

KINDS = (DecisionTreeClassifier, ExtraTreeClassifier, RandomForestClassifier, ExtraTreesClassifier)
NODE = "TreeEnsembleClassifier"
FIELDS = {  # of an attribute, by the kind of its array
    "i": ("ints", AttributeProto.INTS),
    "f": ("floats", AttributeProto.FLOATS),
    "S": ("strings", AttributeProto.STRINGS),
}


def add_empty_node(
    models: dict[str, BaseEstimator], scope: Any, operator: Any, container: Any
) -> None:
    """Adds the node without its attributes, as a converter for skl2onnx.

    Enters the classifier in `models` under the name of the node, for `fill_nodes`. Leaves to
    skl2onnx's own converter a tree of one class, which is other nodes, and what it refuses: scores
    other than probabilities.
    """
    model = operator.raw_operator
    if model.n_classes_ == 1 or container.get_options(model).get("raw_scores"):
        get_converter(operator.type)(scope, operator, container)
        return
    name = scope.get_unique_operator_name(NODE)
    outputs = [output.full_name for output in operator.outputs]
    container.add_node(
        NODE, operator.input_full_names, outputs, "ai.onnx.ml", op_version=1, name=name
    )
    models[name] = model


def fill_nodes(graph: GraphProto, models: dict[str, BaseEstimator]) -> None:
    """Writes the attributes of the nodes that `add_empty_node` added for `models`."""
    for node in graph.node:
        if node.name not in models:
            continue
        for name, values in list_attributes(models[node.name]):
            field, kind = FIELDS[values.dtype.kind]
            attribute = node.attribute.add(name=name, type=kind)
            getattr(attribute, field).extend(values.tolist())  # faster than from the array
        node.attribute.add(name="post_transform", type=AttributeProto.STRING, s=b"NONE")


def list_attributes(model: Any) -> Iterator[tuple[str, NDArray[Any]]]:
    """The names of the attributes, sorted, and their values: one per node, or per leaf and class.

    Each is made when it is asked for: together they would take as much memory as the node.
    """
    trees = [member.tree_ for member in getattr(model, "estimators_", [model])]
    sizes = [tree.node_count for tree in trees]
    tree_ids = np.repeat(np.arange(len(trees)), sizes)
    node_ids = np.concatenate([np.arange(size) for size in sizes])
    left, right, features, thresholds = (
        np.concatenate([getattr(tree, name) for tree in trees])
        for name in ("children_left", "children_right", "feature", "threshold")
    )
    leaf = left == -1
    weights = np.concatenate([weigh_leaves(tree, 1 / len(trees)) for tree in trees])
    leaves, classes = weights.shape

    yield "class_ids", np.tile(np.arange(classes), leaves)
    yield "class_nodeids", np.repeat(node_ids[leaf], classes)
    yield "class_treeids", np.repeat(tree_ids[leaf], classes)
    yield "class_weights", weights.ravel()
    yield "classlabels_int64s", model.classes_.astype(np.int64)
    yield "nodes_falsenodeids", np.where(leaf, 0, right)
    yield "nodes_featureids", np.where(leaf, 0, features)
    yield "nodes_hitrates", np.ones(len(leaf), dtype=np.float32)
    # skl2onnx ignores where a tree sends missing values; images have none
    yield "nodes_missing_value_tracks_true", np.zeros(len(leaf), dtype=np.int64)
    yield "nodes_modes", np.where(leaf, b"LEAF", b"BRANCH_LEQ")
    yield "nodes_nodeids", node_ids
    yield "nodes_treeids", tree_ids
    yield "nodes_truenodeids", np.where(leaf, 0, left)
    yield "nodes_values", np.where(leaf, np.float32(0), round_down(thresholds))


def weigh_leaves(tree: Any, share: float) -> NDArray[np.float32]:
    """The probabilities of the classes at each leaf, times the tree's `share`, (leaves, classes).

    If there are two classes, only those of the second, as ONNX Runtime expects.
    """
    values = tree.value[tree.children_left == -1, 0]
    total = sum(values.T)  # in the order of the classes; numpy's sum adds, and rounds, in another
    weights = (values * (share / total)[:, None]).astype(np.float32)
    return weights[:, 1:] if weights.shape[1] == 2 else weights


def round_down(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 up to each threshold: `x <= threshold` stays the same for a float32 x."""
    nearest = thresholds.astype(np.float32)
    below = np.nextafter(nearest, np.float32(-np.inf))
    return np.where(nearest > thresholds, below, nearest)
