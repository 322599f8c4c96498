"""Cases for fuzzers: how many, from which seed, and changed copies of JSON documents and texts."""

from __future__ import annotations

import copy
import io
import json
import os
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, NamedTuple, TypeVar

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st

from feedrate.cli import main
from feedrate.errors import FeedrateError

__all__ = ["CASES", "SEED", "Answer", "answer", "bytes_of", "fuzzed", "spoiled", "spoilt_text", "tried"]

CASES = int(os.environ.get("FUZZ_CASES", "200"))
"""Of each kind. `make torture` asks for 10,000."""
SEED = os.environ.get("FUZZ_SEED", "")
"""Empty: the same cases each time."""
_EDGES: tuple[Any, ...] = (
    *("", "..", "../../x", "/etc/passwd", "a/b", "\0", "\n", "\x1b[2J", "\ud800", "x" * 5_000, "[red]", "nan", "auto"),
    *(-1, 0, 1, 2**31, 2**63 - 1, 2**63, 10**400, -(10**400), True, None, 1e308, float("inf"), float("nan"), [], {}),
)
_PLAIN = st.sampled_from(_EDGES) | st.integers() | st.floats() | st.text(max_size=12)
_KEY = st.text(max_size=8)
# Made once: hypothesis takes longer to make a strategy than to draw from it.
_JUNK = _PLAIN | st.lists(_PLAIN, max_size=3) | st.dictionaries(_KEY, _PLAIN, max_size=2)
_PUT = st.text(max_size=6) | st.sampled_from([str(edge) for edge in _EDGES])
_CHANGES = st.sampled_from(("below", "below", "below", "drop", "double", "rename"))
_UP_TO_3, _ONE_TO_3, _UP_TO_4, _UP_TO_12 = st.integers(0, 3), st.integers(1, 3), st.integers(0, 4), st.integers(0, 12)
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., None])


def fuzzed(share: float = 1.0) -> Callable[[F], F]:
    """Run a test on that share of the cases: the same each time, unless a seed says otherwise."""

    def decorate(test: F) -> F:
        checks = list(HealthCheck)
        how = settings(
            max_examples=max(1, round(CASES * share)),
            derandomize=not SEED,
            database=None,
            deadline=None,
            suppress_health_check=checks,
            print_blob=True,
            report_multiple_bugs=False,
            phases=(Phase.generate, Phase.shrink),
        )
        seeded: F = seed(int(SEED))(test) if SEED else test
        return how(seeded)

    return decorate


@st.composite
def spoiled(draw: st.DrawFn, document: object) -> str:
    """The document as text after one to three of its parts were replaced, dropped, doubled or renamed."""
    spoilt = copy.deepcopy(document)
    for _ in range(draw(_ONE_TO_3)):
        spoilt = _changed(draw, spoilt)
    text = json.dumps(spoilt)
    return draw(spoilt_text(text)) if draw(_UP_TO_4) == 0 else text


@st.composite
def spoilt_text(draw: st.DrawFn, text: str) -> str:
    """The text with a stretch of it cut out, and something else put there."""
    start = draw(st.integers(0, len(text)))
    stop = min(len(text), start + draw(_UP_TO_12))
    put = draw(_PUT)
    return text[:start] + put + text[stop:]


def _changed(draw: st.DrawFn, node: Any) -> Any:
    """The node with a change somewhere below it, or something in its place."""
    if not isinstance(node, dict | list) or not node or draw(_UP_TO_3) == 0:
        return draw(_JUNK)
    key = draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
    change = draw(_CHANGES)
    if change == "below":
        node[key] = _changed(draw, node[key])
    elif change == "drop":
        del node[key]
    elif isinstance(node, list):
        node.insert(key, copy.deepcopy(node[key]))
    else:
        node[draw(_KEY)] = node[key] if change == "double" else node.pop(key)
    return node


def tried(job: Callable[[], T]) -> T | FeedrateError:
    """What a job returns, or the error of ours that it ends with, which is one line."""
    try:
        return job()
    except FeedrateError as error:
        if "\n" in str(error):
            raise AssertionError(f"not one line: {str(error)!r}") from error
        return error


class Answer(NamedTuple):
    """What a command came to."""

    status: int
    printed: str
    complaints: str


def answer(*arguments: str) -> Answer:
    """Run the command line in this process, on streams that refuse what a terminal's would.

    Whatever is wrong is a line on standard error, and nothing else is written there.
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err):
        status = main(arguments)
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    assert status in (0, 1, 2), texts
    assert status != 2 or texts[1], texts
    # A line each, and none of it is obeyed by a terminal.
    lines = texts[1].split("\n")[:-1] if status else []
    assert all(line.startswith("feedrate: ") and line.isprintable() for line in lines), texts
    return Answer(status, *texts)


def bytes_of(text: str) -> bytes:
    """As a file holds it; halves of surrogate pairs are bytes that are no UTF-8."""
    return text.encode(errors="surrogatepass")
