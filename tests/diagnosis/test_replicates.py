"""How many processes a diagnosis asks, what each is told, and what comes of their answers; here they answer at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.diagnosis.diagnosis import Diagnosis, diagnose, needs_another, records
from feedrate.errors import DataError
from feedrate.records.conditions import Conditions
from feedrate.records.jsonl import Unreadable
from feedrate.records.ladder import Ladder, Rung
from feedrate.records.measurement import Failure, Measurement, Outcome
from feedrate.records.raw_results import append
from feedrate.records.request import AblationRequest
from feedrate.records.window import Window
from feedrate.report.diagnosis import show
from feedrate.report.rendered import as_text
from feedrate.runner.isolation import ReplicateSettings
from tests.support.outcomes import failure, measurement

CELL = "boardmoves/small/inline/fp32/cpu"
Asked = Callable[[Callable[[int], Outcome]], "Processes"]


class Processes:
    """Stands for the processes of replicates: `answer` gives the outcome of each; what they were asked is kept."""

    def __init__(self, answer: Callable[[int], Outcome]) -> None:
        self.answer = answer
        self.cells: list[str] = []
        self.requests: list[AblationRequest] = []

    def take_apart(
        self, cell: str, settings: ReplicateSettings, ablation: AblationRequest
    ) -> tuple[Measurement, Ladder] | Failure:
        assert settings.replicate == len(self.requests)
        assert ablation.memory.is_dir()
        self.cells.append(cell)
        self.requests.append(ablation)
        outcome = self.answer(settings.replicate)
        return outcome if isinstance(outcome, Failure) else (outcome, ladder())


def ladder() -> Ladder:
    """Two rungs, as slow as the step alone and as both together."""
    return Ladder(
        {"R0": Rung((Window(0.2, 20, 5_120),)), "R4": Rung((Window(0.4, 20, 5_120),), (Window(0.24, 20, 5_120),))},
        epoch_batches=100,
    )


def alike(replicate: int) -> Measurement:
    """Every process measures the same."""
    return measurement(CELL, replicate=replicate)


def scattered(replicate: int) -> Measurement:
    """In every second process loading costs next to nothing, so no verdict about it is firm."""
    measured = alike(replicate)
    return replace(measured, full_windows=measured.step_windows) if replicate % 2 else measured


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    def start(answer: Callable[[int], Outcome]) -> Processes:
        processes = Processes(answer)
        monkeypatch.setattr("feedrate.diagnosis.diagnosis.take_apart", processes.take_apart)
        return processes

    return start


@pytest.fixture
def settings(tmp_path: Path) -> ReplicateSettings:
    return ReplicateSettings(tmp_path, tmp_path / "logs", "run")


def test_each_replicate_is_a_process_and_the_first_alone_counts_the_step(
    asked: Asked, settings: ReplicateSettings
) -> None:
    processes = asked(alike)

    diagnosis = diagnose(CELL, settings, replicates=3, cold=True)

    assert isinstance(diagnosis, Diagnosis)
    assert [measured.replicate for measured in diagnosis.measured] == [0, 1, 2]
    assert diagnosis.ladders == (ladder(),) * 3
    assert processes.cells == [CELL] * 3
    assert [request.facts for request in processes.requests] == [True, False, False]
    assert [request.details for request in processes.requests] == [True, False, False]
    assert all(request.stages for request in processes.requests), "loading costs half of the time"
    assert all(request.cold for request in processes.requests)
    assert len({request.memory for request in processes.requests}) == 3


def test_the_first_failure_ends_it_and_no_shared_memory_is_left(asked: Asked, settings: ReplicateSettings) -> None:
    processes = asked(lambda replicate: failure(CELL, replicate=1) if replicate == 1 else alike(replicate))

    diagnosis = diagnose(CELL, settings, replicates=3)

    assert isinstance(diagnosis, Failure)
    assert diagnosis.replicate == 1
    assert len(processes.requests) == 2
    assert not any(request.memory.exists() for request in processes.requests)


@pytest.mark.parametrize(("answer", "counts"), [(alike, {2}), (scattered, {3, 4, 5})])
def test_more_are_asked_only_while_the_verdict_is_unsure(
    answer: Callable[[int], Outcome], counts: set[int], asked: Asked, settings: ReplicateSettings
) -> None:
    processes = asked(answer)

    diagnosis = diagnose(CELL, settings, replicates=2, most=5)

    assert len(processes.requests) in counts
    assert isinstance(diagnosis, Diagnosis)
    assert len(diagnosis.measured) == len(processes.requests)


def step_bound(replicate: int) -> Measurement:
    """Loading costs nothing, and the rounds say so."""
    measured = alike(replicate)
    windows = tuple(replace(window, s=0.2 + 1e-3 * number) for number, window in enumerate(measured.step_windows))
    return replace(measured, rounds=len(windows), full_windows=windows, step_windows=windows)


def test_stages_of_loading_that_costs_nothing_are_asked_of_one_process(
    asked: Asked, settings: ReplicateSettings
) -> None:
    processes = asked(step_bound)

    diagnose(CELL, settings, replicates=3)

    assert [request.stages for request in processes.requests] == [True, False, False]


def test_where_every_process_was_doubtful_so_far_the_next_is_asked_for_all(
    asked: Asked, settings: ReplicateSettings
) -> None:
    processes = asked(lambda replicate: alike(replicate) if replicate > 1 else disturbed(replicate))

    diagnose(CELL, settings, replicates=4)

    assert [request.details for request in processes.requests] == [True, True, True, False]
    assert all(request.stages for request in processes.requests)


def disturbed(replicate: int) -> Measurement:
    """Loading costs nothing, and the machine swapped meanwhile."""
    busy = Conditions(2.0, 8, own_core_s=3.0, all_core_s=3.1, stolen_core_s=0.0, swapped_pages=9_999)
    measured = alike(replicate)
    return replace(measured, full_windows=measured.step_windows, conditions=busy)


def test_no_verdict_rests_on_doubtful_processes_alone(asked: Asked, settings: ReplicateSettings) -> None:
    processes = asked(disturbed)

    diagnosis = diagnose(CELL, settings, replicates=2, most=4)

    assert isinstance(diagnosis, Diagnosis)
    assert len(processes.requests) == 4, "another process may do better"
    assert (diagnosis.verdict.kind, diagnosis.verdict.gain_at_most) == ("invalid", 1.0)
    assert diagnosis.verdict.statement == (
        "INVALID: no verdict rests on this: all 4 processes are doubtful: the machine swapped while it was measured:"
        " free memory"
    )
    assert diagnosis.verdict_of_numbers.kind != "invalid"


def test_a_doubtful_process_is_left_out_of_the_evidence(asked: Asked, settings: ReplicateSettings) -> None:
    asked(lambda replicate: alike(replicate) if replicate else disturbed(replicate))

    diagnosis = diagnose(CELL, settings, replicates=3)

    assert isinstance(diagnosis, Diagnosis)
    assert diagnosis.evidence == Diagnosis.of([(alike(number), ladder()) for number in (1, 2)]).evidence
    assert diagnosis.verdict.kind != "invalid"
    assert "mean of 2 processes, 1 doubtful left out" in as_text(lambda console: show(console, [diagnosis]))


def test_a_line_of_several_cells_or_of_unlike_halves_is_no_diagnosis() -> None:
    whole = Diagnosis.of([(alike(0), ladder()), (alike(1), ladder())])
    other = replace(whole, measured=(alike(0), measurement("fxseq/tiny/inline/none/cpu")))
    half = replace(whole, ladders=(ladder(),))

    assert Diagnosis.from_json(whole.as_json()) == whole
    with pytest.raises(DataError, match="its measurements are of several cells"):
        Diagnosis.from_json(whole.as_json() | {"measured": [one.as_json() for one in other.measured]})
    with pytest.raises(DataError, match="it holds 2 measurements and 1 ladders"):
        Diagnosis.from_json(whole.as_json() | {"ladders": [one.as_json() for one in half.ladders]})


def test_diagnoses_outcomes_and_lines_that_cannot_be_read_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    raw = tmp_path / "raw.jsonl"
    whole = Diagnosis.of([(alike(0), ladder())])
    append(raw, whole)
    append(raw, failure())
    lines = raw.read_text().splitlines()
    raw.write_text("\n".join((*lines, lines[0].replace(CELL, "fxseq/tiny"), "")))

    first, second, third = records(raw)

    assert first == whole
    assert second == failure()
    assert isinstance(third, Unreadable)
    assert "fxseq/tiny" in str(third)


def test_a_verdict_that_is_unsure_asks_for_more_replicates_within_bounds() -> None:
    clear = [(measurement(full_ms=20.0, loader_ms=19.5, step_ms=1.0), Ladder())] * 3
    # The same cell, in a process in which loading cost next to nothing.
    free = measurement(full_ms=1.0, loader_ms=19.5, step_ms=1.0), Ladder()

    assert needs_another(clear[:1], 2, 4)
    assert not needs_another(clear, 2, 6)
    assert needs_another([*clear, free], 2, 6)
    assert not needs_another([*clear, free], 2, 4)
