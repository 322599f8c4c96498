"""What `feedrate why` prints of evidence that was made up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from feedrate.diagnosis.diagnosis import Diagnosis
from feedrate.records.copy_rates import CopyRates
from feedrate.records.ladder import Ladder, Rung
from feedrate.records.soak import Phase
from feedrate.records.window import Window
from feedrate.report.diagnosis import show
from tests.diagnosis.test_symptoms import PHASES, soaked
from tests.support.outcomes import measurement


def diagnosis(whole: Window, **ladder: object) -> Diagnosis:
    rungs = {"R0": Rung((Window(0.1, 10, 2_560),)), "R4": Rung((whole,), (Window(0.12, 10, 2_560),))}
    return Diagnosis.of([(measurement(batch_samples=256.0), Ladder(rungs, epoch_batches=10, **ladder))])  # type: ignore[arg-type]


def printed(tmp_path: Path, *found: Diagnosis) -> list[str]:
    with (tmp_path / "out").open("w") as file:
        show(Console(file=file, width=300), found)
    return (tmp_path / "out").read_text().splitlines()


def test_windows_that_met_other_batches_than_an_epoch_has_are_said_to(tmp_path: Path) -> None:
    small = printed(tmp_path, diagnosis(Window(0.2, 10, 1_280)))
    usual = printed(tmp_path, diagnosis(Window(0.2, 10, 2_500)))

    assert [line for line in small if line.startswith("! ")] == [
        "! batches differ in size, and windows met 128 to 256 samples a batch where an epoch has 256: brought to"
        " that size, and exacter with longer windows (--seconds)"
    ]
    assert not any(line.startswith("! ") for line in usual)


def test_one_cell_has_no_table_and_several_have_one(tmp_path: Path) -> None:
    asked = diagnosis(Window(0.2, 10, 2_560))
    ahead = diagnosis(
        Window(0.2, 10, 2_560), step_beside=(Window(0.15, 10, 2_560),), loader_beside=(Window(0.24, 10, 2_560),)
    )

    assert not any(line.startswith("ms a batch") for line in printed(tmp_path, asked))
    heading, first, second = printed(tmp_path, asked, ahead)[-3:]
    assert heading.split()[3:8] == ["T_S", "T_S'", "+-", "slower", "by"]
    assert first.split()[1:9] == ["10.0", "-", "-", "-", "12.0", "-", "-", "-"]
    assert second.split()[1:9] == ["10.0", "15.0", "-", "x1.50", "12.0", "24.0", "-", "x2.00"]


def test_details_say_what_was_added_by_owner_pages_of_files_apart(tmp_path: Path) -> None:
    added: Mapping[str, Mapping[Phase, float]] = {
        "trainer_file_bytes": dict.fromkeys(PHASES, 100_000.0),
        "threads": {"step": 0.1},
    }
    pages = diagnosis(Window(0.2, 10, 2_560), soak=soaked(held=added))
    with (tmp_path / "out").open("w") as file:
        show(Console(file=file, width=300), [pages], details=True)
    (line,) = [line for line in (tmp_path / "out").read_text().splitlines() if line.startswith("soak ")]

    assert "in 360 batches its pages of files (page cache) +36.0 MB, " in line
    assert "+12 threads; the garbage collector took 0.0% of the time" in line
    assert not pages.symptoms or [symptom.kind for symptom in pages.symptoms] == ["thread growth"]


def test_details_say_how_near_copies_come_to_what_the_machine_can_do(tmp_path: Path) -> None:
    rungs = {"R1": Rung((Window(0.2, 10, 2_560),), (Window(0.02, 10, 2_560),))}
    rates = CopyRates(pageable=5e9, page_locked=20e9)

    def line(rungs: Mapping[str, Rung], rates: CopyRates | None, **copied: int) -> list[str]:
        measured = measurement(batch_samples=256.0, **copied)  # type: ignore[arg-type]
        file = (tmp_path / "out").open("w+")
        with file:
            ladder = Ladder(rungs, epoch_batches=10, copy_rates=rates)
            show(Console(file=file, width=300), [Diagnosis.of([(measured, ladder)])], details=True, explain=True)
            file.seek(0)
            lines = file.read().splitlines()
        assert any(line.startswith("      copies  bytes a second") for line in lines) == (rates is not None)
        return [line for line in lines if line.startswith("copies ")]

    limit = "20.0 GB/s that single large copies reach from page-locked memory; 5.00 GB/s from other memory"
    # 10 MB a batch in 2 ms.
    assert line(rungs, rates, pinned_copy_bytes=8_000_000, pageable_copy_bytes=2_000_000) == [
        f"copies      batches that are ready come at 5.00 GB/s, 25% of {limit}"
    ]
    assert line({}, rates, pinned_copy_bytes=8_000_000) == line(rungs, rates) == [f"copies      at most {limit}"]
    assert line(rungs, None, pinned_copy_bytes=8_000_000) == []


def test_what_gets_worse_stands_below_what_to_try_and_in_json(tmp_path: Path) -> None:
    soak = soaked(held={"trainer_bytes": {"step": 100_000, "both": 100_000}})
    sick = diagnosis(Window(0.2, 10, 2_560), soak=soak)
    healthy = diagnosis(Window(0.2, 10, 2_560), soak=soaked())

    lines = printed(tmp_path, sick)
    (line,) = [line for line in lines if line.startswith("and ")]
    place = lines.index(line)
    assert lines[place - 1].startswith("next ")
    assert line.startswith("and         memory growth: ")
    assert "with every batch in the step, and no end in 360 batches" in line
    assert "memory is full after" in line
    assert ": try .detach()" in line
    assert not any(line.startswith("and ") for line in printed(tmp_path, healthy))

    (symptom,) = json.loads(json.dumps(sick.as_json()))["symptoms"]
    assert (symptom["kind"], symptom["place"]) == ("memory growth", "step")
    assert line == f"and         {symptom['statement']}: {symptom['advice']}"
    assert healthy.as_json()["symptoms"] == []
    assert Diagnosis.from_json(json.loads(json.dumps(sick.as_json()))) == sick
