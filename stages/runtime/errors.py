"""Errors that a user can fix."""

from stages.runtime.text import show

LONGEST = 300  # characters of a message: one line that can be read at a glance
END = 110  # characters at the end of a longer one that are kept: the remedy


class InputError(ValueError):
    """Unusable input; the message names it, its value and the remedy.

    Whatever the input brought into the message, it is one line of at most `LONGEST` printable
    characters. A longer message loses its middle.
    """

    def __init__(self, message: object) -> None:
        line = show(message)
        if len(line) > LONGEST:
            line = f"{line[: LONGEST - END - 5]} ... {line[-END:]}"
        super().__init__(line)
