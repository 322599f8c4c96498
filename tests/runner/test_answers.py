"""What passes between a parent and the fresh process that it measures in."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedrate.records.answer import (
    Compilation,
    DevicePeaks,
    Failed,
    Measured,
    MeasuredCell,
    ReplicateAnswer,
    RoundTimes,
    StepTimes,
    StreamTimes,
    TrainingResult,
)
from feedrate.records.batch_gaps import BatchGaps
from feedrate.records.codec import decoded, decoded_as, encoded
from feedrate.records.conditions import Conditions
from feedrate.records.ladder import Ladder, Rung
from feedrate.records.measurement import Failure, Measurement
from feedrate.records.phases import Phases
from feedrate.records.request import AblationRequest, ReplicateRequest
from feedrate.records.window import Window
from feedrate.runner.outcome import Heading, Replicate, outcome
from feedrate.runner.watch import Ending
from tests.records.test_codec import conditions, counts, gaps, groups, ladders, numbers, objects, phases, samples, texts
from tests.support.fuzzing import fuzzed

HEADING = Heading("sums/tiny/plain/train/cpu", "a run", 2, "2026-01-02T03:04:05+00:00", {"python": "3.11.7"})
WINDOWS = (Window(0.2, 10, 640), Window(0.25, 10, 640))
MEASURED = Measured(
    MeasuredCell(
        build_s=0.5,
        step=StepTimes(WINDOWS[:1], WINDOWS[1:], first_step_s=0.05, compiled=Compilation(3, 2, 4.5), recompiles=1),
        stream=StreamTimes(
            rounds=RoundTimes(
                full_windows=WINDOWS,
                step_windows=WINDOWS,
                loader_windows=WINDOWS[::-1],
                batch_gaps=BatchGaps.of([[0.02] * 9, [0.025] * 9]),
                discarded_batches=6,
                cut_discards=1,
            ),
            memory_samples=(),
            device=DevicePeaks(1, 2, 3),
            first_batch_s=0.14,
            batch_samples=64.0,
            smallest_batch_samples=8,
            largest_batch_samples=72,
            batch_bytes=4_096,
            epoch_bytes=65_536,
            ahead_batches=4,
            checked_batches=5,
        ),
        training=TrainingResult(0.7, 0.5, skipped_updates=2),
        page_cache="warm",
        conditions=Conditions(0.7, 4, 0.5, 0.6, 0.0),
        observed={"torch_threads": 2},
        phases=Phases(windows_s=1.5, discards_s=0.5),
    ),
    import_s=1.5,
    requested={"threads": 2},
)

paths = st.builds(Path, st.text("abc/.", min_size=1, max_size=9))
ablations = st.builds(AblationRequest, paths, cold=st.booleans(), facts=st.booleans())
requests = st.builds(
    ReplicateRequest,
    *(texts, paths, paths, numbers, counts),
    safe=st.booleans(),
    plugin_files=st.lists(paths, max_size=2).map(tuple),
    ablation=st.none() | ablations,
)
compilations = st.builds(Compilation, counts, counts, numbers)
step_times = st.builds(StepTimes, groups, groups, numbers, compilations, counts)
round_times = st.builds(RoundTimes, groups, groups, groups, gaps, counts, counts)
peaks = st.builds(DevicePeaks, *[st.none() | counts] * 3)
stream_times = st.builds(
    StreamTimes,
    *(round_times, st.lists(samples, max_size=2).map(tuple), peaks),
    *(numbers, numbers, counts, counts, counts),
)
results = st.builds(TrainingResult, st.none() | numbers, st.none() | numbers, counts)
cells = st.builds(
    MeasuredCell,
    *(numbers, step_times, stream_times, results, texts, conditions, objects, phases),
    ladder=st.none() | ladders,
)
answers = st.builds(Measured, cells, numbers, objects) | st.builds(
    Failed, st.sampled_from(("exception", "invalid", "unavailable")), texts
)


@fuzzed(0.25)
@given(request=requests)
def test_a_request_is_what_it_was_after_json(request: ReplicateRequest) -> None:
    assert decoded(ReplicateRequest, json.loads(json.dumps(encoded(request)))) == request


@fuzzed(0.25)
@given(answer=answers)
def test_an_answer_is_what_it_was_after_json(answer: ReplicateAnswer) -> None:
    assert decoded_as(ReplicateAnswer, json.loads(json.dumps(encoded(answer)))) == answer


def outcome_of(folder: Path, answer: object, ending: Ending) -> Replicate | Failure:
    file = folder / "answer.json"
    if answer is not None:
        file.write_text(answer if isinstance(answer, str) else json.dumps(answer))
    return outcome(HEADING, file, ending, folder / "one.log")


def test_what_was_measured_stands_beside_what_was_seen_from_outside(tmp_path: Path) -> None:
    replicate = outcome_of(tmp_path, encoded(MEASURED), Ending(pss_peak=10, shm_peak=20, left=("sleep 9",), wall_s=5.0))

    assert isinstance(replicate, Replicate)
    assert replicate.ladder is None
    measurement = replicate.measurement
    assert (measurement.cell, measurement.run, measurement.replicate) == (HEADING.cell, "a run", 2)
    assert (measurement.step_windows, measurement.loader_windows) == (WINDOWS, WINDOWS[::-1])
    assert measurement.full_windows == WINDOWS
    assert (measurement.step_windows_before, measurement.step_windows_after) == (WINDOWS[:1], WINDOWS[1:])
    assert (measurement.rounds, measurement.cut_discards) == (2, 1)
    assert measurement.phases == Phases(processes_s=3.0, windows_s=1.5, discards_s=0.5)
    assert (measurement.import_s, measurement.build_s) == (1.5, 0.5)
    assert (measurement.first_batch_s, measurement.first_step_s) == (0.14, 0.05)
    assert (measurement.ahead_batches, measurement.discarded_batches, measurement.checked_batches) == (4, 6, 5)
    assert (measurement.loss_first, measurement.loss_last, measurement.skipped_updates) == (0.7, 0.5, 2)
    assert (measurement.compiles, measurement.recompiles) == (3, 1)
    assert (measurement.graph_breaks, measurement.compile_s) == (2, 4.5)
    assert (measurement.batch_samples, measurement.batch_bytes) == (64.0, 4_096)
    assert (measurement.smallest_batch_samples, measurement.largest_batch_samples) == (8, 72)
    assert (measurement.host_peak_bytes, measurement.shm_peak_bytes) == (10, 20)
    assert measurement.device_allocated_peak_bytes == 1
    assert measurement.device_reserved_peak_bytes == 2
    assert measurement.device_used_peak_bytes == 3
    assert measurement.observed == {"torch_threads": 2, "left running": ["sleep 9"]}
    assert Measurement.from_json(json.loads(json.dumps(measurement.as_json()))) == measurement


def test_a_ladder_comes_with_the_measurement(tmp_path: Path) -> None:
    ladder = Ladder(rungs={"R0": Rung(WINDOWS, WINDOWS)})
    answer = replace(MEASURED, cell=replace(MEASURED.cell, ladder=ladder))

    replicate = outcome_of(tmp_path, encoded(answer), Ending())

    assert isinstance(replicate, Replicate)
    assert replicate.ladder == ladder


def changed(place: str, value: object) -> dict[str, Any]:
    raw: Any = json.loads(json.dumps(encoded(MEASURED)))
    *path, last = place.split(".")
    inner = raw
    for name in path:
        inner = inner[name]
    inner[last] = value
    return dict(raw)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ({}, "kind is missing"),
        (changed("kind", "guessed"), "kind is 'guessed', not one of measured, failed"),
        (changed("cell.stream.rounds.step_windows", []), "step_windows holds 0 windows instead of 2 or more"),
        (changed("cell.stream.memory_samples", 7), "cell.stream.memory_samples is 7, not a list"),
        (changed("cell.ladder", {"rungs": {"R0": {"full": [{"s": 0, "batches": 1, "samples": 1}]}}}), "rungs.R0.full"),
        ({"kind": "failed", "why": "boredom", "reason": ""}, "why is 'boredom', not one of exception, signal"),
    ],
)
def test_an_answer_that_something_wrote_over_is_a_failure_that_says_so(
    answer: object, fault: str, tmp_path: Path
) -> None:
    failure = outcome_of(tmp_path, answer, Ending())

    assert isinstance(failure, Failure)
    assert failure.why == "exception"
    assert failure.reason.startswith(f"its answer cannot be read, something wrote over it: {fault}")


@pytest.mark.parametrize(
    ("answer", "ending", "why", "reason"),
    [
        (encoded(Failed("invalid", "row 6 twice")), Ending(), "invalid", "row 6 twice"),
        (None, Ending(), "exception", "ended with status 0 and no answer"),
        ("{", Ending(), "exception", "ended with status 0 and no answer"),
        ("[1]", Ending(), "exception", "ended with status 0 and no answer"),
        ('{"kind": NaN}', Ending(), "exception", "ended with status 0 and no answer"),
        (encoded(MEASURED), Ending(status=3), "exception", "ended with status 3 and not as one that has answered ends"),
        (encoded(MEASURED), Ending(status=-9, left=("sleep 9",)), "signal", "ended by SIGKILL; it left running: sleep"),
        (encoded(MEASURED), Ending(stopped_for="hang"), "hang", "still running at its deadline"),
        (encoded(MEASURED), Ending(stopped_for="memory"), "out of memory", "ended because the machine had next to no"),
    ],
)
def test_how_a_process_ends_is_what_its_failure_says(
    answer: object, ending: Ending, why: str, reason: str, tmp_path: Path
) -> None:
    failure = outcome_of(tmp_path, answer, ending)

    assert isinstance(failure, Failure)
    assert failure.why == why
    assert failure.reason.startswith(reason)
    assert failure.environment == HEADING.environment
