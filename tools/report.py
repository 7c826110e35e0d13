"""Writes one page with all that is recorded here: results, pictures, data and where they come from.

.venv/bin/python -m tools.report
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from stages.runtime.command import run

import typer

from tools.pages.page import write_page
from tools.pages.picture import embed_all
from tools.pages.report.datasets import describe_datasets
from tools.pages.report.experiments import describe_experiments
from tools.pages.report.provenance import describe_provenance
from tools.pages.report.recorded import read_recorded
from tools.pages.report.results import show_comparison, tabulate_results
from tools.pages.report.runs import describe_runs
from tools.pages.report.searches import describe_searches
from tools.pages.table import count_bytes
from tools.revisions.changed_pictures import read_pictures
from tools.revisions.experiments import read_experiments
from tools.revisions.revision import read_workspace

PAGE = Path("report.html")


def main() -> None:
    """Writes report.html, which needs no other file and no network.

    What is not recorded here is said there, with the command that makes it.

    Raises:
        InputError: a file that it shows is not valid.
    """
    revision = read_workspace()
    with ThreadPoolExecutor(1) as pool:  # most of the time goes into these two
        embedding = pool.submit(embed_all, read_pictures(revision))
        experiments = read_experiments("accuracy")
    pictures = embedding.result()
    runs = read_recorded(revision)
    size = write_page(
        "report/report.html.j2",
        PAGE,
        results=tabulate_results(runs),
        comparison=show_comparison(pictures),
        runs=describe_runs(revision, runs, pictures),
        experiments=describe_experiments(experiments, runs),
        searches=describe_searches(revision, pictures),
        datasets=describe_datasets(revision, pictures),
        provenance=describe_provenance(revision, runs),
        made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )
    typer.echo(f"{PAGE}: {count_bytes(size)}; open it in a browser")


if __name__ == "__main__":
    run(main, "pipeline", "pictures")
