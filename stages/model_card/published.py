"""What is published of the data sets that come with the project: title, place and license."""

import posixpath
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A data set: its title and page, its names on Hugging Face, and the terms in a sentence.

    `license` is the identifier of Hugging Face.
    """

    title: str
    page: str
    hub: str
    license: str
    terms: str


PUBLISHED = {
    "fashion_mnist": Published(
        "Fashion-MNIST",
        "https://github.com/zalandoresearch/fashion-mnist",
        "zalando-datasets/fashion_mnist",
        "mit",
        "The images are under the MIT license, Copyright (c) 2017 Zalando SE.",
    ),
    "cifar10": Published(
        "CIFAR-10",
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        "uoft-cs/cifar10",
        "unknown",
        "Its authors state no license of the images, and ask to cite Krizhevsky 2009, Learning "
        "Multiple Layers of Features from Tiny Images.",
    ),
}
FOLDERS = ("data/sample", "data/full")  # the one in git, the other from pinned SHA-256s


def find_published(path: str) -> Published | None:
    """The data set at `data.NAME.path`; None for one's own, whatever its name."""
    folder, name = posixpath.split(posixpath.normpath(path))
    return PUBLISHED.get(name) if folder in FOLDERS else None
