"""Hold a strategy to saying from where to where each of its numbers may be set."""

from __future__ import annotations

from feedrate.contract.fixture import Fixture
from feedrate.contract.promise import Promise
from feedrate.errors import ContractError
from feedrate.plugin.strategy import Strategy

__all__ = ["declares_the_range_of_each_number"]


@Promise
def declares_the_range_of_each_number(strategy: Strategy, fixture: Fixture) -> None:
    """Every knob that takes numbers was made with `knob(..., low=..., high=...)`."""
    del fixture
    open_ended = [knob.name for knob in strategy.declared() if knob.is_number and None in (knob.low, knob.high)]
    if open_ended:
        raise ContractError(
            f"{strategy}: {open_ended[0]} has no range, so nobody is told which numbers it takes: "
            f"declare it with knob(..., low=..., high=...) ({len(open_ended)} such knobs of {len(strategy.knobs)})"
        )
