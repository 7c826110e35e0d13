"""Validation with pydantic, with all errors on one line."""

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails

from stages.runtime.errors import InputError

Schema = TypeVar("Schema", bound=BaseModel)


class Strict(BaseModel):
    """Allows no unknown key, and converts no value from another type."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def name_known_keys(cls, content: Any) -> Any:
        """Refuses an unknown key and lists the known ones, which pydantic's own message omits."""
        unknown = set(content) - set(cls.model_fields) if isinstance(content, dict) else set()
        if unknown:
            names = ", ".join(sorted(map(str, unknown)))
            raise ValueError(f"unknown key {names}; choose from {', '.join(cls.model_fields)}")
        return content


def validate(schema: type[Schema], content: Any, *at: str) -> Schema:
    """`content`, which is under the keys `at` in params.yaml, as an instance of `schema`.

    Raises:
        InputError: `content` is not valid; the message lists every problem on one line.
    """
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        raise InputError("; ".join(describe(problem, *at) for problem in error.errors())) from None


def describe(problem: ErrorDetails, *at: str) -> str:
    """A problem that pydantic found: the key, its value unless that is a dictionary, the reason."""
    key = ".".join(map(str, [*at, *problem["loc"]])) or "the file"
    message = problem["msg"].removeprefix("Value error, ")
    if isinstance(problem["input"], dict):
        return f"{key}: {message}" if problem["loc"] or at else message
    return f"{key} is {show_value(problem['input'])}: {message}"


def show_value(value: Any) -> str:
    """A value as Python writes it; Python refuses to write a number of very many digits."""
    return "a huge number" if isinstance(value, int) and abs(value) >= 10**50 else f"{value!r:.100}"
