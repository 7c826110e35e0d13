"""A page: one HTML file that loads nothing, made from a template in this folder."""

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stages.runtime.files import atomic_write
from tools.pages.table import count_bytes, show_code

FOLDER = Path(__file__).parent


def write_page(template: str, out: Path, **content: Any) -> int:
    """Writes `template`, which extends base.html.j2, filled with `content`; returns its bytes.

    What is in `content` is text and is escaped, unless it is Markup. The page may run no script and
    use no style but those of this folder: its policy names their hashes.
    """
    text = open_environment().get_template(template).render(**content)
    encoded = text.encode(errors="xmlcharrefreplace")  # half of a surrogate pair, of JSON
    with atomic_write(out) as path:
        path.write_bytes(encoded)
    return len(encoded)


def open_environment() -> Environment:
    """Templates that escape what they are given, and refuse a name that nobody defined."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"bytes": count_bytes, "code": show_code}
    for name in ("style.css", "script.js"):
        source = (FOLDER / name).read_text(encoding="utf-8")
        kind = name.partition(".")[0]
        environment.globals |= {kind: Markup(source), f"{kind}_hash": hash_source(source)}
    return environment


def hash_source(source: str) -> str:
    """The hash of a script or style, as a content security policy names it."""
    digest = hashlib.sha256(source.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
