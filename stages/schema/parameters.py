"""The schema of params.yaml."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, create_model

from stages.runtime.text import NAME, require_shown
from stages.schema.source import read_keys
from stages.schema.validation import Strict

Name = Annotated[str, StringConstraints(pattern=f"^{NAME}$")]
ClassName = Annotated[str, AfterValidator(require_shown)]
Loss = Annotated[float, Field(ge=0)] | None


class Dataset(Strict):
    """A data set: its path, its validation split, and the names of its labels 0, 1, ..."""

    path: Annotated[str, Field(min_length=1)]
    validation_fraction: Annotated[float, Field(ge=0, lt=1)]
    classes: Annotated[list[ClassName], Field(min_length=2, max_length=256)]  # a label is a uint8


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


class Run(Strict):
    """A model on a data set; `params` are checked against the model's own signature."""

    dataset: str
    layout: str
    framework: str
    model: str
    params: dict[str, Any]


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
        data=(Annotated[dict[Name, Dataset], Field(min_length=1)], ...),
        audit=(Audit, ...),
        normalize=(normalize, ...),
        profile=(Profile, ...),
        plot=(Plot, ...),
        review=(review, ...),
        models=(Annotated[dict[Name, Run], Field(min_length=1)], ...),
    )
