"""Errors that a user can fix."""


class InputError(ValueError):
    """Unusable input; the message names it, its value and the remedy."""
