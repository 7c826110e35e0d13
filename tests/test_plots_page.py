"""The page of `dvc plots` opens without a network, with the library that DVC's own page loads."""

import hashlib
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from browsers import open_page
from conftest import FEW, ROOT, replace, run

from stages.runtime.errors import InputError
from tools.plots_page import NUMBERS, PAGE, SHA256, find_versions, read_package, write_page

TEMPLATES = ("confusion", "confusion_normalized", "linear", "simple", "smooth", "scatter")


def read_scripts(page: str) -> list[str]:
    return re.findall(r"<script>(.*?)</script>", page, re.DOTALL)


def test_the_scripts_are_those_of_the_pinned_packages_whose_versions_dvc_names() -> None:
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    versions, (*scripts, last) = find_versions(), read_scripts(page)
    assert last == NUMBERS
    assert versions.keys() == SHA256.keys()
    for script, (name, version) in zip(scripts, versions.items(), strict=True):
        assert hashlib.sha256(script.encode()).hexdigest() == SHA256[name]
        assert f'="{version}"' in script
    notices = re.findall(r"\nCopyright \(c\) .*Interactive Data Lab.*\n", page)
    assert len(notices) == page.count("Redistribution and use in source") == len(SHA256)


def test_dvc_finds_the_page_and_fills_only_its_own_words() -> None:
    assert f"html_template = {PAGE.name}\n" in (ROOT / ".dvc/config").read_text()
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    for word in ("refresh_tag", "plot_divs"):
        assert page.count(f"{{{word}}}") == 1
    assert "{scripts}" not in page
    written = write_page(dict.fromkeys(SHA256, ("let a = {};", "Copyright")))
    assert read_scripts(written) == [*["let a = {};"] * 3, NUMBERS]


def test_a_package_with_another_script_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "package" / "build"
    folder.mkdir(parents=True)
    (folder / "vega.min.js").write_text("alert()")
    (tmp_path / "package" / "LICENSE").write_text("Copyright")
    path = shutil.make_archive(str(tmp_path / "vega-1"), "gztar", tmp_path, "package")
    with pytest.raises(InputError, match=r"its script has the SHA-256 \w{64}, which is not pinned"):
        read_package(Path(path), "vega")


def look(browser: Any, page_file: Path) -> list[tuple[float, float]]:
    """The width and height of each chart of a page, which asks for nothing and has no errors."""
    plots = page_file.read_text(encoding="utf-8").count("vegaEmbed('#")
    drawn = "document.querySelectorAll('.vega-embed canvas, .vega-embed svg.marks').length"
    page = open_page(browser, page_file, ready=f"{drawn} >= {plots}")
    boxes = [one.bounding_box() for one in page.query_selector_all(".vega-embed canvas")]
    painted = page.evaluate(
        "[...document.querySelectorAll('.vega-embed canvas')].map(c => new Set(new Uint32Array("
        "c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size)"
    )
    assert len(painted) == plots
    assert min(painted) > 10  # colors, of axes, texts and marks
    page.close()
    return [(box["width"], box["height"]) for box in boxes]


def test_plots_show_and_diff_open_without_a_network(project: Path, browser: Any) -> None:
    page = project / "dvc_plots/index.html"
    run("dvc", "plots", "show", cwd=project)
    charts = look(browser, page)
    assert len(charts) == 2 * len(FEW)  # a confusion matrix and a learning curve of each
    assert min(min(size) for size in charts) > 100

    replace(project / "plots/fashion_mnist-svc/predictions.csv", "Trouser,", "Dress,")
    run("dvc", "plots", "diff", "HEAD", cwd=project)
    wider = [b[0] > a[0] for a, b in zip(charts, look(browser, page), strict=True)]
    assert wider.count(True) == len(FEW)  # matrices before and after, side by side


def test_every_template_of_dvc_is_drawn(project: Path, browser: Any) -> None:
    for template in TEMPLATES:
        x, y = ("predicted", "actual") if "confusion" in template else ("epoch", "val_accuracy")
        name = "predictions" if "confusion" in template else "learning_curve"
        path = f"plots/fashion_mnist-mlp/{name}.csv"
        run("dvc", "plots", "show", path, "-t", template, "-x", x, "-y", y, cwd=project)
        assert len(look(browser, project / "dvc_plots/index.html")) == 1, template

    single = "plots/fashion_mnist-svc/learning_curve.csv"  # its value is not rounded at the axis
    (project / single).write_text("epoch,val_accuracy\n0,0.863\n")
    run("dvc", "plots", "show", single, cwd=project)
    page = open_page(browser, project / "dvc_plots/index.html")
    place = page.locator(".vega-embed").get_attribute("id")
    drawn = page.evaluate(f"vegaEmbed('#{place}', spec).then((chart) => chart.view.toSVG())")
    assert ">0.863</text>" in drawn
    page.close()
