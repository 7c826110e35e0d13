"""A fitted Keras model as ONNX."""

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import onnx


def convert(model: keras.Model, image_shape: tuple[int, ...]) -> onnx.ModelProto:
    """The graph: its output is the probabilities. `image_shape` is unused: the model knows it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        # Keras patches the exporter for numpy 2 by reading a name that numpy warns about.
        warnings.filterwarnings("ignore", message=".*np.object", category=FutureWarning)
        model.export(path, format="onnx", verbose=False)
        return onnx.load(path)
