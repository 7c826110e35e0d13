"""The installed packages are those that pyproject.toml pins."""

import sys
from importlib.metadata import PackageNotFoundError, version

from stages.runtime.errors import InputError
from stages.runtime.parameters import PINS, read_parameter, read_pins


def require_pins(*groups: str) -> None:
    """Checks the installed packages against `dependency-groups` of `pyproject.toml`.

    Raises:
        InputError: a package is missing or its version differs from its pin.
    """
    for pin in read_pins(*groups):
        if pin.marker is not None and not pin.marker.evaluate():
            continue
        try:
            installed = version(pin.name)
        except PackageNotFoundError:
            installed = "not installed"
        if not pin.specifier.contains(installed):
            raise InputError(
                f"{pin.name} is {installed} in {sys.prefix}, but pyproject.toml pins "
                f"{pin.specifier}; run `make install` (after editing the pin: `make lock install`) "
                "and use .venv/bin/python"
            )


def require_all_pins() -> None:
    """Checks the packages of all groups, as `require_pins` does."""
    require_pins(*read_parameter("dependency-groups", PINS))
