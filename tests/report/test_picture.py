"""What `feedrate why` prints of evidence that was made up."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from feedrate.diagnosis.diagnosis import Diagnosis
from feedrate.records.ladder import Ladder, Rung
from feedrate.records.window import Window
from feedrate.report.diagnosis import show
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
