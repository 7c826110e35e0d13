"""The pictures of a network show what is planted in it: where it looks, and what it tells apart."""

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from conftest import ROOT
from matplotlib.backends.backend_agg import FigureCanvasAgg
from numpy.typing import NDArray
from onnx import helper
from planted_network import UNIT, make_network

from stages.datasets.arrays import write_split
from stages.figures.run import Run, feature_space, filters, saliency
from stages.figures.run.feature_maps import compute_values
from stages.figures.run.feature_space import find_features, project
from stages.figures.run.filters import find_limits
from stages.figures.style import make_legible, save
from stages.model_file.classifier import classify, open_classifier
from stages.normalize import normalize
from stages.plot import read_run
from stages.scoring.predictions import write_predictions, write_probabilities


def make_run(
    model: onnx.ModelProto, images: NDArray[np.uint8], labels: NDArray[np.int64], **others: Any
) -> Run:
    """A run whose predictions are those of the model."""
    normalization = {key: one * images.shape[-1] for key, one in UNIT.items()}
    classifier = open_classifier(model.SerializeToString(), threads=1)
    predicted, probabilities = classify(classifier, normalize(images, normalization))
    classes = [f"class {i}" for i in range(classifier.classes)]
    run = Run(
        "a-run", classes, images, labels, predicted, probabilities, {}, model, normalization,
        backbone=None, examples=3, mistakes=12, seed=1,
    )  # fmt: skip
    return replace(run, **others)


def random_run(
    side: int = 16, channels: int = 1, images: int = 40, classes: int = 3, **others: Any
) -> Run:
    """A run on random images, each with two corners of one brightness each."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (images, side, side, channels)).astype(np.uint8)
    corner = side // 4
    pixels[:, :corner, :corner] = random.integers(0, 256, (images, 1, 1, 1))
    pixels[:, -corner:, -corner:] = random.integers(0, 256, (images, 1, 1, 1))
    model = make_network(random.normal(size=(2, classes)) * 5, side, channels)
    return make_run(model, pixels, random.integers(0, classes, images), **others)


def explain(run: Run, index: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What the picture shows of an image, covered by middle gray."""
    classifier = open_classifier(run.model.SerializeToString(), threads=1)
    color = np.full(run.images.shape[-1], 128.0)
    return saliency.explain(run, classifier, index, color)


@pytest.mark.parametrize("sure", [3, 40])  # a probability of 0.8 or 1.00
@pytest.mark.parametrize("side", [8, 28, 32])
def test_covering_what_decides_lowers_the_probability(side: int, sure: int) -> None:
    images = np.full((2, side, side, 1), 128, dtype=np.uint8)
    corner = side // 4
    images[0, :corner, :corner] = 255  # where class 0 shows
    images[1, :corner, :corner] = 0  # here its absence does
    model = make_network(np.array([[sure, 0], [0, 0]]), side)
    run = make_run(model, images, np.array([0, 1]))
    assert run.predicted.tolist() == [0, 1]
    for index in (0, 1):
        falls, covered = explain(run, index)
        assert falls.shape == (side, side)
        assert np.argwhere(falls == falls.max()).max() < corner  # peaks within the corner
        assert falls[side // 2 :].max() == falls[:, side // 2 :].max() == pytest.approx(0, abs=1e-4)
        # The first square covers just this corner, the last one the other. Softmax of two classes
        # makes log odds of differences of scores.
        brightness = np.array([images[index, 0, 0, 0], 128, images[index, 0, 0, 0]])
        scores = sure * (brightness / 255 - 0.5) * (1 - 2 * index)
        assert covered[[0, -1]] == pytest.approx(1 / (1 + np.exp(-scores[1:])), abs=1e-4)
        assert falls[0, 0] == pytest.approx((scores[0] - scores[1]) / np.log(10), abs=1e-3)


def test_covering_what_speaks_against_it_raises_the_probability() -> None:
    images = np.full((1, 16, 16, 1), 255, dtype=np.uint8)
    run = make_run(make_network(np.array([[9, 0], [-4, 0]]), 16), images, np.array([0]))
    falls, covered = explain(run, 0)
    assert falls[0, 0] > 0.5
    assert falls[-1, -1] == falls.min() < -0.5
    assert covered[-1] > run.probabilities[0, 0] > covered[0]  # type: ignore[index]


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (28, 28), (5, 40)])
def test_the_squares_cover_every_pixel_and_nothing_else(size: tuple[int, int]) -> None:
    image = np.full((*size, 3), 9, dtype=np.uint8)
    covered = saliency.cover(image, np.array([1.0, 2.0, 3.0]))
    changed = (covered != image).any(axis=-1)
    assert changed.any(axis=0).all()
    quarter = -(-size[0] // 4) * -(-size[1] // 4)
    assert {int(one.sum()) for one in changed} == {quarter}
    assert len(covered) <= 36
    assert covered[changed].tolist() == [[1, 2, 3]] * int(changed.sum())


def test_planted_clusters_are_apart() -> None:
    random = np.random.default_rng(0)
    corners = np.array([[20, 20], [230, 20], [20, 230]])  # brightness of two corners per class
    labels = np.repeat([0, 1, 2], 30)
    images = random.integers(0, 256, (90, 16, 16, 1)).astype(np.uint8)
    noise = random.integers(-20, 20, (90, 2))
    images[:, :4, :4, 0] = (corners[labels] + noise)[:, :1, np.newaxis]
    images[:, -4:, -4:, 0] = (corners[labels] + noise)[:, 1:, np.newaxis]
    model = make_network(random.normal(size=(2, 3)), 16)
    name = find_features(model)
    assert name
    features = compute_values(model, name, normalize(images, UNIT))
    assert features == pytest.approx((corners[labels] + noise) / 255, abs=1e-5)
    points, shares = project(features)
    assert shares.sum() == pytest.approx(1)  # there are two features
    means = np.stack([points[labels == label].mean(axis=0) for label in range(3)])
    nearest = np.linalg.norm(points[:, np.newaxis] - means, axis=2).argmin(axis=1)
    assert nearest.tolist() == labels.tolist()


@pytest.mark.parametrize("shape", [(50, 8), (8, 50), (2, 9), (9, 1), (1, 5)])
def test_the_projection_is_that_of_the_singular_values(shape: tuple[int, int]) -> None:
    features = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    points, shares = project(features)
    assert points.shape == (shape[0], 2)
    centered = features.astype(float) - features.astype(float).mean(axis=0)
    _, values, rows = np.linalg.svd(centered, full_matrices=False)
    rows *= np.sign(rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)])[:, np.newaxis]
    known = [i for i in range(min(2, len(rows))) if values[i] > 1e-6]
    assert points[:, known] == pytest.approx(centered @ rows[known].T, abs=1e-6)
    expected = values[known] ** 2 / max(float((values**2).sum()), 1e-9)
    assert shares[known] == pytest.approx(expected)
    others = [i for i in (0, 1) if i not in known]
    assert np.abs(points[:, others]).max(initial=0) == pytest.approx(0, abs=1e-6)
    assert shares[others] == pytest.approx(0)


