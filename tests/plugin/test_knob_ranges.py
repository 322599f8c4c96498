"""Numbers outside the range of their knob, of every strategy that is offered here."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest

from feedrate.cli import main
from feedrate.errors import UsageError
from feedrate.plugin.registry import Registry
from feedrate.plugin.strategy import Strategy


def every(registry: Registry) -> Iterator[Strategy]:
    for family in (registry.loaders, registry.steps, registry.workloads):
        yield from family.values()


def outside() -> Iterator[tuple[Strategy, str, int | float]]:
    """Yield each knob that takes numbers with the next number below its range, and the next above."""
    for strategy in every(Registry.load()):
        for knob in strategy.declared():
            if not knob.is_number:
                continue
            assert knob.low is not None
            assert knob.high is not None
            whole = float not in knob.kinds
            yield strategy, knob.name, knob.low - 1 if whole else math.nextafter(knob.low, -math.inf)
            yield strategy, knob.name, knob.high + 1 if whole else math.nextafter(knob.high, math.inf)


OUTSIDE = [pytest.param(*place, id=f"{place[0].name}[{place[1]}={place[2]}]") for place in outside()]


@pytest.mark.parametrize(("strategy", "knob", "value"), OUTSIDE)
def test_a_number_outside_its_range_is_one_line_that_says_what_where_and_which_are_taken(
    strategy: Strategy, knob: str, value: float
) -> None:
    least, most = strategy.ranges()[knob]
    line = f"{strategy.name}: {knob}={value} is out of range: {least:,} to {most:,}"

    with pytest.raises(UsageError) as written:
        strategy.with_knobs({knob: str(value)})
    with pytest.raises(UsageError) as constructed:
        replace(strategy, **{knob: value})

    assert [str(written.value), str(constructed.value)] == [line, line]


def test_the_ends_of_each_range_are_taken(registry: Registry) -> None:
    for strategy in every(registry):
        for knob, ends in strategy.ranges().items():
            for value in ends:
                assert replace(strategy, **{knob: value}).knobs[knob] == value


def test_the_table_has_both_ends_of_every_family() -> None:
    rows = [(row.values[0].name, row.values[1]) for row in OUTSIDE]  # type: ignore[union-attr]  # a strategy

    assert {(row, rows.count(row)) for row in rows} == {(row, 2) for row in rows}
    assert {("threads", "depth"), ("paced", "reads"), ("fp16", "log2_scale"), ("fxseq", "nan_ratio")} <= set(rows)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("run fxseq --loader threads[depth=-5] --step none", "threads: depth=-5 is out of range: 1 to 1,024"),
        ("why fxseq/gpu_chunk[buffers=0]/none", "gpu_chunk: buffers=0 is out of range: 1 to 2"),
        ("compare fxseq/threads[count=0]/none fxseq/inline/none", "threads: count=0 is out of range: 1 to 256"),
        ("check fp16[log2_scale=99]", "fp16: log2_scale=99 is out of range: 0 to 32"),
        ("data make fxseq[nan_ratio=1]", "fxseq: nan_ratio=1.0 is out of range: 0 to 0.9"),
    ],
)
def test_every_command_refuses_it_before_anything_runs(
    line: str, says: str, capsys: pytest.CaptureFixture[str], tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))

    status = main(line.split())

    assert status == 2
    assert capsys.readouterr() == ("", f"feedrate: {says}\n")
