"""The embedded sample is what `tools/sample.py` writes."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from stages.sources import sheet
from tools.sample import IMAGES_PER_CLASS, write_sheet

SHA256 = {
    "cifar10/test_images.png": "4024e4450d310d31cc1aad684c5885ed5cd55e87713ab8d8c1379c591813b838",
    "cifar10/test_labels.txt": "cbaf4db98367978af16f4677252dc99c00d76ff9a7411fc70b7550e90a9d53b2",
    "cifar10/train_images.png": "da920519af0d9193d4b9a287e32459f75d73b3a013558095749554df2fee15b3",
    "cifar10/train_labels.txt": "4de79c6d6fd246a2c3fb3c24ac4dfa7bcac14a9117b1dd0ce74268cbfa4d470b",
    "fashion_mnist/test_images.png": (
        "2c9dcf338ca3d8f90ac1504e912d0707e4ae60ad461ed5d1c9214e1c4f7ec1e7"
    ),
    "fashion_mnist/test_labels.txt": (
        "2bac625f4856c0adee14fb000b2f7f46d576afa9b690c919da4a14b1572aced0"
    ),
    "fashion_mnist/train_images.png": (
        "cb3c4f430f5ef6988a6a407398ee6f546929cdaad178d26cc131502c9d7f5202"
    ),
    "fashion_mnist/train_labels.txt": (
        "c5af327fb55572d3f0fc98a8feae7cd68abcca05647f3dd23d1d6cd7966cd79a"
    ),
}
SAMPLE = ROOT / "data" / "sample"


def test_the_files_are_as_made() -> None:
    files = [path for path in sorted(SAMPLE.rglob("*")) if path.suffix in (".png", ".txt")]
    found = {
        path.relative_to(SAMPLE).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }
    assert found == SHA256


@pytest.mark.parametrize("dataset", IMAGES_PER_CLASS)
def test_the_same_images_are_written_as_the_same_bytes(tmp_path: Path, dataset: str) -> None:
    for split, images_per_class in IMAGES_PER_CLASS[dataset].items():
        images, labels = sheet.read_files(sheet.find(SAMPLE / dataset)[split])
        assert np.bincount(labels).tolist() == [images_per_class] * 10
        write_sheet(tmp_path, split, images, labels)
        for name in (f"{split}_images.png", f"{split}_labels.txt"):
            assert (tmp_path / name).read_bytes() == (SAMPLE / dataset / name).read_bytes()
