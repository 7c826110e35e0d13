"""The arrays of a file of weights, each of which has one place in a network."""

from typing import Any

from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


class Weights:
    """Arrays by name, which a network takes one after the other, until none is left."""

    def __init__(self, arrays: Arrays) -> None:
        self.left = dict(arrays)

    def take(self, name: str) -> NDArray[Any]:
        """Takes an array out.

        Raises:
            ValueError: it is missing.
        """
        if name not in self.left:
            raise ValueError(f"the array {name} is missing")
        return self.left.pop(name)

    def require_none_left(self) -> None:
        """Raises ValueError if an array has no place in the network."""
        if self.left:
            raise ValueError(
                f"arrays without a place in it: {len(self.left)}, such as {min(self.left)}"
            )
