"""Print the page on what five reports asked of such a tool: `python scripts/wishes.py > docs/wishes.md`.

The table is docs/wishes.csv: a number (the report, and the wish in it), its priority (1 first, 3 later), whether it is
true for a user (`yes`, `partly`, `no`, or `left out` on purpose), the command that shows it, and a word.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).resolve().parent.parent / "docs/wishes.csv"
STATES = ("yes", "partly", "no", "left out")
REPORTS = (
    "Loaders that do not crash",
    "A GPU that waits: the causes",
    "The second stage's speed",
    "The specification of a GPU's training",
    "Recovery of a training that learned nothing",
    "What later events showed to be needed",
)
HEAD = """\
# Wishes

feedrate began with five reports on trainings that were too slow, crashed, or learned nothing. This is each thing that
they asked of a tool (0 to 4), and what later events showed to be needed (5): whether it is true for a user, and the
command that shows it. `python scripts/wishes.py > docs/wishes.md` makes this page of [wishes.csv](wishes.csv); a test
holds that each command is one. Those with `--device cuda` need a GPU.
"""


@dataclass(frozen=True)
class Wish:
    """A row of the table."""

    number: str
    priority: str
    wish: str
    state: str
    command: str
    note: str

    @property
    def report(self) -> int:
        """Where it was asked for."""
        return int(self.number.partition(".")[0])

    @property
    def line(self) -> str:
        """It as a row of the page."""
        command = f"`{self.command}`" if self.command else ""
        return f"| {self.number} | {self.priority} | {self.wish} | {self.state} | {command} | {self.note} |"


def wishes() -> tuple[Wish, ...]:
    """Read the table."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        return tuple(Wish(**row) for row in csv.DictReader(file))


def counted(table: Sequence[Wish]) -> Iterator[str]:
    """Yield the table of states by priority."""
    counts = Counter((wish.priority, wish.state) for wish in table)
    yield f"| priority | {' | '.join(STATES)} |"
    yield f"|---|{'---|' * len(STATES)}"
    for priority in ("1", "2", "3"):
        yield f"| {priority} | {' | '.join(str(counts[priority, state]) for state in STATES)} |"


def page(table: Sequence[Wish]) -> str:
    """Write the page."""
    lines = [HEAD, *counted(table)]
    for number, title in enumerate(REPORTS):
        lines += ["", f"## {number} {title}", "", "| # | P | wish | true | shown by | |", "|---|---|---|---|---|---|"]
        lines += [wish.line for wish in table if wish.report == number]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(wishes()), end="")
