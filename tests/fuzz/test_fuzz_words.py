"""Texts that name strategies, knobs and cells: whatever they are, a strategy of that very name, or one line."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedrate.errors import FeedrateError, UsageError
from feedrate.plugin.cell import Cell
from feedrate.plugin.registry import Registry
from tests.support.fuzzing import answer, fuzzed, spoilt_text, tried

REGISTRY = Registry.load()
FAMILIES = {"loader": REGISTRY.loaders, "step": REGISTRY.steps, "workload": REGISTRY.workloads}
_VALUES = (
    *("0", "1", "2", "-1", "1e3", "0x10", "1_000", "٣", "nan", "inf", "-inf", "1e-320", "9" * 5_000, "1" + "0" * 400),
    *("auto", "true", "TRUE", "false", "None", "", " ", "=", "[", "]", ",", "a=b", "\0", "\n", "\ud800", "0.5", "1."),
)


_ODD = st.sampled_from(_VALUES) | st.integers().map(str) | st.floats().map(str) | st.text(max_size=8)


@st.composite
def specs(draw: st.DrawFn, kind: str) -> str:
    """A name with knobs of its own, most of them turned to something odd."""
    strategy = draw(st.sampled_from(list(FAMILIES[kind].values())))
    own = ["1", *(str(value) for values in strategy.knob_values().values() for value in values)]
    keys = st.lists(st.sampled_from([*strategy.knobs, "nope", ""]), max_size=3, unique=True)
    knobs = {key: draw(_ODD if draw(st.booleans()) else st.sampled_from(own)) for key in draw(keys)}
    text = f"{strategy.name}[{','.join(f'{key}={text}' for key, text in knobs.items())}]" if knobs else strategy.name
    return draw(spoilt_text(text)) if draw(st.integers(0, 3)) == 0 else text


cells = st.builds(
    lambda parts, changed: changed or "/".join(parts),
    st.tuples(
        specs("workload"),
        st.sampled_from(("tiny", "small", "full", "seed", "", "huge", "../x", "TINY")),
        specs("loader"),
        specs("step"),
        st.sampled_from(("cpu", "cuda", "", "gpu", "cpu\n")),
    ),
    st.just("") | spoilt_text("boardmoves[head=legal]/tiny/workers[count=2]/bf16/cpu"),
)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", FAMILIES)
@fuzzed(0.34)
@given(data=st.data())
def test_a_text_names_a_strategy_by_its_own_name_or_is_one_line(kind: str, data: st.DataObject) -> None:
    text = data.draw(specs(kind))
    strategy = tried(lambda: getattr(REGISTRY, kind)(text))
    if isinstance(strategy, FeedrateError):
        assert isinstance(strategy, UsageError)
    else:
        assert getattr(REGISTRY, kind)(str(strategy)) == strategy
        assert re.fullmatch(r"[\w.-]+(\[[\w.=,+-]+\])?", str(strategy))


@pytest.mark.slow
@pytest.mark.timeout(900)
@fuzzed()
@given(text=cells)
def test_a_text_is_the_key_of_a_cell_or_one_line(text: str) -> None:
    cell = tried(lambda: Cell.parse(text, REGISTRY))
    if isinstance(cell, FeedrateError):
        assert isinstance(cell, UsageError)
    else:
        assert Cell.parse(str(cell), REGISTRY) == cell
        assert "/" not in cell.recipe.folder_name
        assert len(cell.recipe.folder_name) < 200


@pytest.mark.slow
@pytest.mark.timeout(900)
@fuzzed(0.1)
@given(text=cells)
def test_a_command_takes_a_cell_or_says_one_line(text: str) -> None:
    try:
        Cell.parse(text, REGISTRY)
    except UsageError:
        assert answer("why", "--size=tiny", "--", text).status == 2
