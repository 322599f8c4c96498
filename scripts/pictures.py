"""Draw the pictures of the documentation: `python scripts/pictures.py` writes them to docs/pictures.

The feed map and the waterfall are drawn from what docs/reading-the-numbers.md shows of a real run, figure by figure.
The other two explain an order and a meaning; times in them are made up, and they say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import accumulate
from math import log10
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"
INK, PALE = "#24292f", "#d0d7de"
COLOURS = ("#0969da", "#bc4c00", "#1a7f37", "#8250df", "#cf222e", "#6e7781")
STEP, LOADER, WAIT, BOTH = "#8250df", "#0969da", "#f0f2f4", "#1a7f37"
WIDTH = 760
CELL = re.compile(r"^(\w+) +(\w+) +(?:[*~?] +)?[\d,.]+ +\S+ +[\d.]+ +([\d.]+) ", re.MULTILINE)
"""Of a row of the table: step, loader, T_L."""
STEP_TIME = re.compile(r"^  (\w+): T_S ([\d.]+) ms", re.MULTILINE)
RUNG = re.compile(r"^ *(T_\w \w+(?: \w+)?|\+ [\w -]*\w) +(-?[\d.]+) +[\d.]+ +#*", re.MULTILINE)
"""Of a line of a waterfall: its name and milliseconds."""


def pictures() -> Mapping[str, str]:
    """Draw them all, by the name of their file."""
    page = (DOCS / "reading-the-numbers.md").read_text(encoding="utf-8")
    table = page[page.index("\nboardmoves, small, cpu\n") : page.index("\nmachine     ")]
    rungs = page[page.index("\nboardmoves/small/inline/none/cpu") : page.index("\nnext        ")]
    return {
        "feed-map.svg": feed_map(CELL.findall(table), dict(STEP_TIME.findall(table))),
        "waterfall.svg": waterfall([(name, float(ms)) for name, ms in RUNG.findall(rungs)]),
        "three-times.svg": three_times(loader_ms=30, step_ms=20, batches=6),
        "by-turns.svg": by_turns(),
    }


def feed_map(cells: Sequence[tuple[str, str, str]], step_ms: Mapping[str, str]) -> str:
    """Draw each loader that feeds a step as a mark: T_S across, T_L up, both logarithmic."""
    left, top, across, up = 70.0, 72.0, 92.0, 120.0
    decades_x, decades_y = range(-3, 4), range(-1, 2)
    right, bottom = left + across * (len(decades_x) - 1), top + up * (len(decades_y) - 1)

    def x(ms: float) -> float:
        return left + across * (log10(ms) - decades_x[0])

    def y(ms: float) -> float:
        return bottom - up * (log10(ms) - decades_y[0])

    names = list(dict.fromkeys(loader for _, loader, _ in cells))
    colours = dict(zip(names, COLOURS, strict=True))
    parts = [
        *(line(x(10**n), top, x(10**n), bottom, PALE) for n in decades_x),
        *(line(left, y(10**n), right, y(10**n), PALE) for n in decades_y),
        *(text(x(10**n), bottom + 18, f"{10**n:g}", "middle") for n in decades_x),
        *(text(left - 8, y(10**n) + 4, f"{10**n:g}", "end") for n in decades_y),
        line(x(0.1), y(0.1), x(10), y(10), INK, dashes="5 4"),
        text(x(0.013), y(7), "the loader takes longer: push it"),
        text(x(1), y(0.14), "the step takes longer: push it"),
        text((left + right) / 2, bottom + 38, "T_S, the step alone, ms a batch", "middle"),
        text(left - 44, top - 46, "T_L, the loader alone, ms a batch"),
    ]
    for row, (step, ms) in enumerate(sorted(step_ms.items(), key=lambda entry: float(entry[1]))):
        # Steps that take nearly as long would be written over one another.
        parts.append(text(x(float(ms)), top - 8 - 15 * (row % 3), step, "middle"))
    for step, loader, ms in cells:
        parts.append(mark(x(float(step_ms[step])), y(float(ms)), colours[loader], f"{loader}, {step}: T_L {ms} ms"))
    for row, name in enumerate(names):
        middle = top + 10 + 22 * row
        parts += [mark(right + 18, middle, colours[name], name), text(right + 28, middle + 4, name)]
    tells = "Loaders and steps of one run of boardmoves, size small, on two cores; at the dashed line both balance."
    return picture("Feed map", tells, bottom + 52, parts)


def waterfall(rungs: Sequence[tuple[str, float]]) -> str:
    """Draw what each stage adds, each bar from where the one above ends; T_F and T_L from zero."""
    left, scale = 170.0, 440 / max(ms for _, ms in rungs)
    parts = [line(left, 30, left, 40 + 28 * len(rungs), PALE)]
    starts = accumulate((ms for _, ms in rungs), initial=0.0)
    for row, ((name, ms), start) in enumerate(zip(rungs, starts, strict=False)):
        whole = name.startswith("T_")
        begin = left + (0 if whole else min(start, start + ms)) * scale
        colour = {"T_F": BOTH, "T_S": STEP}.get(name[:3], LOADER)
        parts += [
            text(left - 10, 52 + 28 * row, name, "end"),
            box(begin, 38 + 28 * row, max(abs(ms) * scale, 1.5), 20, colour, f"{name}: {ms:g} ms"),
            text(begin + max(abs(ms) * scale, 1.5) + 8, 52 + 28 * row, f"{ms:g}"),
        ]
    tells = "boardmoves, small, inline, none, on the CPU: what each stage of loading adds to the step."
    return picture("Waterfall, ms a batch", tells, 56 + 28 * len(rungs), [text(20, 22, "ms a batch"), *parts])


def three_times(loader_ms: float, step_ms: float, batches: int) -> str:
    """Draw the step alone, the loader alone, and both together with a loader that works one batch ahead."""
    left, scale = 150.0, 560 / (batches * loader_ms + step_ms)
    loaded = [loader_ms * (number + 1) for number in range(batches)]
    begun = [*begins(loaded, step_ms)]
    together = begun[-1] - begun[-2]
    parts = [
        *lane(20, "step alone", [(step_ms * n, step_ms, STEP) for n in range(batches)], left, scale),
        text(left + scale * step_ms * batches + 10, 37, f"T_S {step_ms:g} ms"),
        *lane(60, "loader alone", [(loader_ms * n, loader_ms, LOADER) for n in range(batches)], left, scale),
        text(left, 104, f"T_L {loader_ms:g} ms"),
        *lane(124, "together: loader", [(loader_ms * n, loader_ms, LOADER) for n in range(batches)], left, scale),
        *lane(156, "step", [(start, step_ms, STEP) for start in begun], left, scale),
        text(left, 200, f"T_F {together:g} ms, from one batch to the next"),
        text(left, 222, f"loader up to T_F / T_S = x{together / step_ms:.2f}: what a perfect loader would gain"),
        text(left, 244, f"step up to T_F / T_L = x{together / loader_ms:.2f}: what a perfect step would gain"),
        text(WIDTH - 20, 22, "made-up times", "end"),
    ]
    tells = f"With a loader of {loader_ms:g} ms and a step of {step_ms:g} ms the step waits for each batch."
    return picture("Three times", tells, 262, parts)


def begins(loaded: Iterable[float], step_ms: float) -> Iterator[float]:
    """Yield when each step begins: its batch is there, and the step before it is over."""
    free = 0.0
    for there in loaded:
        free = max(free, there)
        yield free
        free += step_ms


def by_turns() -> str:
    """Draw the order of windows within a process, and of processes within a comparison."""
    colours = {"F": BOTH, "S": STEP, "L": LOADER, "C": COLOURS[5], "A": COLOURS[1], "B": COLOURS[4]}
    parts = []
    for top, name, order in ((20, "windows of a process", "FSLLSFFSLLSF"), (90, "processes compared", "CABBACABBA")):
        wide = 540 / len(order)
        parts.append(text(170, top + 19, name, "end"))
        for place, letter in enumerate(order):
            parts += [
                box(180 + wide * place, top, wide - 4, 28, colours[letter], letter),
                text(180 + wide * (place + 0.5) - 2, top + 19, letter, "middle", "#ffffff"),
            ]
    parts += [
        text(180, 68, "F both together, S the step alone, L the loader alone; each three are a round"),
        text(180, 138, "C a control that nobody changed, A and B the two sides; each five are a round"),
    ]
    return picture("By turns", "What a machine does meets all sides alike.", 158, parts)


def lane(top: float, name: str, boxes: Iterable[tuple[float, float, str]], left: float, scale: float) -> Iterator[str]:
    """Yield boxes in a row, numbered, each of a start and a length in milliseconds."""
    yield text(left - 10, top + 17, name, "end")
    for number, (start, ms, colour) in enumerate(boxes, 1):
        yield box(left + start * scale, top, ms * scale - 2, 24, colour, f"batch {number}")
        yield text(left + (start + ms / 2) * scale, top + 17, str(number), "middle", "#ffffff")


def text(x: float, y: float, words: str, anchor: str = "start", colour: str = INK) -> str:
    """Words at a place."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def box(x: float, y: float, wide: float, high: float, colour: str, title: str) -> str:
    """A filled rectangle, with a word that a pointer over it shows."""
    size = f'x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}" rx="2"'
    return f'<rect {size} fill="{colour}"><title>{escape(title)}</title></rect>'


def mark(x: float, y: float, colour: str, title: str) -> str:
    """A dot, with a word that a pointer over it shows."""
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}" fill-opacity="0.8">'
        f"<title>{escape(title)}</title></circle>"
    )


def line(x: float, y: float, to_x: float, to_y: float, colour: str, dashes: str = "") -> str:
    """A line between two places."""
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{colour}"{dashed}/>'


def picture(title: str, tells: str, high: float, parts: Iterable[str]) -> str:
    """Put parts on a white ground, so that they are read on a dark page, too."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {high:.0f}" width="{WIDTH}"'
            f' height="{high:.0f}" role="img" font-family="system-ui, sans-serif" font-size="13">',
            f"<title>{escape(title)}</title>",
            f"<desc>{escape(tells)}</desc>",
            f'<rect width="{WIDTH}" height="{high:.0f}" rx="8" fill="#ffffff"/>',
            *parts,
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    (DOCS / "pictures").mkdir(exist_ok=True)
    for name, drawn in pictures().items():
        (DOCS / "pictures" / name).write_text(drawn, encoding="utf-8")
