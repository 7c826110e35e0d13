"""Networks compute what their papers say: compared with convolutions in numpy, and with Keras."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image

from stages import fetch_weights
from stages.model_file.classifier import open_session
from stages.runtime.errors import InputError
from stages.weights.published import Arrays

Values = NDArray[np.float64]  # (channels, height, width)
Weights = dict[str, Arrays]
# Of Keras with NumPy 2, and of MobileNetV2 for images of any size.
of_keras = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning",
    "ignore:.*np.object:FutureWarning",
    "ignore:`input_shape` is undefined:UserWarning",
)
SIZES = [(32, 32), (33, 47), (9, 6)]


@pytest.fixture(scope="module")
def sessions(weights: Weights) -> dict[str, onnxruntime.InferenceSession]:
    """Each network, opened."""
    builders = fetch_weights.BUILDERS
    return {
        name: open_session(builders[name](weights[name]).SerializeToString(), threads=1)
        for name in builders
    }


def compute(
    session: onnxruntime.InferenceSession, image: NDArray[np.float32], *layers: str
) -> list[Values]:
    """What layers of a network make of one image, (height, width, 3)."""
    return [one[0].astype(np.float64) for one in session.run(layers, {"images": image[None]})]


def make_image(height: int, width: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).random((height, width, 3), dtype=np.float32)


def windows(values: Values, size: int, stride: int, same: bool = True) -> NDArray[np.float64]:
    """The squares that a kernel sees, (channels, height, width, size, size).

    Padded with zeros as TensorFlow does: one more at the end where their number is odd.
    """
    if same:
        missing = [max(0, (-(-n // stride) - 1) * stride + size - n) for n in values.shape[1:]]
        values = np.pad(values, [(0, 0), *((m // 2, m - m // 2) for m in missing)])
    found = np.lib.stride_tricks.sliding_window_view(values, (size, size), axis=(1, 2))
    return found[:, ::stride, ::stride]


def convolve(values: Values, kernel: Any, stride: int = 1, same: bool = True) -> Values:
    """With a kernel (filters, channels, size, size)."""
    seen = windows(values, kernel.shape[2], stride, same)
    found: Values = np.einsum("chwij,fcij->fhw", seen, kernel.astype(np.float64), optimize=True)
    return found


def convolve_depthwise(values: Values, kernel: Any, stride: int = 1) -> Values:
    """With a kernel (channels, 1, size, size), each channel by itself."""
    seen = windows(values, kernel.shape[2], stride)
    found: Values = np.einsum("chwij,cij->chw", seen, kernel[:, 0].astype(np.float64))
    return found


def normalize(values: Values, arrays: Arrays, name: str, in_training: bool = False) -> Values:
    """Batch normalization, with the averages of the training, or of this very image."""
    mean, variance = arrays[f"{name}.running_mean"], arrays[f"{name}.running_var"]
    if in_training:
        mean, variance = values.mean(axis=(1, 2)), values.var(axis=(1, 2))
    columns = (one[:, None, None].astype(np.float64) for one in (mean, variance))
    mean, variance = columns
    gamma, beta = (arrays[f"{name}.{part}"][:, None, None] for part in ("weight", "bias"))
    return (values - mean) / np.sqrt(variance + 0.001) * gamma + beta


def relu6(values: Values) -> Values:
    return np.clip(values, 0, 6)


def start(image: NDArray[np.float32], arrays: Arrays, in_training: bool = False) -> Values:
    """The first convolution of EfficientNet-Lite."""
    values = (255 * image.transpose(2, 0, 1).astype(np.float64) - 127) / 128
    values = convolve(values, arrays["_conv_stem.weight"], stride=2)
    return relu6(normalize(values, arrays, "_bn0", in_training))


def block(
    values: Values, arrays: Arrays, index: int, stride: int, in_training: bool = False
) -> Values:
    """A block of EfficientNet-Lite, without its sum; the first one does not expand."""
    at = f"_blocks.{index}"
    if index:
        values = convolve(values, arrays[f"{at}._expand_conv.weight"])
        values = relu6(normalize(values, arrays, f"{at}._bn0", in_training))
    values = convolve_depthwise(values, arrays[f"{at}._depthwise_conv.weight"], stride)
    values = relu6(normalize(values, arrays, f"{at}._bn1", in_training))
    values = convolve(values, arrays[f"{at}._project_conv.weight"])
    return normalize(values, arrays, f"{at}._bn2", in_training)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_lite2"])
def test_the_first_blocks_are_those_of_the_paper(
    sessions: dict[str, onnxruntime.InferenceSession],
    weights: Weights,
    name: str,
    size: tuple[int, int],
) -> None:
    image, arrays = make_image(*size), weights[name]
    stem, first = compute(sessions[name], image, "stem", "block1a")
    expected = start(image, arrays)
    assert expected.shape == (32, -(-size[0] // 2), -(-size[1] // 2))
    np.testing.assert_allclose(stem, expected, atol=1e-4)
    expected = block(expected, arrays, 0, stride=1)
    np.testing.assert_allclose(first, expected, atol=1e-4)
    assert np.abs(expected).max() > 1
    # The commonest mistake: the statistics of the batch. It cannot pass for rounding.
    wrong = start(image, arrays, in_training=True)
    assert np.abs(stem - wrong).max() > 0.1
    wrong = block(start(image, arrays), arrays, 0, stride=1, in_training=True)
    assert np.abs(first - wrong).max() > 0.1


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (60, 70)])
@pytest.mark.parametrize(
    ("index", "before", "after", "stride"),
    [
        (1, "block1a", "block2a", 2),  # 3x3
        (2, "block2a", "block2b", 1),  # 3x3, and a sum
        (3, "block2b", "block3a", 2),  # 5x5
        (12, "block6a", "block6b", 1),  # 5x5, and a sum
        (15, "block6d", "block7a", 1),
    ],
)
def test_later_blocks_are_those_of_the_paper(
    sessions: dict[str, onnxruntime.InferenceSession],
    weights: Weights,
    index: int,
    before: str,
    after: str,
    stride: int,
    size: tuple[int, int],
) -> None:
    name = "efficientnet_lite0"
    values, found = compute(sessions[name], make_image(*size), before, after)
    expected = block(values, weights[name], index, stride)
    if stride == 1 and values.shape == expected.shape:
        expected += values
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (40, 31)])
def test_the_first_fire_module_is_that_of_the_paper(
    sessions: dict[str, onnxruntime.InferenceSession], weights: Weights, size: tuple[int, int]
) -> None:
    image, arrays = make_image(*size), weights["squeezenet1_1"]

    def activate(values: Values, name: str, stride: int = 1) -> Values:
        kernel, bias = arrays[f"{name}_W"].transpose(3, 2, 0, 1), arrays[f"{name}_b"]
        values = convolve(values, kernel, stride, same=stride == 1)
        return np.maximum(values + bias[:, None, None], 0)

    bgr = 255 * image[..., ::-1].transpose(2, 0, 1).astype(np.float64)
    values = bgr - np.array([103.939, 116.779, 123.68]).reshape(3, 1, 1)
    values = activate(values, "conv1/conv1", stride=2)
    first, found = compute(sessions["squeezenet1_1"], image, "conv1", "fire2")
    np.testing.assert_allclose(first, values, rtol=1e-5, atol=1e-3)
    values = windows(values, 3, 2, same=False).max(axis=(3, 4))
    values = activate(values, "fire2/squeeze1x1/squeeze1x1")
    parts = [activate(values, f"fire2/expand{one}/expand{one}") for one in ("1x1", "3x3")]
    np.testing.assert_allclose(found, np.concatenate(parts), rtol=1e-5, atol=1e-3)
    assert found.max() > 10


@pytest.mark.parametrize(
    ("name", "pixels", "photograph", "best", "probability"),
    [
        ("efficientnet_lite0", 224, "flower.jpg", 985, 0.327),  # daisy
        ("efficientnet_lite0", 224, "china.jpg", 698, 0.360),  # palace
        ("efficientnet_lite2", 260, "flower.jpg", 599, 0.393),  # honeycomb
        ("efficientnet_lite2", 260, "china.jpg", 698, 0.347),
    ],
)
def test_photographs_are_of_what_they_show(
    sessions: dict[str, onnxruntime.InferenceSession],
    name: str,
    pixels: int,
    photograph: str,
    best: int,
    probability: float,
) -> None:
    from sklearn.datasets import load_sample_image

    picture = Image.fromarray(load_sample_image(photograph))
    side = int(min(picture.size) * 224 / 256)
    left, top = ((n - side) // 2 for n in picture.size)
    square = picture.crop((left, top, left + side, top + side))
    resized = square.resize((pixels, pixels), Image.Resampling.BICUBIC)
    image = np.asarray(resized, np.float32) / np.float32(255)
    (found,) = compute(sessions[name], image, "probability")
    assert found.sum() == pytest.approx(1, abs=1e-5)
    assert int(found.argmax()) == best
    assert float(found.max()) == pytest.approx(probability, abs=5e-4)


def change_statistics(network: Any) -> None:
    """Gives batch normalization in a network of Keras averages that are not those of a new one."""
    import keras

    chance = np.random.default_rng(0)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.gamma.shape
            gamma, variance = chance.uniform(0.5, 1.5, (2, *shape))
            beta, mean = chance.normal(size=(2, *shape))
            layer.set_weights([gamma, beta, mean, variance])


@of_keras
def test_a_network_of_keras_is_exported_as_it_predicts(tmp_path: Path) -> None:
    import keras

    from stages.backbones import applications  # it imports TensorFlow

    network = keras.applications.MobileNetV2(include_top=False, weights=None)
    change_statistics(network)
    network.save_weights(tmp_path / "MobileNetV2.weights.h5")
    exported = applications.build("MobileNetV2", tmp_path)
    session = open_session(exported.SerializeToString(), threads=1)
    names = [one.name for one in session.get_outputs()]
    assert [one.name for one in session.get_inputs()] == ["images"]
    assert names[:2] == ["Conv1_relu", "expanded_conv_depthwise_relu"]
    assert names[-1] == "out_relu"
    # Activations: the first and the last, 17 of depthwise convolutions, 16 before these; sums.
    assert len(names) == 2 + 17 + 16 + 10
    image = make_image(64, 97)
    scaled = keras.applications.mobilenet_v2.preprocess_input(255 * image)
    inner = keras.Model(network.inputs, [network.get_layer(one).output for one in names])
    expected = inner.predict(scaled[None], verbose=0)
    for name, own, of_network in zip(names, compute(session, image, *names), expected, strict=True):
        values = of_network[0].transpose(2, 0, 1)
        np.testing.assert_allclose(own, values, atol=1e-4 * np.abs(values).max(), err_msg=name)


@of_keras
@pytest.mark.parametrize("fault", ["none", "statistics of a batch", "no preprocessing"])
def test_an_export_that_computes_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    import keras
    from keras import layers

    from stages.backbones import applications

    def load(include_top: bool, weights: str) -> Any:
        first = layers.Conv2D(4, 3, name="first")
        images = keras.Input((None, None, 3))
        outputs = layers.ReLU(name="relu")(layers.BatchNormalization()(first(images)))
        network = keras.Model(images, outputs)
        change_statistics(network)
        return network

    load.__module__ = keras.applications.MobileNetV2.__module__  # which has `preprocess_input`
    monkeypatch.setattr(keras.applications, "MobileNetV2", load)
    call = keras.Model.__call__

    def call_in_training(self: Any, images: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(images, keras.KerasTensor):
            options["training"] = True
        return call(self, images, *arguments, **options)

    if fault == "none":
        assert applications.build("MobileNetV2", tmp_path).graph.output[0].name == "relu"
        return
    if fault == "statistics of a batch":
        monkeypatch.setattr(keras.Model, "__call__", call_in_training)
    else:
        monkeypatch.setattr(applications, "make_preprocess", lambda scale: lambda images: images)
    line = "^MobileNetV2: layer relu of the exported network is .* from Keras's; .* choose another$"
    with pytest.raises(InputError, match=line):
        applications.build("MobileNetV2", tmp_path)


@of_keras
def test_a_network_without_weights_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stages.backbones import applications

    def fail(*arguments: Any, **options: Any) -> None:
        raise Exception("URL fetch failure on https://example.org/a.h5: None -- no\nnetwork")

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", fail)
    monkeypatch.chdir(tmp_path)
    line = (
        r"^MobileNetV2: not a valid network with weights \(URL fetch failure .* no network\); "
        r"save them without the top as MobileNetV2\.weights\.h5$"
    )
    with pytest.raises(InputError, match=line):
        applications.build("MobileNetV2", Path())
    Path("MobileNetV2.weights.h5").write_bytes(b"not HDF5")
    line = r"^MobileNetV2\.weights\.h5: not a valid network with weights \("
    with pytest.raises(InputError, match=line):
        applications.build("MobileNetV2", Path())


def test_an_unknown_network_is_refused() -> None:
    line = "^network 'MobileNetV9' is unknown; choose from efficientnet_lite0, .* as MobileNetV2$"
    with pytest.raises(InputError, match=line):
        fetch_weights.build("MobileNetV9")
