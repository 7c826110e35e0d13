"""A layout of features: computed once, learned on by any model, exported as one network."""

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from conftest import ROOT, edit, make_repro, read_lock, run
from onnx import numpy_helper
from onnx.utils import Extractor

from stages.check import check
from stages.datasets.arrays import FEATURES, read_split
from stages.features import pool, resize
from stages.frameworks.join import OPSET, join
from stages.model_file.classifier import classify, open_classifier, open_session
from stages.runtime.errors import InputError

PARAMETERS = yaml.safe_load((ROOT / "tests" / "params.yaml").read_text())
CLASSES = PARAMETERS["data"]["cifar10"]["classes"]
DATA = {"cifar10": PARAMETERS["data"]["cifar10"]}  # all that the runs here need
HEAD = PARAMETERS["models"]["cifar10-pretrained"]
OPEN = {"dataset": "cifar10", "backbone": "toy", "pixels": 64, "layers": ["first"], "pooled": False}
ABOUT = {"image_shape": [4, 6, 3], "normalization": {"mean": [0.0] * 3, "deviation": [1.0] * 3}}
FINE_TUNED = {
    "dataset": "cifar10",
    "layout": "open",
    "framework": "keras",
    "model": "pretrained",
    "params": {"dropout": 0.2, "epochs": 2, "batch_size": 64, "learning_rate": 0.01},
}


