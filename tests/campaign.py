"""`make campaign`: tests that try many faults of a seed, and the table of what held.

A test that has the fixture `campaign` tries a few faults in each run of the suite, and its share of
many more in a campaign. docs/reliability.md shows the last campaign.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
PLACE = re.compile(r"(<!-- campaign -->\n).*?(<!-- end -->)", re.S)
TOTALS = {"kills": 200, "damaged inputs": 2000}


@dataclass(frozen=True)
class Campaign:
    """How many faults a test tries, and where it counts what held."""

    seed: str | None
    item: pytest.Item

    def share(self, kind: str, among: int) -> int:
        """How many of a campaign's faults one of `among` tests tries; 0 if this is none."""
        return -(-TOTALS[kind] // among) if self.seed else 0

    def count(self, kind: str, what: str, outcomes: list[str], *right: str) -> None:
        """Adds a row to the table: how many outcomes there were, and how many of each right one."""
        counts = {one: outcomes.count(one) for one in right}
        self.item.user_properties.append(("campaign", [kind, what, len(outcomes), counts]))


@pytest.fixture
def campaign(request: pytest.FixtureRequest) -> Campaign:
    """What `make campaign SEED=...` asks for."""
    return Campaign(request.config.getoption("--campaign"), request.node)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--campaign", metavar="SEED", help="try many faults, drawn with this seed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out all other tests in a campaign."""
    if config.getoption("--campaign"):
        items[:] = [item for item in items if "campaign" in getattr(item, "fixturenames", ())]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Shows what held in a campaign, and writes it into docs/reliability.md if all of it ran."""
    seed = config.getoption("--campaign")
    if not seed:
        return
    reports = [one for end in ("passed", "failed") for one in terminalreporter.getreports(end)]
    rows = [row for one in reports for key, row in one.user_properties if key == "campaign"]
    table = format_table(rows)
    terminalreporter.write_line(table)
    if all(sum(row[2] for row in rows if row[0] == kind) >= TOTALS[kind] for kind in TOTALS):
        text = f"The last one had the seed {seed}:\n\n{table}\n"
        page, count = PLACE.subn(lambda found: f"{found[1]}{text}{found[2]}", PAGE.read_text())
        assert count == 1
        PAGE.write_text(page)
        terminalreporter.write_line(f"written to {PAGE}")


def format_table(rows: list[list[Any]]) -> str:
    """A Markdown table: one line per row, and the sum of each kind."""
    lines = ["| what | tried | held | how |", "| --- | --- | --- | --- |"]
    for kind in sorted({row[0] for row in rows}):
        of_kind = sorted(row[1:] for row in rows if row[0] == kind)
        total = sum(tried for _, tried, _ in of_kind)
        held = sum(sum(counts.values()) for _, _, counts in of_kind)
        lines.append(f"| **{kind}** | **{total:,}** | **{held:,}** | |")
        for what, tried, counts in of_kind:
            how = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
            lines.append(f"| {what} | {tried} | {sum(counts.values())} | {how} |")
    return "\n".join(lines)
