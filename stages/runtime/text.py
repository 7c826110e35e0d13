"""Text that messages, commands, pictures and reports can show as it is."""

NAME = "[A-Za-z0-9][A-Za-z0-9_-]*"  # of a data set or run: commands and paths are made of it
LONGEST_NAME = 80  # characters of a class name, which a picture has to have room for


def show(text: object) -> str:
    """A text on one line, with an escape for what cannot be printed: `\\x..` for a wrong byte."""
    line = " ".join(str(text).split())
    return "".join(one if one.isprintable() else escape(one) for one in line)


def cut(texts: list[str], most: int = 12) -> str:
    """The first texts, separated by commas, and how many more there are."""
    more = [f"and {len(texts) - most} more"] if len(texts) > most else []
    return ", ".join(texts[:most] + more)


def escape(character: str) -> str:
    """A character as Python writes it; a byte of a file name that is not UTF-8 as that byte."""
    byte = ord(character) - 0xDC00  # PEP 383
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else repr(character)[1:-1]


def require_shown(name: str) -> str:
    """The name of a class, if pictures, tables and reports can show it as itself, on one line.

    Raises:
        ValueError: they cannot.
    """
    if not name.isprintable() or name != name.strip() or not 1 <= len(name) <= LONGEST_NAME:
        raise ValueError(
            f"a class name is 1 to {LONGEST_NAME} printable characters on one line, without a "
            "space at either end"
        )
    return name
