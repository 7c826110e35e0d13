"""A browser for tests of pages."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HOSTILE = "<img src=x onerror=\"alert(1)\"></script><b>shirt</b> & 'more'"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a network."""
    api = pytest.importorskip("playwright.sync_api", exc_type=ImportError)
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not installed")
    options = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND"]
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=options)
        yield started
        started.close()


def open_page(browser: Any, path: Path, width: int = 1200, ready: str = "") -> Any:
    """The page, which has reported no error and asked for nothing but its file.

    `ready` is an expression in JavaScript that is true when it has been drawn.
    """
    page = browser.new_page(viewport={"width": width, "height": 900})
    heard: list[str] = []
    page.on("console", lambda one: heard.append(one.text) if one.type == "error" else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("dialog", lambda dialog: heard.append(dialog.message))
    page.on("request", lambda request: heard.append(request.url))
    page.goto(path.as_uri())
    if ready:
        page.wait_for_function(ready)
    assert [one for one in heard if not one.startswith("data:")] == [path.as_uri()]
    return page
