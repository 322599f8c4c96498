"""The page of a run: its size, its sentences, its numbers and their lines, and names that would be more than text."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from feedrate import DataError, Session, UsageError
from feedrate.cli import main
from feedrate.diagnosis.diagnosis import Diagnosis, placed_records
from feedrate.plugin.cell import Cell
from feedrate.plugin.registry import Registry
from feedrate.records.jsonl import Placed
from feedrate.records.ladder import Ladder, Rung
from feedrate.records.measurement import Measurement
from feedrate.records.raw_results import append
from feedrate.records.window import Window
from feedrate.report.console import console
from feedrate.report.page.answer import _again, _why
from feedrate.report.page.line_table import COLUMNS
from feedrate.report.page.report_page import ReportPage, page_html
from feedrate.report.page.run_file import read_run
from feedrate.report.table import show
from tests.support.commands import refused
from tests.support.default_matrix import LOADERS, default_matrix, written
from tests.support.outcomes import failure, measurement

pytest.importorskip("plotly", reason="pages are drawn with plotly, which is not installed")

# Pages with all of plotly in them.
pytestmark = pytest.mark.slow

MOST_BYTES = 3_000_000
HOSTILE = "<script>alert(1)</script>&\"'"
RIGHT_TO_LEFT = "מהיר"


class Parsed(HTMLParser):
    """What a page holds, as a browser takes it apart."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        """All texts."""
        return "".join(self.texts)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("raw") / "run.jsonl", default_matrix())


@pytest.fixture(scope="module")
def page(raw: Path) -> str:
    return page_html([read_run(raw)])


def raw_lines(page: str) -> dict[str, str]:
    """Each raw line of a page by its identifier."""
    found = re.findall(r'<details class="raw" id="([^"]+)">.*?<pre>(.*?)</pre>', page)
    return {anchor: Parsed(text).text for anchor, text in found}


def table_rows(page: str) -> Iterator[tuple[str, Sequence[str]]]:
    """Each row of the table: where it leads, and its numbers as they are."""
    table = re.search(r'<table class="lines.*?</table>', page, re.DOTALL)
    assert table is not None
    for row in re.findall(r"<tr.*?</tr>", table[0])[1:]:
        (anchor,) = re.findall(r'href="#([^"]+)"', row)
        yield anchor, re.findall(r'<td class="number" data-value="([^"]*)"', row)


def test_the_page_of_the_default_matrix_can_be_sent(raw: Path, page: str) -> None:
    assert raw.stat().st_size > 350_000, "lines are shorter than those of a real run"
    assert len(page.encode()) < MOST_BYTES


def test_nothing_is_fetched(page: str) -> None:
    parsed = Parsed(page)
    addresses = [
        value or "" for _, attributes in parsed.tags for name, value in attributes.items() if name in ("href", "src")
    ]

    assert [address for address in addresses if not address.startswith(("#", "data:"))] == []
    assert "url(" not in page
    assert "@import" not in page
    (policy,) = [attributes["content"] for tag, attributes in parsed.tags if "http-equiv" in attributes]
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "http" not in policy


def test_the_sentences_are_those_of_the_table(raw: Path, page: str) -> None:
    file = io.StringIO()
    show(console(file), read_run(raw).outcomes)
    sentences = re.findall(r"^  \w+: (T_S .*)$", file.getvalue(), re.MULTILINE)

    assert len(sentences) == 16
    told = Parsed(page).text
    assert [sentence for sentence in sentences if sentence not in told] == []
    (machine,) = re.findall(r"^machine +(.*)$", file.getvalue(), re.MULTILINE)
    assert machine in told


def test_every_number_of_the_table_is_that_of_its_raw_line(raw: Path, page: str) -> None:
    lines = raw_lines(page)
    placed = {f"raw-0-{each.line}": each for each in placed_records(raw) if isinstance(each, Placed)}
    rows = list(table_rows(page))

    assert len(rows) == len(placed) == 108
    for anchor, numbers in rows:
        assert json.loads(lines[anchor]) == json.loads(placed[anchor].text)
        record = placed[anchor].record
        for text, (metric, _) in zip(numbers, COLUMNS.values(), strict=True):
            expected = getattr(record, metric) if isinstance(record, Measurement) else None
            assert (float(text) if text else None) == expected


def test_the_table_is_saved_with_all_digits_and_without_a_script(raw: Path, page: str) -> None:
    (address,) = [attributes["href"] for tag, attributes in Parsed(page).tags if "download" in attributes]
    assert address is not None
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(address.partition("base64,")[2]).decode())))
    records = {each.line: each.record for each in placed_records(raw) if isinstance(each, Placed)}

    assert len(rows) == len(records)
    for row in rows:
        record = records[int(row["line"])]
        expected = repr(record.samples_per_s) if isinstance(record, Measurement) else ""
        assert (row["cell"], row["samples_per_s"]) == (record.cell, expected)


def test_a_spreadsheet_takes_no_reason_for_a_formula(tmp_path: Path) -> None:
    raw = written(tmp_path / "run.jsonl", iter([failure(reason="=1+1"), measurement()]))
    (address,) = [
        attributes["href"] for _, attributes in Parsed(page_html([read_run(raw)])).tags if "download" in attributes
    ]
    assert address is not None

    # The remark begins with what kind of failure it is.
    rows = list(csv.reader(io.StringIO(base64.b64decode(address.partition("base64,")[2]).decode())))
    assert not any(text.startswith(("=", "+", "-", "@")) for row in rows for text in row)


def test_hostile_names_are_text(tmp_path: Path) -> None:
    cell = f"boardmoves/small/workers[path={HOSTILE.replace('/', '')}]/{RIGHT_TO_LEFT}/cpu"
    reason = f"{HOSTILE} \x1b[31mred\u202e"
    odd = measurement(cell, environment={"machine": {"name": HOSTILE, "cpu": "\x1b[2J"}, "versions": {}})
    raw = written(tmp_path / "run.jsonl", iter([odd, failure(reason=reason)]))
    kept = {"kind": "comparison", "a": {"cell": "a"}, "b": {"cell": "b"}, "control": "c", "margin": 0.02}
    (tmp_path / "run.json").write_text(json.dumps([{**kept, "confidence": 0.99, "sentence": reason}]))

    page = page_html([read_run(raw)])
    parsed = Parsed(page)

    scripts = [attributes.get("type") for tag, attributes in parsed.tags if tag == "script"]
    assert set(scripts) == {"application/json", "text/plain", None}
    assert scripts.count(None) == 1
    assert HOSTILE in parsed.text
    assert RIGHT_TO_LEFT in parsed.text
    assert "\\x1b[31mred\\u202e" in parsed.text
    assert not re.search("[\x1b\u202e]", page)


def test_what_plotly_is_told_is_what_plotly_knows(raw: Path, tmp_path: Path) -> None:
    from plotly.graph_objects import Figure

    charts = list(ReportPage([read_run(file) for file in (raw, *several(tmp_path))]).charts)

    assert len(charts) == 17
    for chart in charts:
        Figure(chart.figure)


def several(folder: Path) -> Iterator[Path]:
    """An older run of the same cells, one of a diagnosis, and one of a comparison."""
    yield written(
        folder / "older.jsonl",
        (replace(each, started="2025-12-31T00:00:00+00:00") for each in default_matrix("older", faster=0.9)),
    )
    rungs = {"R0": Rung((Window(0.1, 10, 2_560),)), "R4": Rung((Window(0.2, 10, 2_560),), (Window(0.12, 10, 2_560),))}
    append(folder / "why.jsonl", Diagnosis.of([(measurement(batch_samples=256.0), Ladder(rungs, epoch_batches=10))]))
    yield folder / "why.jsonl"
    a, b, control = (f"fxseq/small/{name}/none/cpu" for name in ("threads", "inline", "resident"))
    yield written(folder / "pairs.jsonl", iter([measurement(cell) for cell in (control, a, b)]))
    kept = {"kind": "comparison", "a": {"cell": a}, "b": {"cell": b}, "control": control, "margin": 0.02}
    ratios = [0.05, 0.06, 0.04, 0.055, 0.05, 0.045]
    more = {"confidence": 0.99, "sentence": "threads is FASTER than inline: x1.05", "log_ratios": ratios}
    (folder / "pairs.json").write_text(json.dumps([{**kept, **more}]))


def test_several_runs_are_one_page_with_history_verdicts_and_pairs(raw: Path, tmp_path: Path) -> None:
    files = list(several(tmp_path))
    page = ReportPage([read_run(file) for file in (raw, *files)])
    told = Parsed(page_html(page.runs)).text

    assert page.main is not None
    assert page.main.path == raw
    assert [chart.title for chart in page.history.charts] == ["boardmoves", "daywindows", "fxseq"]
    (why,) = page.diagnoses
    assert why.diagnosis.verdict.statement in told
    assert why.diagnosis.verdict.advice in told
    assert "threads is FASTER than inline: x1.05" in told


def test_cells_of_a_comparison_are_in_no_table_of_loaders(tmp_path: Path) -> None:
    *_, pairs = several(tmp_path)

    page = ReportPage([read_run(pairs)])

    assert page.workloads == []
    assert len(page.lines) == 3
    assert len(page.comparisons) == 1


def test_what_is_kept_beside_a_run_and_cannot_be_read_is_said(tmp_path: Path) -> None:
    raw = written(tmp_path / "run.jsonl", iter([measurement()]))
    (tmp_path / "run.json").write_text('[{"kind": "comparison", "sentence": 5}]')
    run = read_run(raw)

    assert run.comparisons == ()
    (complaint,) = run.complaints
    assert "run.json" in complaint
    assert complaint in Parsed(page_html([run])).text


def test_a_step_on_which_nothing_rests_is_told_to_be_measured_again(tmp_path: Path) -> None:
    doubtful = measurement(requested={"threads": 2}, observed={"torch_threads": 7})
    page = ReportPage([read_run(written(tmp_path / "run.jsonl", iter([doubtful])))])

    (answer,) = page.workloads[0].answers
    assert answer.state == "doubtful"
    assert "`feedrate run boardmoves --step fp32 --size small --device cpu`" in answer.advice


def test_the_limit_and_what_to_try_follow_the_sentence(raw: Path) -> None:
    answers = {
        (part.title.partition(",")[0], answer.step): answer
        for part in ReportPage([read_run(raw)]).workloads
        for answer in part.answers
    }

    assert {answer.state for (_, step), answer in answers.items() if step != "none"} == {"step"}
    assert answers["boardmoves", "none"].state == "idle"
    slow = answers["boardmoves", "fp32"]
    assert "the step is the limit" in slow.sentence
    assert "feedrate why boardmoves/small/" in slow.advice


def test_loading_that_limits_is_pushed(tmp_path: Path) -> None:
    cells = [
        measurement(f"boardmoves/small/{loader}/fp32/cpu", full_ms=ms, loader_ms=ms, replicate=replicate)
        for loader, time_ms in (("inline", 40.0), ("threads", 20.0))
        for replicate, ms in enumerate((time_ms, time_ms * 1.01, time_ms * 1.02))
    ]
    page = ReportPage([read_run(written(tmp_path / "run.jsonl", iter(cells)))])

    (answer,) = page.workloads[0].answers
    assert answer.state == "loading"
    assert answer.advice.startswith("take threads; then push the loader: `feedrate why boardmoves/small/threads/fp32")
    assert page.headline == "Of 1 step that trains: in 1 loading is a limit. Loaders that lead: threads in 1 of 1."


def test_what_to_try_for_several_ranks_are_commands_that_take_them(tmp_path: Path, registry: Registry) -> None:
    cells = [
        measurement(f"boardmoves/small/{loader}/fp32/2xcpu", full_ms=ms, loader_ms=ms, replicate=replicate)
        for loader, time_ms in (("inline", 40.0), ("threads", 20.0))
        for replicate, ms in enumerate((time_ms, time_ms * 1.01, time_ms * 1.02))
    ]
    (group,) = ReportPage([read_run(written(tmp_path / "run.jsonl", iter(cells)))]).workloads[0].groups

    (why,) = re.findall(r"`feedrate why (.*?)`", _why(group, "threads"))
    assert Cell.parse(why, registry).ranks == 1
    assert _again(group, 5).endswith("--size small --device cpu --ranks 2 --replicates 5`")


def test_the_command_writes_beside_the_run_and_overwrites_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = written(tmp_path / "run.jsonl", iter([measurement()]))

    assert main(["report", "run", "--results", str(tmp_path)]) == 0
    line = capsys.readouterr().out
    assert re.fullmatch(rf"wrote {re.escape(str(tmp_path))}/run.html \(\S+ MB\): open it in a browser; .*\n", line)
    before = (tmp_path / "run.html").read_bytes()
    told = refused(["report", str(raw)], capsys)
    assert f"{tmp_path / 'run.html'} is there already, and is left as it is; name another with --output FILE" in told
    assert (tmp_path / "run.html").read_bytes() == before
    assert main(["report", "--results", str(tmp_path), "-o", str(tmp_path / "other.html")]) == 0
    assert (tmp_path / "other.html").read_bytes() == before


def test_a_run_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no run 'nix'" in refused(["report", "nix", "--results", str(tmp_path)], capsys)
    (tmp_path / "empty.jsonl").write_text("")
    assert "holds no results" in refused(["report", str(tmp_path / "empty.jsonl")], capsys)
    assert not (tmp_path / "empty.html").exists()


def test_a_line_that_cannot_be_read_is_said_and_the_others_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = written(tmp_path / "run.jsonl", iter([measurement()]))
    with raw.open("a") as file:
        file.write('{"kind": "measu\n')

    assert main(["report", str(raw)]) == 1
    assert "line 2 is left out" in capsys.readouterr().err
    assert "line 2 is left out" in (tmp_path / "run.html").read_text()


def test_a_session_reports_what_it_wrote_down(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="keeps no raw results"):
        Session(results=None).report()
    session = Session(results=tmp_path)
    with pytest.raises(UsageError, match="nothing was measured yet"):
        session.report()
    assert session.raw is not None
    append(session.raw, measurement())

    assert session.report() == session.raw.with_suffix(".html")
    assert session.report(tmp_path / "other.html") == tmp_path / "other.html"
    with pytest.raises(UsageError, match="is there already"):
        session.report()


def test_the_same_lines_make_the_same_page(raw: Path, page: str) -> None:
    assert page_html([read_run(raw)]) == page


def test_a_file_that_cannot_be_read_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_run(tmp_path / "run.jsonl")


@pytest.mark.process
@pytest.mark.parametrize("package", ["plotly", "jinja2"])
def test_without_the_extra_one_line_says_what_to_install(tmp_path: Path, package: str) -> None:
    written(tmp_path / "run.jsonl", iter([measurement()]))
    code = f"import sys; sys.modules[{package!r}] = None; from feedrate.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "report", "run.jsonl"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f'feedrate: report: {package} is not installed; `pip install "feedrate[report]"` provides it\n'
    )
    assert not (tmp_path / "run.html").exists()


def test_a_run_of_failures_has_reasons_and_no_pictures(tmp_path: Path) -> None:
    raw = written(tmp_path / "run.jsonl", iter([failure(reason="ValueError: no")]))
    page = page_html([read_run(raw)])

    assert 'id="maps"' not in page
    assert "#maps" not in page
    assert "fp32: failed, exception: ValueError: no" in Parsed(page).text


def test_every_loader_is_in_the_grid(raw: Path) -> None:
    for part in ReportPage([read_run(raw)]).workloads:
        assert {loader for loader, _ in part.grid.lines} == set(LOADERS)
