"""Write what a perfect loader or step would gain; below 1 it is no gain but noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feedrate.formatting import ABSENT, factor, factor_interval, number

if TYPE_CHECKING:
    from feedrate.records.window_estimates import Ratio

__all__ = ["ceiling_text", "ceiling_with_interval"]


def ceiling_text(ceiling: float | None) -> str:
    """Write a ceiling; together loader and step cannot be quicker than one of them alone."""
    return "none (noise)" if ceiling is not None and ceiling < 1 else factor(ceiling)


def ceiling_with_interval(ratio: Ratio | None) -> str:
    """Write a ceiling with its interval, which says also where there is no gain what there may be at most."""
    if ratio is None:
        return ABSENT
    if ratio.low is None or ratio.high is None:
        return ceiling_text(ratio.value)
    if ratio.value < 1:
        return f"none ({number(ratio.low)} to {number(ratio.high)})"
    return factor_interval(ratio.value, ratio.low, ratio.high)
