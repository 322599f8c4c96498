"""What a training would take, as a person asks for it; a training whose times are known is projected right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from feedrate import Session, UsageError
from feedrate.records.raw_results import append
from tests.support.commands import feedrate, refused
from tests.support.outcomes import failure, measurement

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

BATCHES = 64
"""Of an epoch of `known`, small."""


@pytest.mark.answer
@pytest.mark.parametrize("size", ["tiny", "small"])
def test_a_training_of_known_times_is_projected_as_long_as_it_takes(size: str, tmp_path: Path) -> None:
    # Loader and step sleep: what others do on this machine cannot stretch that by much.
    loader = "paced[delay_us=40000,overlap=false,first_us=500000,boundary_us=2000000]"
    batches = {"tiny": 8, "small": BATCHES}[size]
    with Session(
        data=tmp_path / "data", results=None, logs=tmp_path / "logs", epoch_starts=True, quiet=True
    ) as session:
        results = session.measure(
            workload="known",
            loader=loader,
            step="timed[work_us=0,idle_us=60000]",
            size=size,
            device="cpu",
            replicates=1,
        )
        projected = results.projected(epochs=5)
    (measured,) = results.measurements

    assert measured.epoch_batches == batches
    assert measured.epoch_boundary_s == pytest.approx(2.0, rel=0.1)
    known_s = 0.5 + 5 * batches * 0.100 + 4 * 2.0
    # Training itself, and the clock of a sleep, come on top.
    assert known_s < projected.mean < 1.25 * known_s


def test_a_run_says_what_a_training_of_that_length_takes_and_show_says_so_of_another(tmp_path: Path) -> None:
    words = ("known", "--loader", "inline", "--step", "fp32", "--size", "tiny", "--seconds", "0.05", "--once")
    done = feedrate(tmp_path, "run", *words, "--device", "cpu", "--epochs", "3")

    assert done.returncode == 0, done.stderr
    assert "projected: 3 epochs, from opening the loader to the last update" in done.stdout
    shown = feedrate(tmp_path, "show", "--steps", "80", "--json")
    (record,) = json.loads(shown.stdout)
    projection = record["projection"]
    assert (projection["epochs"], projection["steps"]) == (None, 80)
    assert projection["s"] == pytest.approx(
        projection["start_up_s"] + projection["steady_s"] + projection["boundaries_s"]
    )
    assert record["epoch_batches"] == 8
    assert record["metrics"]["epoch_s"] > 0


def test_what_is_not_known_of_old_records_is_told(tmp_path: Path) -> None:
    file = tmp_path / "old.jsonl"
    append(file, measurement())
    append(file, failure())

    shown = feedrate(tmp_path, "show", str(file), "--epochs", "2").stdout

    assert "fp32 with inline: how many batches an epoch has is not known, so nothing is projected" in shown


def test_beginnings_that_were_not_met_are_named(tmp_path: Path) -> None:
    file = tmp_path / "raw.jsonl"
    append(file, measurement(epoch_batches=100))

    shown = feedrate(tmp_path, "show", str(file), "--epochs", "2").stdout

    assert "fp32 with inline: no beginning of a later epoch was met, so what it takes is left out" in shown


def test_epochs_and_steps_are_not_both_given(capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(["run", "--epochs", "2", "--steps", "3"], capsys)

    assert line == "feedrate: --epochs and --steps both say how long a training is; name one of the two"


def test_a_cell_for_programs_has_no_table_to_project_in(capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(["run", "--cell", "known/tiny/inline/fp32/cpu", "--epochs", "2"], capsys)

    assert line.endswith("beside --cell or --serve no table is printed; `feedrate show` takes them")


def test_results_of_no_known_epoch_say_so() -> None:
    from feedrate.api.results import Results

    with pytest.raises(UsageError, match="how many batches an epoch has is not known"):
        Results((measurement(),)).projected(epochs=2)
