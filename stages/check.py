"""Validates all of params.yaml before any other stage uses it."""

from pathlib import Path
from typing import Any

from stages.runtime.command import run

from stages.runtime.errors import InputError
from stages.runtime.files import atomic_write
from stages.runtime.parameters import read_parameters
from stages.schema.parameters import make_schema
from stages.schema.runs import check_features, check_run
from stages.schema.validation import validate


def main(params: Path, out: Path) -> None:
    """Writes the same text to `out` for every valid `params`, so that it reruns no later stage."""
    content = read_parameters(params)
    try:
        parameters = check(content)
    except InputError as error:
        raise InputError(f"{params}: {error}") from None
    with atomic_write(out) as path:
        path.write_text("params.yaml is valid\n", encoding="utf-8")
    print(f"{params}: {len(parameters.data)} data sets, {len(parameters.models)} runs: valid")


def check(content: Any) -> Any:
    """The parameters in a file, if all of them are valid.

    Raises:
        InputError: one is not.
    """
    parameters = validate(make_schema(), content)
    for name, dataset in parameters.data.items():
        if dataset.folds and parameters.fold > dataset.folds:
            raise InputError(
                f"fold is {parameters.fold}: data.{name} has {dataset.folds} folds; choose 1 to "
                f"{dataset.folds}"
            )
    datasets = {name: dataset.classes for name, dataset in parameters.data.items()}
    more = parameters.more
    for at, layouts in (("features", parameters.features), ("more.features", more.features)):
        for name, settings in layouts.items():
            check_features(f"{at}.{name}", settings, datasets)
    for name, settings in parameters.models.items():
        check_run(f"models.{name}", settings, datasets, parameters.features)
    for name, settings in more.models.items():
        check_run(f"more.models.{name}", settings, datasets, parameters.features | more.features)
    return parameters


if __name__ == "__main__":
    run(main)
