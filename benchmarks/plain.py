"""The models in one plain training script each: the baseline to beat.

    .venv/bin/python -m benchmarks.plain RUN FOLDER

reads {train,test}_{images,labels}.csv in FOLDER with np.loadtxt, fits with the defaults of Keras
and scikit-learn, and prints the seconds of each step and the accuracy as one line of JSON. It uses
no code of the pipeline; the architectures are those of params.yaml, written out.
"""

import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Predict = Callable[[NDArray[Any]], NDArray[Any]]


def main(run: str, folder: Path) -> None:
    """Trains `run`, and prints its times and accuracy."""
    library, fit = RUNS[run]
    times = [time.perf_counter()]
    import_module(library)
    times.append(time.perf_counter())
    images, labels = read(folder, "train")
    test_images, test_labels = read(folder, "test")
    times.append(time.perf_counter())
    predict = fit(images, labels)
    times.append(time.perf_counter())
    predicted = predict(test_images)
    times.append(time.perf_counter())
    names = [f"{step}_seconds" for step in ("import", "read", "fit", "predict")]
    seconds = dict(zip(names, np.diff(times).round(3).tolist(), strict=True))
    print(json.dumps(seconds | {"accuracy": float((predicted == test_labels).mean())}))


def read(folder: Path, split: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """The images, (n, pixels) from 0 to 1, and the labels, (n,)."""
    images = np.loadtxt(folder / f"{split}_images.csv", delimiter=",") / 255
    return images, np.loadtxt(folder / f"{split}_labels.csv", dtype=int)


def mlp(images: NDArray[Any], labels: NDArray[Any]) -> Predict:
    """Fashion-MNIST's dense network."""
    from keras import Sequential, layers

    model = Sequential(
        [
            layers.Dense(128, activation="relu"),
            layers.Dense(256, activation="relu"),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(64, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    return fit_keras(model, images, labels, epochs=40, batch_size=50)


def cnn(images: NDArray[Any], labels: NDArray[Any]) -> Predict:
    """Fashion-MNIST's convolutional network."""
    from keras import Sequential, layers

    model = Sequential(
        [
            layers.Reshape((28, 28, 1)),
            layers.Conv2D(16, 2, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    return fit_keras(model, images, labels, epochs=50, batch_size=32)


def deeper_cnn(images: NDArray[Any], labels: NDArray[Any]) -> Predict:
    """CIFAR-10's convolutional network."""
    from keras import Sequential, layers

    model = Sequential(
        [
            layers.Reshape((32, 32, 3)),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(16, 2, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(16, 2, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    return fit_keras(model, images, labels, epochs=15, batch_size=16)


def fit_keras(
    model: Any, images: NDArray[Any], labels: NDArray[Any], epochs: int, batch_size: int
) -> Predict:
    """Fits a Keras model with all other settings at their defaults."""
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images, labels, epochs=epochs, batch_size=batch_size)
    return lambda images: model.predict(images).argmax(axis=1)


def svc(images: NDArray[Any], labels: NDArray[Any]) -> Predict:
    """scikit-learn's support vector classifier."""
    from sklearn.svm import SVC

    return SVC().fit(images, labels).predict  # type: ignore[no-any-return]


def decision_tree(images: NDArray[Any], labels: NDArray[Any]) -> Predict:
    """scikit-learn's decision tree."""
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier().fit(images, labels).predict  # type: ignore[no-any-return]


def random_forest(images: NDArray[Any], labels: NDArray[Any]) -> Predict:
    """scikit-learn's random forest."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier().fit(images, labels).predict  # type: ignore[no-any-return]


# By run in params.yaml; the library is separate, so that its import can be timed.
RUNS: dict[str, tuple[str, Callable[[NDArray[Any], NDArray[Any]], Predict]]] = {
    "fashion_mnist-mlp": ("keras", mlp),
    "fashion_mnist-svc": ("sklearn.svm", svc),
    "fashion_mnist-decision_tree": ("sklearn.tree", decision_tree),
    "fashion_mnist-random_forest": ("sklearn.ensemble", random_forest),
    "fashion_mnist-cnn": ("keras", cnn),
    "cifar10-cnn": ("keras", deeper_cnn),
}

if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
