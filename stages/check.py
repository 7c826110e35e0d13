"""Validates the whole of params.yaml, before anything runs on it."""

import ast
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic_core import ErrorDetails

from stages.command import InputError, run
from stages.files import written_whole
from stages.parameters import read_parameters
from stages.reshape import LAYOUTS

STAGES = Path(__file__).parent
NO_TYPE = ast.Name("a_type_for_every_keyword_argument")
Schema = TypeVar("Schema", bound=BaseModel)
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]


class Strict(BaseModel):
    """No unknown key, and no value of another type that could be converted."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def name_known_keys(cls, content: Any) -> Any:
        """Refuses an unknown key with the known ones, which pydantic's own message leaves out."""
        unknown = set(content) - set(cls.model_fields) if isinstance(content, dict) else set()
        if unknown:
            names = ", ".join(sorted(map(str, unknown)))
            raise ValueError(f"has no {names}; it has {', '.join(cls.model_fields)}")
        return content


class Dataset(Strict):
    """A data set: where it lies, and what its labels 0, 1, ... are called."""

    path: Annotated[str, Field(min_length=1)]
    validation_fraction: Annotated[float, Field(ge=0, lt=1)]
    classes: Annotated[list[str], Field(min_length=2, max_length=256)]  # a label is a uint8


class Audit(Strict):
    """What is found in the data, and how much of it is accepted."""

    max_overlap: Annotated[int, Field(ge=0)]
    near: Annotated[float, Field(ge=0, le=1)]


class Normalize(Strict):
    """How pixels become numbers."""

    method: Literal["unit", "standardize"]


class Tolerance(Strict):
    """By how much a metric may get really worse before a review objects; None: by any amount."""

    accuracy: Annotated[float, Field(ge=0)] | None
    macro_f1: Annotated[float, Field(ge=0)] | None
    log_loss: Annotated[float, Field(ge=0)] | None
    calibration_error: Annotated[float, Field(ge=0)] | None


class Review(Strict):
    """When a change is stopped."""

    tolerance: Tolerance


class Profile(Strict):
    """How long a model is timed."""

    warm_up: Annotated[int, Field(ge=0)]
    repeats: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=1)]
    batches: Annotated[int, Field(ge=1)]


class Plot(Strict):
    """How many test images the pictures show."""

    examples: Annotated[int, Field(ge=1)]
    mistakes: Annotated[int, Field(ge=1)]


class Run(Strict):
    """A model on a data set; `params` are checked against the model's own signature."""

    dataset: str
    layout: str
    framework: str
    model: str
    params: dict[str, Any]


class Parameters(Strict):
    """The whole of params.yaml."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]  # what numpy and scikit-learn take
    threads: Annotated[int, Field(ge=1)]
    data: Annotated[dict[Name, Dataset], Field(min_length=1)]
    audit: Audit
    normalize: Normalize
    profile: Profile
    plot: Plot
    review: Review
    models: Annotated[dict[Name, Run], Field(min_length=1)]


def main(params: Path, out: Path) -> None:
    """Writes the same sentence to `out` whenever `params` is valid."""
    parameters = validate(Parameters, read_parameters(params))
    for name, dataset in parameters.data.items():
        if len(set(dataset.classes)) < len(dataset.classes):
            raise InputError(f"data.{name}.classes: a name stands twice in {dataset.classes}")
    for name, settings in parameters.models.items():
        check_run(name, settings, datasets=list(parameters.data))
    with written_whole(out) as path:
        path.write_text("params.yaml is valid\n", encoding="utf-8")
    print(f"{params}: {len(parameters.data)} data sets, {len(parameters.models)} runs: valid")


def check_run(name: str, settings: Run, datasets: list[str]) -> None:
    """Checks that what a run names exists and that its parameters are ones it takes."""
    choices = {
        "dataset": datasets,
        "layout": LAYOUTS,
        "framework": sorted(path.stem for path in (STAGES / "fit").glob("*.py")),
        "model": sorted(path.stem for path in (STAGES / "models").glob("*.py")),
    }
    for key, known in choices.items():
        value = getattr(settings, key)
        if value not in known:
            raise InputError(f"models.{name}.{key} is {value!r}: choose from {', '.join(known)}")
    if (settings.framework == "sklearn") != (settings.model == "estimator"):
        raise InputError(
            f"models.{name}: framework {settings.framework} does not go with model "
            f"{settings.model}; scikit-learn's is `estimator`, the others are Keras models"
        )
    if settings.framework == "sklearn":
        from stages.models import estimator  # a second that a project of Keras models saves

        if settings.layout != "flat":
            raise InputError(f"models.{name}.layout is 'image': scikit-learn takes flat")
        if not isinstance(settings.params.get("estimator"), str):
            raise InputError(f"models.{name}.params.estimator: say one such as sklearn.svm.SVC")
        try:
            estimator.build(0, **settings.params)
        except InputError as error:
            raise InputError(f"models.{name}.params: {error}") from None
    else:
        fields = keyword_fields(STAGES / "models" / f"{settings.model}.py", "build")
        fields |= keyword_fields(STAGES / "fit" / f"{settings.framework}.py", "fit")
        schema: Any = create_model("Params", __base__=Strict, **fields)
        validate(schema, settings.params, "models", name, "params")


def keyword_fields(path: Path, function: str) -> dict[str, Any]:
    """The keyword-only arguments of a function and their types, as fields of a pydantic model.

    They are read from the source, because importing it would import TensorFlow, five seconds
    after every edit. A type may use Python's built-in names, Annotated, Literal and pydantic's.
    """
    names = {**vars(pydantic), "Annotated": Annotated, "Literal": Literal}
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise InputError(f"{path}: not Python: {error}") from None
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            try:
                return {
                    argument.arg: (eval(ast.unparse(argument.annotation or NO_TYPE), names), ...)
                    for argument in node.args.kwonlyargs
                }
            except NameError as error:
                raise InputError(f"{path}: {function}: the type of an argument: {error}") from None
    raise InputError(f"{path}: has no function {function}")


def validate(schema: type[Schema], content: Any, *at: str) -> Schema:
    """`content`, which stands under the keys `at` in params.yaml, as an instance of `schema`.

    Raises:
        InputError: what is wrong with it, all on one line.
    """
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        raise InputError("; ".join(describe(problem, *at) for problem in error.errors())) from None


def describe(problem: ErrorDetails, *at: str) -> str:
    """A problem as pydantic found it: the key, its value where that is short, and the matter."""
    key = ".".join(map(str, [*at, *problem["loc"]])) or "params.yaml"
    message = problem["msg"].removeprefix("Value error, ")
    if isinstance(problem["input"], dict):
        return f"{key}: {message}"
    return f"{key} is {problem['input']!r}: {message}"


if __name__ == "__main__":
    run(main, "schema", "sklearn")
