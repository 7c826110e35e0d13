"""Values of parameters as a person types them: `C=0.3,3,10 gamma=scale`."""

import itertools
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from stages.runtime.errors import InputError
from tools.trials.trial import Trial

SECTIONS = ("seed", "normalize", "data", "features", "models")
EXAMPLE = "such as SET='C=0.3,3,10 gamma=scale,0.01' or SET='max_depth=range(2,12,2)'"


def read_assignments(text: str, run: str) -> list[dict[str, Any]]:
    """All combinations of the values in `text`, by the dotted names of their parameters.

    The syntax is that of `dvc exp run -S`, Hydra's. A name without a section of params.yaml is that
    of a parameter of the run.

    Raises:
        InputError: it cannot be read, names no value, or a parameter twice.
    """
    parser = OverridesParser.create()
    choices = dict[str, list[Any]]()
    for part in split(text):
        try:
            override = parser.parse_override(part)
            values = (
                list(override.sweep_iterator())
                if override.is_sweep_override()
                else [override.value()]
            )
        except (HydraException, ValueError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"SET: {part!r:.80} cannot be read ({reason:.80}); choose {EXAMPLE}"
            ) from None
        name = override.key_or_group
        if name.partition(".")[0] not in SECTIONS:
            name = f"models.{run}.params.{name}"
        if name in choices:
            raise InputError(f"SET: {name} is there twice; put all its values into one list")
        choices[name] = values
    if not choices:
        raise InputError(f"SET names no parameter; choose one, {EXAMPLE}")
    return [
        dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())
    ]


def split(text: str) -> list[str]:
    """The parts of a text at the blanks outside of brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        depth += (letter in "([{") - (letter in ")]}") if not quote else 0
        if letter.isspace() and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return [part for part in parts if part]


def in_folds(trial: Trial, dataset: str, folds: int) -> list[Trial]:
    """A trial, or the same on each of so many folds."""
    if not folds:
        return [trial]
    return [trial.on_fold(dataset, folds, fold + 1) for fold in range(folds)]
