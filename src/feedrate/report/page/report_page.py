"""Put the page together: what the runs say, as texts, tables and pictures, into one file of HTML."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from feedrate.diagnosis.diagnosis import Diagnosis
from feedrate.diagnosis.symptom_wording import advice_against, describe_symptom
from feedrate.errors import UnavailableError
from feedrate.records.validity import remarks_on
from feedrate.report.caption import caption
from feedrate.report.console import harmless, printable
from feedrate.report.glossary import explained
from feedrate.report.notes import notes, shared_notes
from feedrate.report.page.answer import StepAnswer, absent_steps, headline, step_answers
from feedrate.report.page.bundle import drawing_script
from feedrate.report.page.chart import Chart, Colours
from feedrate.report.page.feed_map import feed_map
from feedrate.report.page.gap_chart import gap_chart
from feedrate.report.page.history_chart import history_chart
from feedrate.report.page.line_table import COLUMNS, LineRow, csv_address, line_rows, raw_anchor
from feedrate.report.page.loader_grid import LoaderGrid, loader_grid
from feedrate.report.page.memory_chart import memory_chart
from feedrate.report.page.narrowing_chart import narrowing_chart
from feedrate.report.page.run_file import KeptComparison, RunFile
from feedrate.report.page.start_up_chart import start_up_chart
from feedrate.report.page.waterfall_chart import waterfall_chart
from feedrate.report.step_group import StepGroup, step_groups
from feedrate.report.summary_row import SummaryRow, ranked, rows

__all__ = ["ComparisonPart", "DiagnosisPart", "Gallery", "ReportPage", "WorkloadPart", "page_html"]

_CODE = re.compile(r"`([^`]+)`")
_OPTION = re.compile(r"(?<=\s)--?[\w-]+")
_TERMS = ("lead", "noise", "loader ceiling", "step ceiling", "doubtful", "replicate", "window")


@dataclass(frozen=True)
class WorkloadPart:
    """Hold what the page says of one workload, size and device."""

    key: str
    title: str
    groups: tuple[StepGroup, ...]

    @cached_property
    def answers(self) -> list[StepAnswer]:
        """Answer for each step."""
        return step_answers(self.groups)

    @property
    def absent(self) -> list[tuple[str, str]]:
        """List the steps without a number, and why."""
        return absent_steps(self.groups)

    @property
    def grid(self) -> LoaderGrid:
        """Lay out loaders against steps."""
        return loader_grid(self.groups)

    def remarks(self, shared: Iterable[str]) -> list[tuple[str, str]]:
        """List what must be known before a number is believed, and of which cells; `shared` is said of all."""
        about: dict[str, list[str]] = {}
        for group in self.groups:
            for row in group.rows if group.whole else ():
                for note in notes(row):
                    if note.subject not in shared:
                        about.setdefault(note.text, []).append(f"{row.step} · {row.loader}")
        return [(text, ", ".join(cells)) for text, cells in about.items()]


@dataclass(frozen=True)
class Gallery:
    """Hold pictures of one kind, one of each workload, that are read alike."""

    title: str
    charts: tuple[Chart, ...]
    in_colours: bool = False
    """Loaders have colours and steps have marks in them."""

    @classmethod
    def of(cls, title: str, charts: Iterable[Chart | None], *, in_colours: bool = False) -> Gallery:
        """Take the pictures that there are."""
        return cls(title, tuple(chart for chart in charts if chart is not None), in_colours)

    @property
    def reading(self) -> str:
        """Say how to read them; empty where there are none."""
        return self.charts[0].reading if self.charts else ""


@dataclass(frozen=True)
class DiagnosisPart:
    """Hold what the page says of a cell that was taken apart."""

    diagnosis: Diagnosis
    chart: Chart

    @property
    def symptoms(self) -> list[str]:
        """Say what ails it beside that."""
        return [f"{describe_symptom(symptom)}: {advice_against(symptom)}" for symptom in self.diagnosis.symptoms]

    @property
    def remarks(self) -> list[str]:
        """Say what makes its numbers doubtful."""
        return list(remarks_on(self.diagnosis.measured))


@dataclass(frozen=True)
class ComparisonPart:
    """Hold what the page says of a comparison."""

    comparison: KeptComparison
    chart: Chart | None


class ReportPage:
    """Lays out what runs say; the newest that raced loaders is the one that is answered from."""

    def __init__(self, runs: Sequence[RunFile]) -> None:
        self.runs = sorted(runs, key=lambda run: run.started)
        races = [run for run in self.runs if run.raced]
        self.main = races[-1] if races else None
        self.summaries = sorted(rows(self.main.raced) if self.main else (), key=lambda row: row.group)
        others = [row for run in self.runs for row in rows(run.measured) if row.whole]
        self.colours = Colours(
            (*self.loaders, *(row.loader for row in others)), (*self.steps, *(row.step for row in others))
        )

    @cached_property
    def loaders(self) -> list[str]:
        """List the loaders of the main run that have a number."""
        return sorted({row.loader for row in self.summaries if row.whole})

    @cached_property
    def steps(self) -> list[str]:
        """List the steps of the main run that have a number, in their order."""
        return list(dict.fromkeys(row.step for row in self.summaries if row.whole))

    @cached_property
    def workloads(self) -> list[WorkloadPart]:
        """Give the parts on workloads, of the main run."""
        return [
            WorkloadPart(str(place), ", ".join(group), _groups(members))
            for place, (group, members) in enumerate(groupby(self.summaries, key=lambda row: row.group))
        ]

    @cached_property
    def diagnoses(self) -> list[DiagnosisPart]:
        """Give the parts on cells that were taken apart, the newest first."""
        everything = [diagnosis for run in reversed(self.runs) for diagnosis in run.diagnoses]
        return [DiagnosisPart(each, waterfall_chart(str(place), each)) for place, each in enumerate(everything)]

    @cached_property
    def comparisons(self) -> list[ComparisonPart]:
        """Give the parts on comparisons, the newest first."""
        everything = [comparison for run in reversed(self.runs) for comparison in run.comparisons]
        return [ComparisonPart(each, narrowing_chart(str(place), each)) for place, each in enumerate(everything)]

    @cached_property
    def maps(self) -> Gallery:
        """Draw the feed maps."""
        charts = (feed_map(part.key, part.title, part.groups, self.colours) for part in self.workloads)
        return Gallery.of("Feed maps: which side to push", charts, in_colours=True)

    @cached_property
    def pictures(self) -> list[Gallery]:
        """Draw memory, gaps and start-up."""
        parts = [(part.key, part.title, part.groups) for part in self.workloads]
        memory = (memory_chart(*part, self.colours) for part in parts)
        galleries = (
            Gallery.of("Memory beside throughput", memory, in_colours=True),
            Gallery.of("Gaps between batches", (gap_chart(*part) for part in parts)),
            Gallery.of("Start-up", (start_up_chart(*part) for part in parts)),
        )
        return [gallery for gallery in galleries if gallery.charts]

    @cached_property
    def history(self) -> Gallery:
        """Draw how cells changed from run to run, workload by workload."""
        races = [run for run in self.runs if run.raced]
        names = sorted({row.group[0] for run in races for row in rows(run.raced)})
        drawn = (history_chart(str(place), name, races, self.colours) for place, name in enumerate(names))
        return Gallery.of("History: from run to run", drawn, in_colours=True)

    @property
    def charts(self) -> Iterator[Chart]:
        """Yield all pictures."""
        yield from (chart for gallery in (self.maps, *self.pictures) for chart in gallery.charts)
        yield from (part.chart for part in self.diagnoses)
        yield from (part.chart for part in self.comparisons if part.chart)
        yield from self.history.charts

    @property
    def headline(self) -> str:
        """Sum it all up in a sentence."""
        return headline([answer for part in self.workloads for answer in part.answers])

    @cached_property
    def shared(self) -> dict[str, str]:
        """Give what most rows must have said of them: subject -> a line for the run."""
        return shared_notes(self.summaries)

    @cached_property
    def lines(self) -> list[LineRow]:
        """List every replicate and its line."""
        return line_rows(self.runs)

    @property
    def csv(self) -> str:
        """Give the address that saves them as CSV."""
        return csv_address(self.lines)

    @property
    def raw(self) -> Iterator[tuple[str, str, str]]:
        """Yield each raw line: its identifier, its heading, and its text as it stands in the file."""
        for place, run in enumerate(self.runs):
            for placed in run.lines:
                heading = f"{run.path.name}, line {placed.line}: {placed.record.cell}"
                yield raw_anchor(place, placed.line), heading, printable(placed.text)

    @property
    def captions(self) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """Yield each file's name, and by name on which machine and with which software it was measured."""
        for run in reversed(self.runs):
            lines = [line.partition(" ") for line in caption(run.measured)]
            yield run.path.name, [(name, text.strip()) for name, _, text in lines]

    @property
    def complaints(self) -> list[str]:
        """List what could not be read."""
        return [line for run in self.runs for line in run.complaints]