def test_the_features_of_another_classifier_on_a_network_are_what_it_takes() -> None:
    scaled = [
        helper.make_node("Sub", ["features", "bias"], ["centered"]),
        helper.make_node("Mul", ["features", "centered"], ["squares"]),
        helper.make_node("Concat", ["centered", "squares"], ["both"], axis=1),
        helper.make_node("Gather", ["both", "columns"], ["few"], axis=1),
        helper.make_node("Normalizer", ["few"], ["p"], domain="ai.onnx.ml", norm="L1"),
    ]
    columns = helper.make_node("Constant", [], ["columns"], value_ints=[0, 3])
    model = make_network(np.ones((2, 2)), 16, nodes=(columns, *scaled))
    flatten = next(node for node in model.graph.node if node.op_type == "Flatten")
    assert find_features(model) == flatten.output[0]


def test_the_features_of_several_layers_are_all_of_them() -> None:
    nodes = (
        helper.make_node("Flatten", ["map"], ["one"]),
        helper.make_node("Relu", ["map"], ["positive"]),
        helper.make_node("Flatten", ["positive"], ["other"]),
        helper.make_node("Concat", ["one", "other"], ["joined"], axis=1),
        helper.make_node("Scaler", ["joined"], ["scaled"], domain="ai.onnx.ml", scale=[2.0]),
        helper.make_node("Constant", [], ["columns"], value_ints=[0, 3]),
        helper.make_node("Gather", ["scaled", "columns"], ["few"], axis=1),
        helper.make_node("Normalizer", ["few"], ["p"], domain="ai.onnx.ml", norm="L1"),
    )
    model = make_network(np.ones((2, 2)), 16, nodes=nodes)
    concat = next(node for node in model.graph.node if node.op_type == "Concat")
    assert find_features(model) == concat.output[0]


def test_a_network_that_ends_with_a_convolution_has_no_features() -> None:
    softmax = helper.make_node("Softmax", ["features"], ["p"])
    assert find_features(make_network(np.ones((2, 2)), 16, nodes=(softmax,))) is None


def test_nothing_is_drawn_without_a_convolution() -> None:
    run = random_run()
    assert saliency.draw(run)
    assert feature_space.draw(run)
    model = onnx.ModelProto.FromString(run.model.SerializeToString())
    for node in model.graph.node:
        node.op_type = "Gemm" if node.op_type == "Conv" else node.op_type
    for picture in (saliency, feature_space, filters):
        assert picture.draw(replace(run, model=model)) is None
    assert saliency.draw(replace(run, probabilities=None)) is None


