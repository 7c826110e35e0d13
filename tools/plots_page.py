"""Writes the page that `dvc plots` fills, with the plotting library in it: it needs no network.

.venv/bin/python -m tools.plots_page

DVC's own page loads the same versions of the same packages from a server.
"""

import hashlib
import re
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from stages.runtime.command import run

from dvc_render.vega import VegaRenderer

from stages.runtime.errors import InputError
from stages.runtime.files import atomic_write
from tools.engine.programs import call

PAGE = Path(".dvc/plots.html")  # which .dvc/config names
SHA256 = {  # of each package's script
    "vega": "4794d0169cb1f3ebad8117fe98ba5bd652dd725905ec0384e832391dbccb03be",
    "vega-lite": "d73157451b3978015ab31dacd55ff90d986ab8663fc0abed50f97b3cd90002cb",
    "vega-embed": "1ba9826431ddc9805e815ad92acc811c819f2bfd32bda2a128b8c4b5070fab5e",
}
# If all values are equal, as of a model without epochs, Vega rounds them at the axis to integers.
NUMBERS = """const embed = vegaEmbed;
vegaEmbed = (place, chart) => embed(place, chart, { config: { numberFormat: ".6~g" } });"""


def main() -> None:
    """Takes the packages that DVC's page names from npm's registry, and writes PAGE."""
    versions = find_versions()
    with TemporaryDirectory() as name:
        folder = Path(name)
        call(folder, "npm", "pack", "--silent", *(f"{p}@{v}" for p, v in versions.items()))
        packages = {p: read_package(folder / f"{p}-{v}.tgz", p) for p, v in versions.items()}
    with atomic_write(PAGE) as path:
        path.write_text(write_page(packages), encoding="utf-8")


def find_versions() -> dict[str, str]:
    """The packages that DVC's own page loads, in order, and their versions."""
    return dict(re.findall(r"/npm/([\w-]+)@([\d.]+)\"", VegaRenderer.SCRIPTS))


def read_package(path: Path, name: str) -> tuple[str, str]:
    """The script and the license of a package.

    Raises:
        InputError: the script is not the pinned one.
    """
    with tarfile.open(path) as archive:
        script, license_text = (
            file.read() if (file := archive.extractfile(f"package/{inner}")) else b""
            for inner in (f"build/{name}.min.js", "LICENSE")
        )
    sha256 = hashlib.sha256(script).hexdigest()
    if sha256 != SHA256.get(name):
        raise InputError(
            f"{path.name}: its script has the SHA-256 {sha256}, which is not pinned; if DVC loads "
            "this version now, replace the one in tools/plots_page.py"
        )
    return script.decode(), license_text.decode()


def write_page(packages: dict[str, tuple[str, str]]) -> str:
    """The page, from the script and license of each package; DVC fills in the words in braces."""
    licenses = "\n".join(f"{name}:\n\n{text}" for name, (_, text) in packages.items())
    scripts = "\n".join(
        f"<script>{script}</script>"
        for script in (*(script for script, _ in packages.values()), NUMBERS)
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
{{refresh_tag}}
<title>DVC plots</title>
<style>table {{ border-spacing: 15px; }}</style>
<!-- Written by `make plots-page`. The scripts are of these packages. They contain parts of d3 and
topojson (BSD-3-Clause, ISC), clone, fast-deep-equal, fast-json-patch and
json-stringify-pretty-compact (MIT) and semver (ISC).

{licenses}-->
{scripts}
</head>
<body>
{{plot_divs}}
</body>
</html>
"""


if __name__ == "__main__":
    run(main)