def _groups(members: Iterable[SummaryRow]) -> tuple[StepGroup, ...]:
    return step_groups(ranked(list(members)))


def page_html(runs: Sequence[RunFile]) -> str:
    """Make the page of one run or several: one file that asks no network for anything.

    Raises:
        UnavailableError: what it is made with is not installed; the text says how to install it.
    """
    script = drawing_script()
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ModuleNotFoundError:
        raise UnavailableError(
            'report: jinja2 is not installed; `pip install "feedrate[report]"` provides it'
        ) from None
    environment = Environment(
        loader=PackageLoader("feedrate.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Whatever is put into the page is a foreign text: first made harmless, then escaped by the template.
    environment.filters |= {"harmless": harmless, "coded": _coded, "verbatim": _verbatim}
    template = environment.get_template("report.html")
    terms = list(explained((*COLUMNS, *_TERMS)))
    return template.render(page=ReportPage(runs), script=script, terms=terms, columns=list(COLUMNS))


def _coded(text: str) -> object:
    """Escape a text, and set what stands in backticks as code."""
    from markupsafe import Markup

    return Markup(_CODE.sub(_as_code, html.escape(harmless(text))))


def _as_code(command: re.Match[str]) -> str:
    """Mark a command that is escaped already; an option such as `--size` goes on in no second line."""
    return f"<code>{_OPTION.sub(lambda option: f'<span>{option[0]}</span>', command[1])}</code>"


def _verbatim(text: str) -> object:
    """Escape a text that stands between tags: JSON is full of quotes, which are no danger there."""
    from markupsafe import Markup

    return Markup(html.escape(text, quote=False))
