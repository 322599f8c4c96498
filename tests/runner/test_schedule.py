"""The order of a run, with a measurement made up on the spot."""

from __future__ import annotations

from offered import Needy, Plain, Train
from sums import Sums

from feedrate.plugin.cell import Cell
from feedrate.records.measurement import Failure, Outcome
from feedrate.runner.schedule import Run
from tests.support.outcomes import failure, measurement

ONE, TWO = (Cell(Sums(), "tiny", Plain(depth=depth), Train(), "cpu") for depth in (2, 4))


def ran(cells: tuple[Cell, ...], replicates: int, failing: str = "") -> tuple[list[tuple[str, int]], list[int]]:
    """(cell, replicate) of each outcome, and what was left before each."""
    left: list[int] = []

    def measure(cell: str, replicate: int) -> Outcome:
        return failure(cell, replicate=replicate) if cell == failing else measurement(cell, replicate=replicate)

    outcomes = Run("run", "now", {}, measure).outcomes(cells, replicates, lambda cell, count: left.append(count))
    return [(outcome.cell, outcome.replicate) for outcome in outcomes], left


def test_all_cells_are_measured_once_before_any_is_measured_again() -> None:
    order, left = ran((ONE, TWO), 2)

    assert order == [(str(ONE), 0), (str(TWO), 0), (str(ONE), 1), (str(TWO), 1)]
    assert left == [4, 3, 2, 1]


def names(seed: int | None, replicates: int = 1) -> list[str]:
    """Cells of two steps and five loaders, as they are measured."""
    loaders = ("inline", "threads", "workers", "ring_workers", "gpu_chunk")
    ready = [f"fxseq/tiny/{loader}/{step}/cpu" for step in ("none", "fp32") for loader in loaders]
    run = Run("run", "now", {}, lambda cell, replicate: measurement(cell, replicate=replicate))
    return [outcome.cell for outcome in run.outcomes_of(ready, replicates, lambda cell, left: None, seed)]


def test_loaders_of_a_step_change_places_in_each_round_and_steps_do_not() -> None:
    named, drawn = names(None), names(7, replicates=2)

    assert drawn[:10] != named
    assert drawn[:10] != drawn[10:]
    for place in range(0, 20, 5):
        assert sorted(drawn[place : place + 5]) == sorted(named[place % 10 : place % 10 + 5])


def test_the_same_seed_gives_the_same_order_again() -> None:
    assert names(7, replicates=3) == names(7, replicates=3)
    assert names(7) != names(8)


def test_a_cell_that_failed_is_not_tried_again() -> None:
    order, left = ran((ONE, TWO), 3, failing=str(ONE))

    assert order == [(str(ONE), 0), (str(TWO), 0), (str(TWO), 1), (str(TWO), 2)]
    assert left == [6, 3, 2, 1]


def test_a_cell_with_an_unmet_need_is_not_started() -> None:
    needy = Cell(Sums(), "tiny", Needy(), Train(), "cpu")
    started: list[str] = []

    run = Run("run", "now", {}, lambda cell, replicate: measurement(cell, replicate=replicate))
    outcomes = list(run.outcomes([needy, ONE], 2, lambda cell, left: started.append(cell)))

    assert started == [str(ONE)] * 2
    assert isinstance(outcomes[0], Failure)
    assert (outcomes[0].why, outcomes[0].run) == ("unavailable", "run")
    assert "pip install nope" in outcomes[0].reason
