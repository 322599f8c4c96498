"""How many digits are kept of a number."""

from __future__ import annotations

import pytest

from feedrate.records.digits import microseconds, significant
from feedrate.records.phases import Phases, summed


@pytest.mark.parametrize(
    ("value", "kept"), [(0.0, 0.0), (0.003005563, 0.0030056), (649.069131, 649.07), (1_234_567.0, 1_234_600.0)]
)
def test_digits_count_from_the_first_that_is_not_0(value: float, kept: float) -> None:
    assert significant(value, 5) == kept


def test_seconds_end_with_their_millionth() -> None:
    assert microseconds(13.48152462500002) == 13.481525


def test_phases_keep_four_digits_each() -> None:
    phases = Phases(processes_s=0.9173714969874709, windows_s=14.054469110000355).rounded()

    assert phases == Phases(processes_s=0.9174, windows_s=14.05)
    assert phases.total_s == pytest.approx(14.9674)


def test_phases_of_several_processes_add_up() -> None:
    assert summed([Phases(data_s=1.0, checks_s=0.5), Phases(data_s=0.25)]) == Phases(data_s=1.25, checks_s=0.5)
    assert summed([]) == Phases()
