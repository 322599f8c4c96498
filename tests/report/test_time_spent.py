from __future__ import annotations

from feedrate.records.phases import Phases
from feedrate.report.time_spent import time_spent
from tests.support.outcomes import failure, measurement


def test_the_time_of_a_run_is_summed_by_phase_and_the_rest_is_named() -> None:
    phases = Phases(processes_s=10, compile_s=40, windows_s=20, discards_s=0.1)

    text = time_spent([*[measurement(phases=phases)] * 2, failure(), measurement()], 190, {}, "asv's own")

    assert text == "3 min 10 s: compile 1 min 20 s, asv's own 50 s, timed windows 40 s, processes 20 s"


def test_a_run_of_which_no_time_was_kept_is_all_rest() -> None:
    assert time_spent([measurement()], 59.7, {}, "asv's own") == "1 min 00 s: asv's own 1 min 00 s"


def test_what_was_done_outside_the_processes_stands_by_its_name_and_is_no_rest() -> None:
    text = time_spent([], 60, {"asv's environment": 35, "pages": 5, "data sets": 0.1}, "all else")

    assert text == "1 min 00 s: asv's environment 35 s, all else 20 s, pages 5 s"