@pytest.mark.parametrize("picture", [saliency, feature_space])
def test_the_same_run_gives_the_same_bytes(
    picture: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saliency, "SAMPLE", 2)
    monkeypatch.setattr(feature_space, "MOST", 20)
    for name in ("one", "other"):
        save(picture.draw(random_run()), tmp_path / f"{name}.png")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "other.png").read_bytes()


LONG = "a class with a name that is as long as names of a catalog are, and longer"


@pytest.mark.parametrize(
    "case",
    [
        {"side": 8, "classes": 2},
        {"channels": 3},
        {"images": 1},
        {"classes": 150, "images": 400},
        {"classes": 2, "classes_are": ["$a_b$ " + LONG, "שמלה " + LONG]},
    ],
)
def test_no_text_is_cut_or_on_another(case: dict[str, Any]) -> None:
    names = case.pop("classes_are", None)
    run = random_run(**case)
    run = replace(run, classes=make_legible(names or run.classes))
    for picture in (saliency, feature_space):
        figure = picture.draw(run)
        assert figure
        canvas: Any = FigureCanvasAgg(figure)  # type: ignore[no-untyped-call]
        canvas.draw()
        axes: list[Any] = figure.axes
        texts = [text for one in axes for text in (one.title, one._left_title)]
        boxes = [one.get_window_extent().padded(-1) for one in texts if one.get_text()]
        assert boxes
        legends = [one.get_window_extent() for one in figure.legends]
        assert max((one.width for one in legends), default=0) < figure.bbox.width / 3
        boxes += legends
        assert not [one for one in texts if one.get_parse_math()]
        for box in boxes:
            assert 0 <= box.x0 <= box.x1 <= figure.bbox.x1
        for box, other in combinations(boxes, 2):
            assert not box.overlaps(other)


def test_the_legend_names_the_most_frequent_classes_and_counts_the_others() -> None:
    run = random_run(classes=30, images=300)
    labels = np.minimum(np.arange(300) // 4, 24)  # class 24 most often, classes 25 to 29 never
    figure = feature_space.draw(replace(run, labels=labels.astype(np.int64)))
    assert figure
    texts = [one.get_text() for one in figure.legends[0].get_texts()]
    assert texts == ["5 other classes", *(f"class {i}" for i in range(19)), "class 24"]


def test_large_data_are_a_seeded_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_space, "MOST", 25)
    run = random_run(images=40)
    figure = feature_space.draw(run)
    assert figure
    (axes,) = figure.axes
    sizes = [len(np.asarray(one.get_offsets())) for one in axes.collections]
    assert sum(sizes) - len(figure.legends[0].get_texts()) == 25  # each class also has a mean
    assert "25 test images" in axes.get_title(loc="left")


def test_the_filters_say_who_learned_them() -> None:
    run = random_run()
    own, others = (filters.draw(replace(run, backbone=name)) for name in (None, "a_backbone"))
    assert own
    assert others
    assert "learned in training" in own.get_suptitle()
    assert "a_backbone learned them on ImageNet" in others.get_suptitle()
    assert "in training" not in others.get_suptitle() + filters.CAPTION


@pytest.mark.parametrize("backbone", [None, "a_backbone"])
def test_who_learned_the_filters_is_read_from_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backbone: str | None
) -> None:
    monkeypatch.chdir(ROOT)
    run = random_run()
    if backbone:
        known = {"backbone": backbone, "pixels": 16, "layers": ["top"]}
        run.model.metadata_props.add(key="backbone", value=json.dumps(known))
    onnx.save(run.model, tmp_path / "a-run.onnx")
    write_split(tmp_path / "test", run.images, run.labels.astype(np.uint8))
    files = [tmp_path / name for name in ("predictions.csv", "probabilities.npy", "curve.csv")]
    write_predictions(files[0], run.labels.astype(np.uint8), run.predicted, run.classes)
    write_probabilities(files[1], run.probabilities, len(run.labels))
    files[2].write_text("epoch\n0\n")
    assert read_run(tmp_path / "a-run.onnx", tmp_path / "test", *files).backbone == backbone


def test_the_colors_of_a_strong_filter_do_not_hide_those_of_others() -> None:
    """A filter's colors end at its largest weight, but one that has learned nothing stays pale."""
    weights = np.array([[4.0, -20.0], [0.5, 1.0], [0.0, 1e-3]], dtype=np.float32)
    np.testing.assert_allclose(find_limits(weights), [20, 1, 0.4])
    assert find_limits(np.zeros((2, 3), np.float32)) == [1, 1]
