"""The pictures exist, show something, and show the right values."""

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import onnx
import pytest
from conftest import ROOT, RUNS
from matplotlib.text import Text

from stages.figures.comparison.tradeoff import draw_tradeoff, find_best_under, find_front, spread
from stages.figures.run import Run, confused_pairs, confusion, examples, mistakes
from stages.figures.run.confusion import count
from stages.figures.run.examples import choose_examples
from stages.figures.run.feature_maps import compute_maps
from stages.figures.run.filters import find_convolution
from stages.figures.run.mistakes import choose_mistakes
from stages.model_file.classifier import open_classifier, read_metadata
from stages.normalize import normalize
from stages.scoring.calibration import bin_confidence

ALWAYS = {"confusion.png", "confused_pairs.png", "examples.png", "mistakes.png"}


@pytest.mark.parametrize("name", RUNS)
def test_every_picture_that_a_run_should_have_shows_something(trained: Path, name: str) -> None:
    expected = set(ALWAYS)
    model = onnx.load(trained / f"data/models/{name}.onnx")
    if len(model.graph.output) == 2:  # labels and probabilities
        expected |= {"reliability.png"}
    if "epochs" in RUNS[name]["params"]:
        expected |= {"learning_curve.png"}
    if any(node.op_type == "Conv" for node in model.graph.node):
        expected |= {"filters.png", "feature_maps.png", "feature_space.png", "saliency.png"}
    pictures = list((trained / "plots" / name / "pictures").glob("*.png"))
    assert {path.name for path in pictures} == expected
    for path in pictures:
        assert_not_blank(path)


def test_the_toy_runs_have_every_kind_of_picture_and_none(trained: Path) -> None:
    found = {
        name: {path.stem for path in (trained / "plots" / name / "pictures").glob("*.png")}
        for name in RUNS
    }
    modules = {path.stem for path in (ROOT / "stages/figures/run").glob("[!_]*.py")}
    assert found["fashion_mnist-cnn"] == found["cifar10-cnn"] == modules
    of_networks = {"filters", "feature_maps", "feature_space", "saliency"}
    assert modules - found["fashion_mnist-mlp"] == of_networks
    assert {f"{stem}.png" for stem in found["fashion_mnist-svc"]} == ALWAYS
    assert [name for name in RUNS if "reliability" not in found[name]] == ["fashion_mnist-svc"]


def test_the_pictures_of_all_runs_show_something(trained: Path) -> None:
    for name in ("accuracy", "tradeoff", "audit/fashion_mnist", "audit/cifar10"):
        assert_not_blank(trained / f"plots/{name}.png")


def test_a_class_name_is_no_formula() -> None:
    labels = np.array([0, 1, 1])
    run = Run(
        name="a-run",
        classes=["$\\frac", "a_$b^2$", "<b>&"],
        images=np.zeros((3, 8, 8, 1), dtype=np.uint8),
        labels=labels,
        predicted=1 - labels,
        probabilities=None,
        curve={},
        model=onnx.ModelProto(),
        normalization={},
        backbone=None,
        examples=2,
        mistakes=2,
        seed=1,
    )
    for picture in (confusion, confused_pairs, examples, mistakes):
        figure = picture.draw(run)
        figure.draw_without_rendering()  # a formula that is none raises an error
        assert not [text for text in figure.findobj(Text) if text.get_parse_math()]


def assert_not_blank(path: Path) -> None:
    """Every quarter of the picture's height and width shows something, at a readable size."""
    pixels = np.round(matplotlib.image.imread(path)[..., :3] * 255).astype(np.uint32)
    colors = pixels @ np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)
    height, width = colors.shape
    assert width >= 500, f"{path}: {width} pixels wide"
    assert height >= 150, f"{path}: {height} pixels high"
    for axis in (0, 1):
        for quarter in np.array_split(colors, 4, axis=axis):
            assert len(np.unique(quarter)) > 3, path


def test_the_pages_show_every_picture_with_a_caption(trained: Path) -> None:
    plots = trained / "plots"
    overview = (plots / "README.md").read_text()
    pages = re.findall(r"^- \[(.+)\]\((.+\.md)\): ", overview, re.M)
    assert sorted(name for name, _ in pages) == sorted(RUNS)
    for name in RUNS:
        scores = json.loads((trained / f"metrics/{name}.json").read_text())["test"]
        said = f"): {scores['accuracy']:.4f}"
        if count := scores["near_duplicates"]:
            others = scores["accuracy_without_near_duplicates"]
            said += f", {others:.4f} without the {count} near duplicates of training images"
        (line,) = (one for one in overview.splitlines() if one.startswith(f"- [{name}]"))
        assert line.endswith(said)
    shown = []
    for page in [plots / "README.md", *(plots / link for _, link in pages)]:
        for path, caption in re.findall(r"!\[[^]]+\]\((.+?)\)\n\n(.+)", page.read_text()):
            shown.append(page.parent / path)
            assert len(caption) > 20
    assert sorted(shown) == sorted(plots.glob("**/*.png"))


