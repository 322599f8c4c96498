"""How many digits are kept of a number."""

from __future__ import annotations

import pytest

from feedrate.records.digits import microseconds, significant


@pytest.mark.parametrize(
    ("value", "kept"), [(0.0, 0.0), (0.003005563, 0.0030056), (649.069131, 649.07), (1_234_567.0, 1_234_600.0)]
)
def test_digits_count_from_the_first_that_is_not_0(value: float, kept: float) -> None:
    assert significant(value, 5) == kept


def test_seconds_end_with_their_millionth() -> None:
    assert microseconds(13.48152462500002) == 13.481525
