"""make report: what the page says, and how it behaves in a browser that has no network."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from browsers import HOSTILE, open_page
from conftest import BIN, ROOT, make_once, read_lock, replace, run

from stages.runtime.errors import InputError
from tools import report
from tools.pages.charts import Tried, draw_parallel, draw_scatter
from tools.pages.scale import choose_ticks, scale_values

RUN = "fashion_mnist-svc"
LEFT_OUT = ("tests/", "benchmarks/", ".github/", "data/sample/")
WRITTEN = re.compile(r"Written on [^.]*\.")


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that git has here, as they are, in one commit; no data.

    It has two experiments, whose metrics nobody measured, and a page; not to be written to.
    """

    def make(folder: Path) -> None:
        listed = run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).stdout.splitlines()
        for name in listed:
            if not name.startswith(LEFT_OUT) and (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, folder / name)
        run("git", "init", "-q", "-b", "main", cwd=folder)
        commit(folder, "start")
        add_experiment(folder, "slow", 10.0, accuracy=0.881, milliseconds=0.7)
        add_experiment(folder, "unmeasured", 30.0, accuracy=0.871, milliseconds=None)
        command = [str(BIN / "python"), "-m", "tools.report"]
        said = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=True
        ).stdout
        assert re.fullmatch(r"report\.html: \d+(\.\d+)? MB; open it in a browser\n", said)

    return make_once(tmp_path_factory, "repository", make)


def commit(folder: Path, message: str) -> str:
    """Commits all, and returns the hash."""
    run("git", "add", "-A", cwd=folder)
    run("git", "commit", "-qm", message, cwd=folder)
    return run("git", "rev-parse", "HEAD", cwd=folder).stdout.strip()


def add_experiment(
    folder: Path, name: str, value: float, accuracy: float, milliseconds: float | None
) -> None:
    """An experiment as DVC keeps it: a commit that a ref names, below the commit it is of."""
    base = run("git", "rev-parse", "HEAD", cwd=folder).stdout.strip()
    replace(folder / "params.yaml", "      C: 1.0\n", f"      C: {value}\n")
    edit_json(folder / f"metrics/{RUN}.json", "validation", accuracy=accuracy)
    if milliseconds is not None:
        edit_json(folder / f"metrics/profile/{RUN}.json", latency_median_ms=milliseconds)
    revision = commit(folder, name)
    run("git", "update-ref", f"refs/exps/{base[:2]}/{base[2:]}/{name}", revision, cwd=folder)
    run("git", "reset", "-q", "--hard", base, cwd=folder)


def edit_json(path: Path, *keys: str, **values: Any) -> None:
    content = json.loads(path.read_text())
    place = content
    for key in keys:
        place = place[key]
    place.update(values)
    path.write_text(json.dumps(content))


