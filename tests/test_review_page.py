"""A review as one page: the images and pictures that changed, and how it behaves in a browser."""

import base64
import csv
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsers import HOSTILE, open_page
from conftest import edit, make_once, run
from PIL import Image

from stages.datasets.arrays import hash_split
from tools.pages.picture import SIDE, embed_pixels
from tools.pages.review.images import MOST, choose
from tools.pages.review.pictures import pair_pictures
from tools.revisions.changed_pictures import ChangedPicture
from tools.revisions.kept import find_test_images
from tools.revisions.recorded import read_audit
from tools.revisions.revision import Revision, open_revision

TREE, FOREST = "fashion_mnist-tree", "fashion_mnist-forest"
IMAGES = "data/raw/fashion_mnist/test/images.npy"
SHOWN = re.compile(
    r"<li>\s*(?:<img src=\"(?P<uri>[^\"]+)\"[^>]*>)?\s*<b>(?P<label>.*?)</b> "
    r"<span class=\"soft\">image (?P<place>\d+)</span>\s*"
    r"<span class=\"\w+\">before: (?P<before>.*?)(?: \d+%)?</span>\s*"
    r"<span class=\"\w+\">after: (?P<after>.*?)(?: \d+%)?</span>\s*</li>"
)


@pytest.fixture(scope="session")
def reviewed(revisions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the review of the tag after, compared with before; not to be written to."""
    return make_once(tmp_path_factory, "reviewed", lambda folder: review(revisions, folder))


def review(project: Path, folder: Path, *revisions: str) -> None:
    """Reviews `after` against `before`, or other revisions."""
    names = revisions or ("before", "after")
    command = ["python", "-m", "tools.review", *names, "--html", "--out", str(folder)]
    assert f"{folder}/report.html" in run(*command, cwd=project, status=3).stderr


def find_groups(text: str, run_name: str) -> dict[str, list[dict[str, str]]]:
    """The images that a page shows of a run, lost and gained."""
    of_run = text.partition(f'id="images-{run_name}"')[2].partition("</details>")[0]
    parts = re.split(r"<h4>(\w+)</h4>", of_run)[1:]
    return {
        title: [one.groupdict() for one in SHOWN.finditer(body)]
        for title, body in zip(parts[::2], parts[1::2], strict=True)
    }


def read_predictions(project: Path, tag: str, run_name: str) -> list[tuple[str, str]]:
    """The class and the prediction of each test image in a commit."""
    text = run("git", "show", f"{tag}:plots/{run_name}/predictions.csv", cwd=project).stdout
    return [(row["actual"], row["predicted"]) for row in csv.DictReader(io.StringIO(text))]


class Text(HTMLParser):
    """Collects the text of each cell, paragraph and heading of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts = [""]
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in ("td", "th", "p", "li", "h1", "h2", "h3", "h4", "summary"):
            self.texts.append("")

    def handle_data(self, data: str) -> None:
        self.texts[-1] += data


def test_the_page_says_what_the_report_says(reviewed: Path) -> None:
    text = (reviewed / "report.html").read_text()
    assert text.partition("<h1")[2].partition("</h1>")[0].endswith(">Worse")
    said = [" ".join(one.split()) for one in Text(text).texts]
    markdown = (reviewed / "report.md").read_text().partition("### Pictures")[0]
    cells = [
        cell.strip().strip("`")
        for line in markdown.splitlines()
        if line.startswith("| ")
        for cell in line.strip("|").split(" | ")
    ]
    assert len(cells) > 100
    assert {cell for cell in cells if cell} <= set(said)
    for line in re.findall(r"^(?:\*\*|- )?(\w.*?)(?:\*\*)?$", markdown, re.M)[1:]:
        assert line.replace("`", "") in said, line


@pytest.mark.parametrize("name", [TREE, FOREST])
def test_the_images_are_those_that_one_model_alone_has_right(
    revisions: Path, reviewed: Path, name: str
) -> None:
    text = (reviewed / "report.html").read_text()
    groups = find_groups(text, name)
    before, after = (read_predictions(revisions, tag, name) for tag in ("before", "after"))
    probabilities = np.load(revisions / f"data/probabilities/{name}.npy")  # of `after`, the same
    pixels = np.load(revisions / IMAGES)
    rights = [[label == said for label, said in one] for one in (before, after)]
    for title, right in (("Lost", [True, False]), ("Gained", [False, True])):
        wanted = [place for place, one in enumerate(zip(*rights, strict=True)) if [*one] == right]
        shown = groups[title]
        assert f"<p>{len(wanted)} test images, " in text
        assert len(shown) == min(MOST, len(wanted)) > 0
        places = [int(one["place"]) for one in shown]
        confidence = probabilities.max(axis=1)
        least = min(confidence[places])
        left = set(wanted) - set(places)
        assert set(places) <= set(wanted)
        assert all(confidence[place] <= least for place in left)
        for place, one in zip(places, shown, strict=True):
            said = (one["label"], one["before"], one["after"])
            assert said == (*before[place], after[place][1])
            picture = base64.b64decode(one["uri"].partition("base64,")[2])
            image = np.asarray(Image.open(io.BytesIO(picture)).convert("L"))
            np.testing.assert_array_equal(image, pixels[place, :, :, 0])


def test_the_same_revisions_give_the_same_page_that_loads_nothing(
    revisions: Path, reviewed: Path, tmp_path: Path
) -> None:
    review(revisions, tmp_path / "again")
    content = (reviewed / "report.html").read_bytes()
    assert (tmp_path / "again" / "report.html").read_bytes() == content
    assert len(content) < 5_000_000
    links = set(re.findall(r'(?:src|href)="([^"]*)"', content.decode()))
    assert all(link.startswith(("#", "data:")) for link in links)
    ids = set(re.findall(r' id="([^"]+)"', content.decode()))
    assert {link[1:] for link in links if link.startswith("#")} <= ids


def test_images_are_found_by_their_hash(
    revisions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = shutil.copytree(revisions, tmp_path / "project")
    monkeypatch.chdir(project)
    with open_revision("after") as after:
        # CIFAR-10 here has the images of another revision; the cache has both.
        images = find_test_images(after, "cifar10")
        assert images is not None
        assert len(images) == 150 != len(np.load("data/raw/cifar10/test/images.npy"))
        wanted = read_audit(after, "cifar10")["test"]["sha256"]
        found = run("git", "show", "after:data/toy/cifar10/test_labels.txt", cwd=project).stdout
        labels = np.array(found.split(), dtype=np.uint8)
        assert hash_split(images, labels) == wanted
        shutil.rmtree(".dvc/cache")
        assert find_test_images(after, "cifar10") is None
        images = find_test_images(after, "fashion_mnist")
        assert images is not None
        content = bytearray(Path(IMAGES).read_bytes())
        content[-1] ^= 1
        Path(IMAGES).unlink()
        Path(IMAGES).write_bytes(content)
        assert find_test_images(after, "fashion_mnist") is None


@pytest.fixture(scope="session")
def without_images(revisions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A review where no image is left, and a class has a name that looks like HTML."""

    def make(folder: Path) -> None:
        project = shutil.copytree(revisions, folder / "project")
        run("git", "checkout", "-q", "after", cwd=project)
        for name in ("data/raw", ".dvc/cache", "data/probabilities"):
            shutil.rmtree(project / name)
        data = edit(project)["data"]
        data["fashion_mnist"]["classes"][7] = HOSTILE
        edit(project, data=data)
        for path in project.glob("plots/fashion_mnist-*/predictions.csv"):
            rows = [
                [HOSTILE if cell == "Sneaker" else cell for cell in row]
                for row in csv.reader(io.StringIO(path.read_text()))
            ]
            with path.open("w", newline="") as file:
                csv.writer(file).writerows(rows)
        review(project, folder / "review", "before")

    return make_once(tmp_path_factory, "without_images", make) / "review"


def test_images_that_are_not_here_are_listed_with_the_command(
    revisions: Path, without_images: Path
) -> None:
    text = (without_images / "report.html").read_text()
    assert text.count("<code>make pull PATHS=data/raw/fashion_mnist</code>") == 2
    groups = find_groups(text, TREE)
    assert len(groups["Lost"]) == MOST
    assert all(one["uri"] is None for group in groups.values() for one in group)
    assert "shown are 24 of them, evenly spaced" in text


def draw(color: int, side: int = 40) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(color).integers(0, 255, (side, side, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()


def test_pictures_that_do_not_fit_are_listed() -> None:
    before, after = (Revision(name, "", None, {}, {}) for name in ("old", "new"))
    changed = [
        ChangedPicture("plots/a/pictures/filters.png", draw(1), draw(2)),
        ChangedPicture("plots/a/pictures/confusion.png", draw(3), draw(4)),
        ChangedPicture("plots/accuracy.png", draw(5), draw(6)),
        ChangedPicture("plots/b/pictures/confusion.png", None, draw(7)),
        ChangedPicture("plots/tradeoff.png", draw(8), None),
    ]
    pairs, left_out = pair_pictures(changed, before, after, 1_000_000)
    assert left_out == []
    assert [(pair.of, pair.title) for pair in pairs] == [
        ("a", "confusion"),
        ("a", "filters"),
        ("all runs", "accuracy"),
        ("all runs", "tradeoff"),
        ("b", "confusion"),
    ]
    assert [pair.before is None for pair in pairs] == [False, False, False, False, True]
    assert [pair.after is None for pair in pairs] == [False, False, False, True, False]
    room = sum(len(one.uri) for pair in pairs[2:4] for one in (pair.before, pair.after) if one)
    pairs, left_out = pair_pictures(changed, before, after, room)
    assert [pair.path for pair in pairs] == ["plots/accuracy.png", "plots/tradeoff.png"]
    assert left_out == [changed[0].path, changed[1].path, changed[3].path]
    broken = [changed[2]._replace(before=b"link"), changed[3]._replace(after=b""), changed[4]]
    pairs, left_out = pair_pictures(broken, before, after, 1_000_000)
    assert [pair.path for pair in pairs] == ["plots/tradeoff.png"]
    assert left_out == ["plots/accuracy.png", "plots/b/pictures/confusion.png"]


def test_which_images_are_shown() -> None:
    places = np.array([2, 3, 5, 7])
    confidence = np.array([0, 0, 0.5, 0.9, 0, 0.5, 0, 0.1], dtype=np.float32)
    assert choose(places, confidence, 3)[0].tolist() == [3, 2, 5]
    assert choose(places, None, 2)[0].tolist() == [2, 5]
    assert choose(places, None, 4)[1] == ""


def test_a_large_image_is_shrunk() -> None:
    picture = embed_pixels(np.zeros((3 * SIDE, 2 * SIDE, 3), dtype=np.uint8))
    assert (picture.width, picture.height) == (2 * SIDE // 3, SIDE)


def test_the_page_from_the_keyboard_and_on_a_phone(browser: Any, reviewed: Path) -> None:
    page = open_page(browser, reviewed / "report.html", width=360)
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    widths = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert widths == [360, 360]
    assert page.evaluate("[...document.images].every((one) => one.naturalWidth > 0)")
    for picture in page.locator("img").all():
        assert len(picture.get_attribute("alt")) > 10
    assert page.locator(".images img").first.evaluate("one => one.clientWidth") > 80

    pair = page.locator(f".pair:has(code:text-is('plots/{TREE}/pictures/confusion.png'))")
    slider = pair.get_by_role("slider", name=f"confusion of {TREE}")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "53% before, 47% after"
    cut = "one => getComputedStyle(one).clipPath"
    sides = pair.locator(".sides > div")
    assert sides.count() == 2
    assert sides.last.evaluate(cut) == "inset(0px 0px 0px 53%)"
    boxes = [side.bounding_box() for side in sides.all()]
    assert boxes[0] == boxes[1]
    page.keyboard.press("Home")
    assert sides.first.evaluate(cut) == "inset(0px 100% 0px 0px)"

    page.emulate_media(media="print")  # and without a script: side by side
    boxes = [side.bounding_box() for side in sides.all()]
    assert boxes[0]["x"] + boxes[0]["width"] < boxes[1]["x"]
    assert sides.last.evaluate(cut) == "none"
    assert not slider.is_visible()
    page.close()


def test_without_a_script_pictures_are_side_by_side(browser: Any, reviewed: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((reviewed / "report.html").as_uri())
    page.locator("summary", has_text="all runs").click()
    sides = page.locator(".sides > div")
    boxes = [side.bounding_box() for side in sides.all()[:2]]
    assert boxes[0]["x"] + boxes[0]["width"] < boxes[1]["x"]
    assert not page.get_by_role("slider").first.is_visible()
    context.close()


def test_a_class_that_looks_like_html_stays_text(browser: Any, without_images: Path) -> None:
    page = open_page(browser, without_images / "report.html")
    assert page.locator(".images b", has_text=HOSTILE).count() > 0
    assert page.locator("#classes ~ .scroll td", has_text=HOSTILE).count() == 1
    assert page.locator("img[src='x'], .images b b").count() == 0
    assert json.dumps(HOSTILE) not in page.content()
    page.close()
