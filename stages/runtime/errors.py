"""Errors that a user can fix."""

from stages.runtime.text import show

LONGEST = 270  # characters of a message: with the name of the program before it, at most 300
ENOUGH = 5000  # characters of a message, of which `LONGEST` are left
END = 110  # characters at the end of a longer one that are kept: the remedy


class InputError(ValueError):
    """Unusable input; the message names it, its value and the remedy.

    Whatever the input brought into the message, it is one line of at most `LONGEST` printable
    characters. A longer message loses its middle.
    """

    def __init__(self, message: object) -> None:
        text = str(message)
        if len(text) > 2 * ENOUGH:  # it may be as long as the input
            text = f"{text[:ENOUGH]} ... {text[-ENOUGH:]}"
        line = show(text)
        if len(line) > LONGEST:
            line = f"{line[: LONGEST - END - 5]} ... {line[-END:]}"
        super().__init__(line)
