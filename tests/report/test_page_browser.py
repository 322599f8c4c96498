"""The page of a run in a real browser: three widths, light and dark, no complaint, nothing over anything else."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from feedrate.report.page.report_page import page_html
from feedrate.report.page.run_file import read_run
from tests.report.test_page import HOSTILE, RIGHT_TO_LEFT, several
from tests.support.browser import opened, opened_with_console
from tests.support.default_matrix import default_matrix, written
from tests.support.outcomes import failure, measurement

pytest.importorskip("plotly", reason="pages are drawn with plotly, which is not installed")
pytestmark = [pytest.mark.process, pytest.mark.command, pytest.mark.timeout(240)]

WIDTHS = (390, 820, 1400)
PROBE = """
<script>
(() => {
  const errors = [];
  addEventListener("error", (event) => errors.push(event.message));
  const boxes = (where, what) => [...where.querySelectorAll(what)]
    .map((node) => ({ node, box: node.getBoundingClientRect(), text: node.textContent.trim().slice(0, 40) }))
    .filter(({ box, text }) => box.width > 1 && box.height > 1 && text);
  const over = (all) => all.flatMap((a, place) => all.slice(place + 1).filter((b) =>
    !a.node.contains(b.node) && !b.node.contains(a.node)
    && Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left) > 2
    && Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top) > 2
  ).map((b) => `${a.text} / ${b.text}`));
  const told = () => {
    const page = document.documentElement;
    const blocks = boxes(document, "h1, h2, h3, h4, nav, main p, .card, .picture, .wide, .legend li, .facts > *");
    const labels = ".xtick text, .ytick text, .xtitle, .ytitle, .legendtext";
    const charts = [...document.querySelectorAll(".chart")];
    const cut = charts.flatMap((chart) => boxes(chart, labels)
      .filter(({ box }) => box.right > chart.getBoundingClientRect().right + 1
        || box.left < chart.getBoundingClientRect().left - 1)
      .map(({ text }) => text));
    parent.postMessage({
      width: innerWidth, room: page.clientWidth, wide: page.scrollWidth,
      drawn: page.dataset.drawn ? Number(page.dataset.drawn) : null, charts: charts.length,
      paper: getComputedStyle(document.body).backgroundColor, ink: getComputedStyle(document.body).color,
      over: over(blocks), labels: charts.flatMap((chart) => over(boxes(chart, labels))), cut, errors,
      text: document.body.innerText.slice(0, 200000),
    }, "*");
  };
  const done = () => document.documentElement.dataset.drawn || errors.length || !document.querySelector("#drawing");
  const wait = () => (done() ? setTimeout(told, 500) : setTimeout(wait, 50));
  addEventListener("load", wait);
})();
</script>
"""
FRAMES = """<!doctype html><body><script>
const told = [];
addEventListener("message", (event) => {{
  told.push(event.data);
  if (told.length === {count}) {{
    const place = document.createElement("pre");
    place.id = "told";
    place.textContent = JSON.stringify(told);
    document.body.append(place);
  }}
}});
</script>{frames}</body>"""


class Seen(NamedTuple):
    """What a page looks like at one width."""

    width: int
    room: int
    """Pixels that are left beside a bar to scroll with."""
    wide: int
    """Pixels that its content takes: more than `room` has to be scrolled sideways."""
    drawn: int | None
    charts: int
    paper: str
    ink: str
    over: list[str]
    """Boxes that lie over one another."""
    labels: list[str]
    """Labels of pictures that do."""
    cut: list[str]
    """Labels that leave their picture."""
    errors: list[str]
    text: str


def looked_at(page: Path, *flags: str) -> list[Seen]:
    """Open a page in frames, for a window is never as narrow as a phone; nothing may be said on the console."""
    probed = page.with_name("probed.html")
    probed.write_text(page.read_text().replace("</head>", f"{PROBE}</head>", 1))
    frames = "".join(f'<iframe src="probed.html" style="width:{width}px;height:900px"></iframe>' for width in WIDTHS)
    place = page.with_name("frames.html")
    place.write_text(FRAMES.format(count=len(WIDTHS), frames=frames))
    shown, console = opened_with_console(f"file://{place}", *flags)
    assert console == ()
    told = re.search(r'<pre id="told">(.*?)</pre>', shown, re.DOTALL)
    assert told is not None
    return [Seen(**each) for each in json.loads(html.unescape(told[1]))]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    raw = written(folder / "run.jsonl", default_matrix())
    (folder / "page.html").write_text(page_html([read_run(file) for file in (raw, *several(folder))]))
    return folder / "page.html"


def test_nothing_overflows_or_lies_over_anything_at_three_widths(page: Path) -> None:
    looks = looked_at(page)

    assert sorted(seen.width for seen in looks) == sorted(WIDTHS)
    for seen in looks:
        assert (seen.wide, seen.drawn) == (seen.room, seen.charts)
        assert seen.charts == 17
        assert (seen.errors, seen.over, seen.labels, seen.cut) == ([], [], [], [])


def test_it_is_dark_where_the_reader_is(page: Path) -> None:
    light, dark = (looked_at(page, f"--blink-settings=preferredColorScheme={scheme}") for scheme in (1, 0))

    assert {seen.paper for seen in light} == {"rgb(251, 250, 247)"}
    assert {seen.paper for seen in dark} == {"rgb(20, 23, 27)"}
    assert {seen.ink for seen in light} != {seen.ink for seen in dark}


def test_the_answer_needs_no_script(page: Path) -> None:
    without = page.with_name("without.html")
    without.write_text(re.sub(r"<script.*?</script>", "", page.read_text(), flags=re.DOTALL))

    (seen, *_) = looked_at(without)
    assert "the step is the limit; no loader gains more than" in seen.text
    assert "The same numbers as a table" in seen.text
    assert (seen.drawn, seen.charts, seen.over) == (None, 17, [])


def test_hostile_names_are_shown_and_never_run(tmp_path: Path) -> None:
    cell = f"boardmoves/small/workers[path={HOSTILE.replace('/', '')}]/{RIGHT_TO_LEFT}/cpu"
    raw = written(
        tmp_path / "run.jsonl", iter([measurement(cell), failure(reason=f"{HOSTILE} \x1b[31m <img src=x onerror=a()>")])
    )
    (tmp_path / "page.html").write_text(page_html([read_run(raw)]))

    for seen in looked_at(tmp_path / "page.html"):
        assert HOSTILE in seen.text
        assert RIGHT_TO_LEFT in seen.text
        assert "\\x1b[31m <img src=x" in seen.text
        assert seen.wide == seen.room
    # Beside an axis its end is cut off; it stands there as text.
    shown = opened(f"file://{tmp_path / 'page.html'}")
    assert "&lt;script&gt;" in re.sub(r"<script.*?</script>", "", shown, flags=re.DOTALL)


def test_a_mark_of_the_map_tells_its_cell_whatever_it_is_called(tmp_path: Path) -> None:
    cell = f"boardmoves/small/workers[path={HOSTILE.replace('/', '')}]/fp32/cpu"
    raw = written(tmp_path / "run.jsonl", iter([measurement(cell)]))
    hover = """<script>addEventListener("load", () => setTimeout(() => {
        Plotly.Fx.hover("map-0", [{ curveNumber: 3, pointNumber: 0 }]);
        setTimeout(() => { document.title = document.querySelector(".hovertext").textContent; }, 300);
    }, 1500))</script>"""
    page = tmp_path / "page.html"
    page.write_text(page_html([read_run(raw)]).replace("</body>", f"{hover}</body>"))

    title = re.search(r"<title>(.*?)</title>", opened(f"file://{page}"))
    assert title is not None
    told = html.unescape(title[1])
    assert cell in told
    assert "T_S 10.0 ms" in told
    assert "T_L 12.0 ms" in told


def test_a_link_opens_its_raw_line_and_a_heading_sorts(page: Path) -> None:
    clicks = """<script>addEventListener("load", () => setTimeout(() => {
        document.querySelector("table.lines tbody a").click();
        document.querySelector("table.lines thead th:nth-child(5) button").click();
        setTimeout(() => {
            const rows = [...document.querySelectorAll("table.lines tbody tr")];
            const cells = rows.map((row) => row.cells[4].dataset.value);
            const known = cells.filter(Boolean).map(Number);
            const sorted = known.every((value, place) => !place || known[place - 1] <= value);
            const open = document.querySelectorAll("details.raw[open]").length;
            const last = cells.slice(0, known.length).every(Boolean);
            document.title = JSON.stringify([open, sorted, known.length, last]);
        }, 300);
    }, 200))</script>"""
    clicked = page.with_name("clicked.html")
    clicked.write_text(page.read_text().replace("</body>", f"{clicks}</body>"))

    title = re.search(r"<title>(.*?)</title>", opened(f"file://{clicked}"))
    assert title is not None
    assert json.loads(html.unescape(title[1])) == [1, True, 96 + 96 + 1 + 3, True]