@pytest.mark.parametrize("name", ["fashion_mnist-cnn", "cifar10-cnn"])
def test_a_value_of_a_map_by_hand(trained: Path, name: str) -> None:
    path = trained / f"data/models/{name}.onnx"
    dataset = RUNS[name]["dataset"]
    image = np.load(trained / f"data/raw/{dataset}/test/images.npy")[7:8]
    taken = normalize(image, read_metadata(open_classifier(path, 1)).normalization)
    model = onnx.load(path)
    convolution = find_convolution(model)
    assert convolution is not None
    maps = compute_maps(model, convolution, taken)
    filters, channels, height, width = convolution.weights.shape
    assert (filters, channels) == (4, image.shape[-1])
    # `valid` padding starts a map at the image's first pixel; `same` of a 3 x 3 filter one before.
    margin = 0 if RUNS[name]["params"]["padding"] == "valid" else 1
    for number in range(filters):
        row, column = 11, 14  # of the map
        total = float(convolution.bias[number])
        for y in range(height):
            for x in range(width):
                for channel in range(channels):
                    pixel = image[0, row - margin + y, column - margin + x, channel] / 255
                    total += pixel * float(convolution.weights[number, channel, y, x])
        assert maps[number, row, column] == pytest.approx(total, abs=1e-5)


def test_a_model_without_convolution_has_no_filters(trained: Path) -> None:
    assert find_convolution(onnx.load(trained / "data/models/fashion_mnist-mlp.onnx")) is None


def scores(latency: float, accuracy: float) -> dict[str, Any]:
    return {
        "latency_median_ms": latency,
        "accuracy": accuracy,
        "accuracy_low": accuracy - 0.02,
        "accuracy_high": accuracy + 0.02,
        "file_bytes": 1e5,
    }


MODELS = {
    "fast": scores(0.05, 0.7),
    "dominated": scores(0.5, 0.6),
    "middle": scores(0.5, 0.8),
    "slow": scores(5, 0.9),
    "slower": scores(50, 0.9),
}


def test_the_pareto_front() -> None:
    assert find_front(MODELS) == ["fast", "middle", "slow"]


def test_the_best_under_a_limit() -> None:
    found = [find_best_under(MODELS, limit) for limit in (0.01, 0.1, 1, 99)]
    assert found == [None, "fast", "middle", "slow"]


def test_labels_are_moved_apart_and_no_further() -> None:
    assert spread([0.1, 0.5, 0.9], 0.1) == [0.1, 0.5, 0.9]
    assert spread([0.50, 0.52], 0.1) == pytest.approx([0.46, 0.56])
    crowded = spread([0.5, 0.5, 0.51, 0.6, 0.61], 0.1)
    assert np.diff(crowded).min() >= 0.1 - 1e-9
    assert np.mean(crowded) == pytest.approx(np.mean([0.5, 0.5, 0.51, 0.6, 0.61]))


def test_the_same_data_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        draw_tradeoff({"data": MODELS}, {"data": MODELS}, tmp_path / f"{name}.png")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "other.png").read_bytes()


def answers(labels: Any, predicted: Any, probabilities: Any, mistakes: int) -> Run:
    said = {"labels": labels, "predicted": predicted, "probabilities": probabilities}
    others: Any = dict.fromkeys(field.name for field in fields(Run))
    return Run(**others | said | {"mistakes": mistakes, "seed": 0})


def test_mistakes_are_those_it_was_surest_of() -> None:
    labels, predicted = np.array([0, 1, 1, 0, 1]), np.array([1, 1, 0, 1, 0])
    sure = np.array([0.6, 1.0, 0.9, 0.7, 0.8], dtype=np.float32)
    probabilities = np.stack([sure, 1 - sure], axis=1)
    found = choose_mistakes(answers(labels, predicted, probabilities, mistakes=3))
    assert found.tolist() == [2, 4, 3]
    chosen = choose_mistakes(answers(labels, predicted, None, mistakes=10))
    assert sorted(chosen) == [0, 2, 3, 4]
    assert choose_mistakes(answers(labels, labels, probabilities, mistakes=3)).tolist() == []


def test_examples_depend_on_the_seed_alone() -> None:
    assert choose_examples(100, 3, seed=1).tolist() == choose_examples(100, 3, seed=1).tolist()
    assert choose_examples(100, 3, seed=1).tolist() != choose_examples(100, 3, seed=2).tolist()
    assert sorted(choose_examples(2, 3, seed=1)) == [0, 1]


def test_confusions_are_counted() -> None:
    counts = count(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), 3)
    assert counts.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]


def test_bins_by_hand() -> None:
    # Bins are 1/15 wide: 0.9 lies in the 14th and 1 in the last.
    probabilities = np.array([[0.9, 0.1], [0.1, 0.9], [1, 0]], dtype=np.float32)
    bins = bin_confidence(np.array([True, False, True]), probabilities)
    assert bins.images.tolist() == [0] * 13 + [2, 1]
    assert bins.confidence[13] == pytest.approx(0.9)
    assert (bins.accuracy[13], bins.accuracy[14]) == (0.5, 1)


def test_the_committed_pages_are_of_the_committed_metrics() -> None:
    names = [path.stem for path in (ROOT / "metrics").glob("*.json")]
    assert len(names) > 1
    pages = [ROOT / f"plots/{name}/pictures/README.md" for name in names]
    overview = (ROOT / "plots/README.md").read_text()
    assert all(f"]({name}/pictures/README.md)" in overview for name in names)
    for page in [ROOT / "plots/README.md", *pages]:
        links = re.findall(r"\]\((.+?\.(?:png|md))\)", page.read_text())
        assert links
        for link in links:
            assert (page.parent / link).is_file(), link
