"""What somebody claims of a change is read, and what was measured is held against it."""

from __future__ import annotations

import pytest

from feedrate.comparison.claim import Claim
from feedrate.errors import UsageError


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("+10-30 %", 1.1, 1.3),
        ("+10 to 30%", 1.1, 1.3),
        ("+4.1 %", 1.041, 1.041),
        ("-5 %", 0.95, 0.95),
        ("-5-20 %", 0.8, 0.95),
        ("x2", 2, 2),
        ("X1.5-2", 1.5, 2),
        ("7-10x", 7, 10),
        ("none", 1, 1),
        ("No effect", 1, 1),
    ],
)
def test_a_claim_on_speed_is_a_factor_or_a_share(text: str, low: float, high: float) -> None:
    claim = Claim.parse(text)

    assert claim.low == pytest.approx(low)
    assert claim.high == pytest.approx(high)
    assert claim.text == text


@pytest.mark.parametrize("text", ["", "fast", "10", "10 %", "x", "+-3 %", "x2 %", "-100 %", "-120 %", "x0"])
def test_what_is_no_claim_is_refused_with_what_one_reads_like(text: str) -> None:
    with pytest.raises(UsageError, match=r"it reads \+10 %, \+10-30 %"):
        Claim.parse(text)


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (0.98, 1.05, "less than claimed"),
        (1.05, 1.15, "as claimed"),
        (1.28, 1.5, "as claimed"),
        (1.4, 2, "more than claimed"),
    ],
)
def test_an_interval_lies_below_in_or_above_what_is_claimed(low: float, high: float, told: str) -> None:
    assert Claim.parse("+10-30 %").beside(low, high) == told