@pytest.mark.slow
def test_an_edit_of_the_head_computes_no_feature_again(untrained: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    run("git", "clone", "-q", untrained, project, cwd=tmp_path)
    models = {
        "cifar10-pretrained": HEAD,
        "cifar10-other": {**HEAD, "params": {**HEAD["params"], "C": 1.0}},
    }
    edit(project, data=DATA, models=models)
    ran = make_repro(project)
    assert [name for name in ran if name.startswith("features")] == ["features@toy"]
    models["cifar10-other"]["params"]["C"] = 0.1
    edit(project, models=models)
    ran = make_repro(project)
    kinds = ("train", "evaluate", "profile", "plot", "card")
    assert ran.keys() == {"check", "compare", *(f"{kind}@cifar10-other" for kind in kinds)}
    features = read_lock(project)["features@toy"]["outs"][0]["md5"]
    edit(project, features={"toy": {**PARAMETERS["features"]["toy"], "pixels": 48}})
    ran = make_repro(project)
    assert {"features@toy", "train@cifar10-pretrained", "train@cifar10-other"} <= ran.keys()
    assert "train@cifar10-cnn" not in ran
    assert read_lock(project)["features@toy"]["outs"][0]["md5"] != features


@pytest.fixture(scope="module")
def fine_tuned(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a run that trains the second layer of the toy network."""
    project = tmp_path_factory.mktemp("fine_tuned") / "project"
    run("git", "clone", "-q", untrained, project, cwd=untrained)
    edit(project, data=DATA, features={"open": OPEN}, models={"cifar10-tuned": FINE_TUNED})
    make_repro(project)
    return project


@pytest.mark.slow
def test_freezing_freezes_and_the_rest_learns(fine_tuned: Path) -> None:
    """The exported file has the weights before the cut to the bit, and others after it."""
    network = onnx.load(fine_tuned / "data/weights/toy.onnx")
    model = onnx.load(fine_tuned / "data/models/cifar10-tuned.onnx")
    kernels = [
        [numpy_helper.to_array(one) for one in graph.initializer if len(one.dims) == 4]
        for graph in (network.graph, model.graph)
    ]
    before, after = (sorted((k for k in some if k.shape[2] == 3), key=len) for some in kernels)
    assert [k.shape for k in before] == [k.shape for k in after] == [(8, 3, 3, 3), (16, 8, 3, 3)]
    assert np.array_equal(before[0], after[0])
    assert np.abs(before[1] - after[1]).max() > 1e-3
    assert not any(node.op_type == "BatchNormalization" for node in model.graph.node)


@pytest.mark.slow
def test_a_fine_tuned_model_takes_images_as_they_are(fine_tuned: Path) -> None:
    classifier = open_classifier(fine_tuned / "data/models/cifar10-tuned.onnx", threads=1)
    images, labels = read_split(fine_tuned / "data/reshaped/cifar10-image/validation")
    predicted, _ = classify(classifier, images)
    answers = fine_tuned / "data/validation/cifar10-tuned"
    assert np.array_equal(np.load(answers / "predicted.npy"), predicted)
    assert np.array_equal(np.load(answers / "labels.npy"), labels)
    command = ["python", "-m", "tools.predict", "data/models/cifar10-tuned.onnx"]
    picture = ROOT / "plots/cifar10-cnn/pictures/examples.png"
    (said,) = json.loads(run(*command, "--json", picture, cwd=fine_tuned).stdout)
    assert len({one["class"] for one in said["top"]} & set(CLASSES)) == 3


@pytest.mark.slow
def test_a_training_of_the_rest_starts_at_what_imagenet_taught(fine_tuned: Path) -> None:
    from keras import Model

    from stages.models import pretrained

    folder = fine_tuned / "data/reshaped/cifar10-open/train"
    features, _ = read_split(folder, FEATURES)
    tail = onnx.load(folder / "tail.onnx")
    model = pretrained.build(features.shape[1:], 10, tail, dropout=0.0)
    pooled = Model(model.input, model.layers[-3].output)(features[:20]).numpy()
    images, _ = read_split(folder)
    network = onnx.load(fine_tuned / "data/weights/toy.onnx")
    whole = join(
        resize(
            {
                "image_shape": [32, 32, 3],
                "normalization": {"mean": [0.0] * 3, "deviation": [1] * 3},
            },
            64,
        ),
        Extractor(network).extract_model(["images"], ["second"]),
    )
    session = open_session(join(whole, pool(["second"])).SerializeToString(), threads=1)
    (expected,) = session.run(None, {"images": images[:20]})
    np.testing.assert_allclose(pooled, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("change", ["padding", "operator"])
def test_a_network_that_keras_computes_otherwise_is_not_trained_on(
    fine_tuned: Path, change: str
) -> None:
    from stages.models import pretrained

    tail = onnx.load(fine_tuned / "data/reshaped/cifar10-open/train/tail.onnx")
    convolution = next(node for node in tail.graph.node if node.op_type == "Conv")
    if change == "padding":  # PyTorch's: as many pixels before as after
        attributes = {one.name: one for one in convolution.attribute}
        attributes["auto_pad"].s = b"NOTSET"
        convolution.attribute.append(onnx.helper.make_attribute("pads", [1, 1, 1, 1]))
    else:
        convolution.op_type = "ConvTranspose"
    said = {"padding": "cannot be trained on", "operator": "operator ConvTranspose; models that"}
    with pytest.raises(InputError, match=said[change]):
        pretrained.build((32, 32, 8), 10, tail, dropout=0.0)


@pytest.mark.slow
def test_without_validation_images(untrained: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    run("git", "clone", "-q", untrained, project, cwd=tmp_path)
    data = edit(project, models={"cifar10-pretrained": HEAD})["data"]
    data["cifar10"]["validation_fraction"] = 0
    edit(project, data=data)
    run("dvc", "repro", "evaluate@cifar10-pretrained", cwd=project)
    assert list(json.loads((project / "metrics/cifar10-pretrained.json").read_text())) == ["test"]


@pytest.mark.slow
def test_the_same_bytes_on_any_number_of_cores(fine_tuned: Path, tmp_path: Path) -> None:
    lock = read_lock(fine_tuned)
    project = tmp_path / "again"
    run("git", "clone", "-q", fine_tuned, project, cwd=tmp_path)
    (project / "params.yaml").write_text((fine_tuned / "params.yaml").read_text())
    make_repro(project, jobs=1)
    for name in ("features@open", "train@cifar10-tuned"):
        assert read_lock(project)[name]["outs"] == lock[name]["outs"], name


@pytest.mark.slow
def test_trials_vary_what_a_layout_is_made_of(fine_tuned: Path) -> None:
    command = ["python", "-m", "tools.sweep", "--", "cifar10-tuned"]
    said = run(*command, "features.open.pixels=48,96", cwd=fine_tuned).stdout
    assert "features.open.pixels" in said
    failed = run(*command, "features.open.backbone=other", cwd=fine_tuned, status=1)
    assert "features.open.backbone cannot vary" in failed.stdout


def spoil(**sections: Any) -> dict[str, Any]:
    return {**PARAMETERS, "features": {"open": OPEN, **PARAMETERS["features"]}, **sections}


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"features": {"toy": {**OPEN, "dataset": "mnist"}}}, "features.toy.dataset is 'mnist'"),
        ({"features": {"flat": OPEN}}, "features.flat has the name of another layout"),
        ({"features": {"a-b": OPEN}}, "features.a-b"),
        ({"features": {"toy": {**OPEN, "layers": []}}}, "features.toy.layers"),
        ({"features": {"toy": {**OPEN, "layers": ["a", "a"]}}}, "one is there twice"),
        ({"features": {"toy": {**OPEN, "layers": ["a", "b"]}}}, "without being pooled"),
        ({"features": {"toy": {**OPEN, "pixels": 5000}}}, "features.toy.pixels is 5000"),
        ({"features": {"toy": {**OPEN, "backbone": "../x"}}}, "features.toy.backbone"),
        (
            {"models": {"a": {**HEAD, "layout": "open"}}},
            "models.a: model pretrained and a layout with `pooled: false` go together",
        ),
        (
            {"models": {"a": {**FINE_TUNED, "layout": "toy"}}},
            "models.a: model pretrained and a layout with `pooled: false` go together",
        ),
        (
            {"models": {"a": {**HEAD, "dataset": "fashion_mnist"}}},
            "models.a.layout is 'toy': choose from flat, image$",
        ),
        (
            {"more": {"models": {"b": {**HEAD, "model": "none"}}}},
            "more.models.b.model is 'none'",
        ),
        (
            {"more": {"features": {"c": {**OPEN, "dataset": "none"}}}},
            "more.features.c.dataset is 'none'",
        ),
    ],
)
def test_check_names_what_is_wrong(sections: dict[str, Any], message: str) -> None:
    check(spoil())
    with pytest.raises(InputError, match=message):
        check(spoil(**sections))


@pytest.mark.slow
def test_a_missing_network_or_layer_is_one_line(untrained: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    run("git", "clone", "-q", untrained, project, cwd=tmp_path)
    toy, models = PARAMETERS["features"]["toy"], {"cifar10-pretrained": HEAD}
    features = {"toy": {**toy, "layers": ["first", "third"]}}
    edit(project, data=DATA, features=features, models=models)
    command = ["python", "-m", "tools.repro"]
    said = run(*command, cwd=project, status=1).stdout
    assert "features.toy.layers: toy has no layer 'third'; choose from first, second\n" in said
    edit(project, features={"toy": {**toy, "backbone": "MobileNetV2"}})
    said = run(*command, cwd=project, status=1).stdout
    assert "add MobileNetV2 to the list of `fetch_weights` in data/dvc.yaml" in said


@pytest.mark.parametrize("kind", ["external", "functions", "text"])
def test_a_network_from_anywhere_is_refused_in_one_line(
    untrained: Path, tmp_path: Path, kind: str
) -> None:
    """Its weights would be those of any file of the user, or its calls very many."""
    model = onnx.load(untrained / "data/weights/toy.onnx")
    if kind == "external":
        weight = model.graph.initializer[0]
        weight.data_location = onnx.TensorProto.EXTERNAL
        weight.external_data.add(key="location", value="../../../../etc/passwd")
    model.functions.extend([onnx.FunctionProto(name="f")] if kind == "functions" else [])
    content = b"not a network" if kind == "text" else model.SerializeToString()
    (tmp_path / "network.onnx").write_bytes(content)
    (tmp_path / "image").mkdir()
    (tmp_path / "image/about.json").write_text(json.dumps(ABOUT))
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMETERS))
    for name in ("stages", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    command = ["python", "-m", "stages.features", "toy", "image", "network.onnx", "out"]
    error = run(*command, cwd=tmp_path, status=2).stderr
    assert error.startswith("features: error: network.onnx: not a valid ONNX network (")
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_what_is_switched_on_is_what_more_says() -> None:
    """By the command that params.yaml shows, which lets OmegaConf fill in the block."""
    from omegaconf import OmegaConf

    parameters = yaml.safe_load((ROOT / "params.yaml").read_text())
    check(parameters)
    shown = functools.reduce(lambda block, key: block[key], ("more", "models"), parameters)
    for name in shown:
        merged = OmegaConf.create({**parameters, "new": f"${{more.models.{name}}}"})
        assert OmegaConf.to_object(merged)["new"] == shown[name]  # type: ignore[call-overload,index]


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_resized_as_tensorflow_does(channels: int) -> None:
    """Bilinear between the centers of pixels; gray becomes three channels; normalization undone."""
    about = {
        "image_shape": [4, 6, channels],
        "normalization": {"mean": [0.5] * channels, "deviation": [0.25] * channels},
    }
    random = np.random.default_rng(0)
    pixels = random.random((2, 4, 6, channels), dtype=np.float32)
    session = open_session(resize(about, 12).SerializeToString(), threads=1)
    (resized,) = session.run(None, {"images": (pixels - np.float32(0.5)) / np.float32(0.25)})
    assert resized.shape == (2, 12, 12, 3)
    for axis, (size, length) in enumerate([(12, 4), (12, 6)], start=1):
        at = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
        low = np.floor(at).astype(int)
        high, share = np.minimum(low + 1, length - 1), (at - low).astype(np.float32)
        share = share.reshape([-1 if one == axis else 1 for one in range(4)])
        pixels = pixels.take(low, axis) * (1 - share) + pixels.take(high, axis) * share
    np.testing.assert_allclose(resized, np.broadcast_to(pixels, resized.shape), atol=1e-5)


def test_networks_of_several_operator_sets_are_joined() -> None:
    """That of a Keras model is older: its operators are raised, and its names do not collide."""
    first = resize(
        {"image_shape": [2, 2, 1], "normalization": {"mean": [0.0], "deviation": [1.0]}}, 4
    )
    old = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["" : 13]>
        head (float[n, 4, 4, 3] pixels) => (float[n] probability) {
            probability = ReduceSum <keepdims = 0> (pixels, mean)
        }""")
    old.graph.initializer.append(numpy_helper.from_array(np.array([1, 2, 3]), "mean"))
    joined = join(first, old)
    assert {one.version for one in joined.opset_import} == {OPSET}
    session = open_session(joined.SerializeToString(), threads=1)
    assert [one.name for one in session.get_inputs()] == ["images"]
    (found,) = session.run(["probability"], {"images": np.ones((3, 2, 2, 1), np.float32)})
    np.testing.assert_allclose(found, [48.0] * 3)