@pytest.fixture
def small(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a copy with the pictures of one run, to change."""
    left_out = [f"{name}/pictures" for name in runs_of(repository) if name != RUN]

    def ignore(folder: str, names: list[str]) -> list[str]:
        place = Path(folder).relative_to(repository)
        return [
            name
            for name in names
            if name in ("stages", "tools", "report.html")
            or any((place / name).match(f"plots/{one}") for one in left_out)
        ]

    folder = shutil.copytree(repository, tmp_path / "small", ignore=ignore)
    monkeypatch.chdir(folder)
    return folder


def runs_of(folder: Path) -> list[str]:
    return list(yaml.safe_load((folder / "params.yaml").read_text())["models"])


def test_the_page_has_what_is_recorded_in_a_clone_without_data(repository: Path) -> None:
    text, locked = (repository / "report.html").read_text(), read_lock(repository)
    assert len(text) < 5_000_000
    for name in runs_of(repository):
        assert f'id="run-{name}"' in text
        scores = json.loads((repository / f"metrics/{name}.json").read_text())
        for split in ("validation", "test"):
            assert f">{scores[split]['accuracy']:.4f} <span" in text
        assert f">{locked[f'train@{name}']['outs'][0]['md5']}<" in text
    pictures = [*repository.glob("plots/*/pictures/*.png"), *repository.glob("plots/*.png")]
    assert text.count("<img ") > len(pictures) > 50
    head = run("git", "rev-parse", "HEAD", cwd=repository).stdout.strip()
    assert head in text
    assert "nothing: all files are as committed" in text
    assert "Not known here: git does not have it" in text
    assert "make noise RUN=fashion_mnist-cnn<" in text
    assert "222 of 10,000 training labels and 38 of 2,000 test labels" in text
    assert ">train 8504<" in text  # the label that the models find least probable
    assert "Of other data than now" not in text
    assert "Mean validation accuracy 0.8706, standard deviation 0.0075 over 5 seeds" in text


def test_the_page_loads_nothing(repository: Path) -> None:
    text = (repository / "report.html").read_text()
    assert set(re.findall(r'(?:src|href)="([^"]{1,5})', text)) <= {"data:", *hashes(text)}
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|@import|url\(", text)


def hashes(text: str) -> set[str]:
    """The starts of all links within the page; each has a target."""
    links = set(re.findall(r'href="#([^"]+)"', text))
    assert links <= set(re.findall(r' id="([^"]+)"', text))
    return {f"#{link}"[:5] for link in links}


def test_what_is_not_as_recorded_is_said_and_what_ran_here_has_its_seconds(small: Path) -> None:
    replace(small / "params.yaml", "      C: 1.0\n", "      C: 2.0\n")
    replace(small / "metrics/label_issues/cifar10.csv", '.dir"', '0.dir"')
    (small / "logs").mkdir()
    (small / "logs/seconds.json").write_text(json.dumps({f"train@{RUN}": 12.5}))
    (small / f"logs/train@{RUN}.log").write_text("fitted\n")
    report.main()
    text = (small / "report.html").read_text()
    assert f"params.yaml has changed since this was recorded: models.{RUN}.params.C." in text
    assert text.count("has changed since") == 1
    assert text.count("Of other data than now: run `make label-issues DATASET=cifar10`.") == 1
    assert "params.yaml" in text.partition("files are not as committed: ")[2][:200]
    assert re.search(r"1 of \d+ stages have run in this folder", text)
    assert re.search(rf"train@{RUN}</th>\n *<td data-value=\"12.5\">12.5</td>", text)


def test_the_same_files_give_the_same_page(small: Path) -> None:
    pages = []
    for _ in range(2):
        report.main()
        pages.append(WRITTEN.sub("", (small / "report.html").read_text()))
    assert pages[0] == pages[1]
    assert len(WRITTEN.findall((small / "report.html").read_text())) == 1


def test_what_has_not_run_is_said_with_its_command(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(fresh / "data/audit")
    table = "metrics/label_issues/cifar10.csv"
    (fresh / table).parent.mkdir(parents=True)
    shutil.copyfile(ROOT / table, fresh / table)
    monkeypatch.chdir(fresh)
    report.main()
    text = (fresh / "report.html").read_text()
    for line in (
        "No run has been evaluated.",
        "Not evaluated yet:",
        "Not drawn yet:",
        "Not audited yet:",
        ">labels that may be wrong: the least probable 10<",
        "There are no experiments on main.",
        "No run has been searched",
        "dvc.lock has no hash of any model:",
        "dvc.lock is not committed",
        "make sweep RUN=fashion_mnist-mlp SET=&#39;NAME=VALUE,VALUE&#39;",
    ):
        assert line in text, line


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (f"metrics/{RUN}.json", '"accuracy": ', '"accuracy": "high", "other": '),
        ("data/audit/cifar10.json", '"classes"', '"names"'),
        ("data/audit/cifar10.csv", "distance\n", "far\n"),
        (f"metrics/tune/{RUN}.csv", "\n1,complete,0", "\n1,complete,x"),
        ("docs/noise/fashion_mnist-mlp.json", '"seeds"', '"years"'),
        (f"metrics/profile/{RUN}.json", '"latency_median_ms": ', '"latency_median_ms": NaN, "x": '),
        ("dvc.lock", "      size: ", "      size: about "),
        ("params.yaml", "    dataset: fashion_mnist\n", ""),
    ],
)
def test_a_damaged_file_is_one_line_and_leaves_the_page(
    small: Path, name: str, old: str, new: str
) -> None:
    (small / "report.html").write_text("the last one")
    replace(small / name, old, new)
    with pytest.raises(InputError, match=name):
        report.main()
    assert (small / "report.html").read_text() == "the last one"


@pytest.mark.parametrize("kept", [1000, 0])
def test_a_damaged_picture_is_one_line(small: Path, kept: int) -> None:
    path = small / f"plots/{RUN}/pictures/confusion.png"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"confusion.png: not a valid PNG file [^<]*make repro"):
        report.main()


def test_without_a_commit_it_says_so(small: Path) -> None:
    run("git", "update-ref", "-d", "HEAD", cwd=small)
    with pytest.raises(InputError, match="there is no commit in this git repository"):
        report.main()


def test_numbers_have_a_scale_and_other_values_an_order() -> None:
    assert scale_values(["1", "3", "2"]).places == [0, 1, 0.5]
    assert scale_values(["0.1", "100", "3.1622776601683795"]).places == pytest.approx([0, 1, 0.5])
    mixed = scale_values(["null", "8", "16"])
    assert [tick.text for tick in mixed.ticks] == ["8", "16", "null"]
    assert mixed.places == [1, 0, 0.5]
    assert scale_values(["5", "5"]).places == [0.5, 0.5]
    for text in ("inf", "1e400", "nan"):
        assert scale_values([text, "2", "1"]).places == [1, 0.5, 0]
    assert choose_ticks(0.71, 0.92) == pytest.approx([0.75, 0.8, 0.85, 0.9])


def test_charts_have_the_parameters_that_differ_and_the_measured_times() -> None:
    tried = [
        Tried(str(index), str(index), {"C": str(index), "kernel": "rbf"}, 0.8, (0.7, 0.9), time)
        for index, time in enumerate((0.1, None, 10.0))
    ]
    parallel, scatter = draw_parallel("", tried), draw_scatter("", tried)
    assert parallel is not None
    assert scatter is not None
    assert [axis.name for axis in parallel.axes] == ["C", "validation accuracy"]
    assert {item.key for item in scatter.items} == {"0", "2"}
    assert [tick.text for tick in scatter.across] == ["0.1", "1", "10"]
    assert draw_parallel("", tried[:1]) is None
    assert draw_scatter("", tried[1:2]) is None


def test_a_phone_shows_all_of_it_without_scrolling_sideways(browser: Any, repository: Path) -> None:
    page = open_page(browser, repository / "report.html", width=360)
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    widths = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert widths == [360, 360]
    for picture in page.locator("img").all():
        assert len(picture.get_attribute("alt")) > 20
    assert page.evaluate("[...document.images].every((one) => one.naturalWidth > 0)")
    for chart in page.locator("svg").all():
        assert "accuracy" in chart.get_attribute("aria-label")
    page.close()


def test_the_results_fit_a_laptop_and_keep_their_names_on_a_phone(
    browser: Any, repository: Path
) -> None:
    page = open_page(browser, repository / "report.html", width=1280)
    boxes = page.locator(".scroll").evaluate_all(
        "all => all.filter(one => one.clientWidth).map(one => one.scrollWidth - one.clientWidth)"
    )
    assert len(boxes) > 5
    assert max(boxes) == 0
    results = page.locator(".scroll").first
    assert results.locator("caption", has_text="fashion_mnist").is_visible()
    page.set_viewport_size({"width": 360, "height": 700})
    results.evaluate("one => one.scrollLeft = 300")
    assert results.evaluate("one => one.scrollLeft") == 300
    left = results.bounding_box()["x"]
    for title in (results.locator("tbody th").first, results.locator("thead th").first):
        assert title.bounding_box()["x"] == left
    page.close()


def find_marked(page: Any, experiment: str) -> Any:
    """All that shows an experiment: its row, and what is in the charts."""
    row = page.locator("tr[data-key]", has_text=experiment)
    return page.locator(f"[data-key='{row.get_attribute('data-key')}']")


def test_tables_sort_and_experiments_are_marked_from_the_keyboard(
    browser: Any, repository: Path
) -> None:
    page = open_page(browser, repository / "report.html")
    table = page.locator("table").first
    title = table.get_by_role("columnheader", name="test accuracy")
    assert title.get_attribute("aria-sort") == "none"
    orders = {}
    for order in ("ascending", "descending"):
        title.get_by_role("button").press("Enter")
        assert title.get_attribute("aria-sort") == order
        orders[order] = table.locator("tbody td:nth-child(3)").all_inner_texts()
    assert orders["ascending"] == sorted(orders["ascending"])
    assert orders["descending"] == orders["ascending"][::-1]
    table.get_by_role("columnheader", name="log loss").get_by_role("button").press("Enter")
    assert table.locator("tbody th").all_inner_texts()[-1] == "svc"  # it has none

    button = page.get_by_role("button", name="slow", exact=True)
    item = find_marked(page, "slow")
    button.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    assert [
        one.split()[-1]
        for one in item.evaluate_all("all => all.map(x => x.className.baseVal ?? x.className)")
    ] == ["on"] * 3
    assert "validation accuracy 0.8810, 0.7 ms per image, C=10.0" in item.first.text_content()
    # Not in the chart of times: it has the profile of the commit.
    assert find_marked(page, "unmeasured").count() == 2
    page.locator("summary").first.click()
    page.get_by_role("link", name="cifar10-cnn").first.click()
    assert page.locator("#run-cifar10-cnn").is_visible()
    page.close()


def test_what_looks_like_html_stays_text(browser: Any, small: Path) -> None:
    audit = small / "data/audit/fashion_mnist.json"
    audit.write_text(audit.read_text().replace('"Shirt"', json.dumps(HOSTILE)))
    replace(small / "params.yaml", "      kernel: rbf\n", f"      kernel: {json.dumps(HOSTILE)}\n")
    caption = small / f"plots/{RUN}/pictures/README.md"
    caption.write_text(
        re.sub(r"\nConfusion matrix.*", lambda _: f"\n{HOSTILE}", caption.read_text())
    )
    report.main()
    page = open_page(browser, small / "report.html")
    assert page.get_by_role("rowheader", name=HOSTILE, exact=True).count() == 1
    assert page.locator("td", has_text=HOSTILE).count() == 1
    assert page.locator(f"#run-{RUN} figcaption", has_text=HOSTILE).count() == 1
    assert page.locator("img[src='x'], figcaption b b, th b").count() == 0
    page.close()
