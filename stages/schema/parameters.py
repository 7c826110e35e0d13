"""The schema of params.yaml."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, create_model, model_validator

from stages.runtime.text import NAME, require_shown
from stages.schema.source import read_keys
from stages.schema.validation import Strict

Name = Annotated[str, StringConstraints(pattern=f"^{NAME}$")]
# Without a hyphen: data/reshaped/DATASET-LAYOUT is one of one data set alone.
LayoutName = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_]+$")]
Side = Annotated[int, Field(ge=1, le=10_000)]
Loss = Annotated[float, Field(ge=0)] | None


def require_classes(classes: Any) -> Any:
    """The names of the labels 0, 1, ..., or a mapping from labels to names.

    Raises:
        ValueError: it is neither, or a name or label cannot be used.
    """
    if not isinstance(classes, list | dict):
        raise ValueError("choose a list of names, or labels with their names, such as {1: A, 2: B}")
    names = [*classes.values()] if isinstance(classes, dict) else classes
    labels = [*map(str, classes)] if isinstance(classes, dict) else names
    for name in names:
        if not isinstance(name, str):
            raise ValueError(f"{name!r} is not a text; write it in quotes")
        try:
            require_shown(name)
        except ValueError as error:
            raise ValueError(f"{name[:40]!r}: {error}") from None
    for label in classes:
        if type(label) not in (int, str):
            raise ValueError(f"{label!r} is not a label; write it in quotes")
    if not 2 <= len(names) <= 256:  # a label is a uint8
        raise ValueError(f"{len(names)} classes; choose 2 to 256")
    if len(set(names)) < len(names) or len(set(labels)) < len(labels):
        raise ValueError("a name or label is there twice")
    return classes


class Dataset(Strict):
    """A data set: its path, what is held out of its training images, and its classes.

    Pictures are resized to `size`, height and width. If training and validation images are divided
    into `folds`, one of them is held out in the place of `validation_fraction`. A model learns from
    `training_images` of those that are left, or from all.
    """

    path: Annotated[str, Field(min_length=1)]
    validation_fraction: Annotated[float, Field(ge=0, lt=1)]
    classes: Annotated[Any, AfterValidator(require_classes)]
    test_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    size: Annotated[list[Side], Field(min_length=2, max_length=2)] | None = None
    fit: Literal["crop", "pad"] | None = None
    folds: Annotated[int, Field(ge=2, le=20)] | None = None
    training_images: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def require_fit(self) -> "Dataset":
        """Refuses a size without a fit, and a fit without a size."""
        if (self.size is None) != (self.fit is None):
            raise ValueError(
                "size and fit go together: set both, such as [32, 32] and crop, or none"
            )
        return self


class Audit(Strict):
    """How much overlap of test and training images is accepted, and which images count as near."""

    max_overlap: Annotated[int, Field(ge=0)]
    near: Annotated[float, Field(ge=0, le=1)]


class Profile(Strict):
    """How many calls a model is timed for."""

    warm_up: Annotated[int, Field(ge=0, le=100_000)]
    repeats: Annotated[int, Field(ge=1, le=100_000)]
    batch: Annotated[int, Field(ge=1, le=10_000)]
    batches: Annotated[int, Field(ge=1, le=10_000)]


class Plot(Strict):
    """How many test images the pictures show."""

    examples: Annotated[int, Field(ge=1, le=1000)]
    mistakes: Annotated[int, Field(ge=1, le=1000)]


class Features(Strict):
    """What a network that learned ImageNet computes of the images of a data set: a layout.

    Images are resized to `pixels`; the values of `layers` are averaged over height and width and
    joined, or are as they are if there is one that is not `pooled`.
    """

    dataset: str
    backbone: Name
    pixels: Annotated[int, Field(ge=32, le=512)]
    layers: Annotated[list[str], Field(min_length=1, max_length=8)]
    pooled: bool = True

    @model_validator(mode="after")
    def require_layers(self) -> "Features":
        """Refuses a layer that is there twice, and several that are not pooled."""
        if len(set(self.layers)) < len(self.layers):
            raise ValueError("layers: one is there twice")
        if not self.pooled and len(self.layers) > 1:
            raise ValueError("only one layer can be there without being pooled")
        return self


class Run(Strict):
    """A model on a data set; `params` are checked against the model's own signature.

    `tune` is the space that `make tune` searches for better ones.
    """

    dataset: str
    layout: str
    framework: str
    model: str
    params: dict[str, Any]
    tune: dict[str, Any] = Field(default_factory=dict)


class More(Strict):
    """Layouts and runs of which nothing runs: values for `features` and `models`."""

    features: dict[LayoutName, Features] = Field(default_factory=dict)
    models: dict[Name, Run] = Field(default_factory=dict)


def make_schema() -> Any:
    """The schema of all of params.yaml; its choices are those in the code."""
    methods = tuple(read_keys("stages.normalize", "METHODS"))
    method: Any = (Literal[methods], ...)
    normalize: Any = create_model("Normalize", __base__=Strict, method=method)
    losses: Any = dict.fromkeys(read_keys("stages.scoring.metrics", "METRICS"), (Loss, None))
    review: Any = create_model(
        "Review",
        __base__=Strict,
        # A review fails if a metric gets significantly worse by more than this; None: never.
        tolerance=(create_model("Tolerance", __base__=Strict, **losses), ...),
    )
    return create_model(
        "Parameters",
        __base__=Strict,
        seed=(Annotated[int, Field(ge=0, lt=2**32)], ...),  # what numpy and scikit-learn accept
        threads=(Annotated[int, Field(ge=1, le=256)], ...),
        fold=(Annotated[int, Field(ge=1)], ...),
        data=(Annotated[dict[Name, Dataset], Field(min_length=1)], ...),
        audit=(Audit, ...),
        normalize=(normalize, ...),
        profile=(Profile, ...),
        plot=(Plot, ...),
        review=(review, ...),
        features=(dict[LayoutName, Features], ...),
        models=(Annotated[dict[Name, Run], Field(min_length=1)], ...),
        more=(More, ...),
    )
