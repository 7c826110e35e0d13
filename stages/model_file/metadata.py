"""The metadata of a model file: what the images that it takes are made of, and its classes."""

import json
from typing import Annotated, Literal

import onnx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from stages.runtime.text import NAME, require_shown

Name = Annotated[str, Field(pattern=f"^{NAME}$")]
ClassName = Annotated[str, AfterValidator(require_shown)]
Side = Annotated[int, Field(ge=1, le=10_000)]
Channels = Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=1, max_length=3)]
SMALLEST = 1e-9  # deviation of pixels of 0 to 1 that are not all the same


class Backbone(BaseModel):
    """The network within a model that learned ImageNet, and whose images have other sizes."""

    model_config = ConfigDict(strict=True)

    backbone: Name
    pixels: Side
    layers: list[str]


class Metadata(BaseModel):
    """The data set and classes of a model, and how its images are normalized and laid out.

    `normalization` is the `mean` that was subtracted from each channel's pixels, 0 to 1, and the
    `deviation` by which they were divided; `image_shape` is (height, width, channels). `fit` is how
    pictures of another size became such images, if they did; `backbone` is a network that was not
    trained here.
    """

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    dataset: Name
    classes: Annotated[list[ClassName], Field(min_length=2, max_length=256)]
    normalization: dict[str, Channels]
    layout: Name
    fit: Literal["crop", "pad"] | None = None
    backbone: Backbone | None = None
    image_shape: Annotated[tuple[Side, Side, Literal[1, 3]], Field(strict=False)]

    @model_validator(mode="after")
    def require_normalization(self) -> "Metadata":
        """Refuses a normalization that is not one number per channel, or divides by nothing."""
        values, channels = self.normalization, self.image_shape[2]
        if values.keys() != {"mean", "deviation"} or {*map(len, values.values())} != {channels}:
            raise ValueError(f"normalization: expected mean and deviation of {channels} channels")
        if min(values["deviation"]) < SMALLEST:
            raise ValueError(f"normalization: a deviation is below {SMALLEST}")
        return self


def parse_model(content: bytes) -> tuple[onnx.ModelProto, Metadata]:
    """The network and the metadata of a model file, from its bytes.

    A session on it would take 1 s to open for a forest.

    Raises:
        ValueError: the metadata are not valid.
        google.protobuf.message.DecodeError: it is not an ONNX file.
    """
    network = onnx.ModelProto.FromString(content)
    return network, parse_metadata({one.key: one.value for one in network.metadata_props})


def parse_metadata(texts: dict[str, str]) -> Metadata:
    """The metadata from the JSON texts in a file, by key.

    Raises:
        ValueError: one of them is missing or not valid.
    """
    known = {key: json.loads(texts[key]) for key in Metadata.model_fields if key in texts}
    try:
        return Metadata.model_validate(known)
    except ValidationError as error:
        first = error.errors()[0]
        keys = "".join(f"{key}: " for key in first["loc"])
        raise ValueError(f"{keys}{first['msg'].removeprefix('Value error, ')}") from None
