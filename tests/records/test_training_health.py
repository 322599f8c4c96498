"""How a model answers is kept with the numbers of its cell."""

from __future__ import annotations

from pathlib import Path

import pytest

from feedrate.records.document import document
from feedrate.records.raw_results import append, read
from feedrate.records.training_health import ForecastHealth, ModuleGradient, TrainingHealth
from tests.support.outcomes import measurement

HEALTH = TrainingHealth(
    (
        ForecastHealth("y", 0, 64, 0.0, 0.0, 0.1, 0.2, 1.0, 2.0, 0.5),
        ForecastHealth("y", 1, 64, 0.5, 0.0, 0.1, 0.2, 0.001, 2.0, 0.1),
        ForecastHealth("z", samples=64, missing=1.0),
    ),
    5.0,
    (ModuleGradient("body", 3.0), ModuleGradient("head", 4.0)),
    ("attention",),
)


def test_health_is_read_as_it_was_written_and_a_line_without_it_has_none(tmp_path: Path) -> None:
    written = [measurement(health=HEALTH), measurement(replicate=1)]
    for outcome in written:
        append(tmp_path / "raw.jsonl", outcome)

    assert list(read(tmp_path / "raw.jsonl")) == written
    assert "health" not in (tmp_path / "raw.jsonl").read_text().splitlines()[1]


def test_a_column_is_dead_by_its_targets_scale_alone() -> None:
    alive, dead, unknown = HEALTH.forecasts

    assert [part.name for part in HEALTH.forecasts] == ["y[0]", "y[1]", "z"]
    assert [part.scale for part in (alive, dead, unknown)] == [0.5, 0.0005, None]
    assert [part.is_dead for part in (alive, dead, unknown)] == [False, True, False]


def test_programs_get_the_weakest_horizon_and_the_mean_correlation() -> None:
    metrics, without = (document(outcome)["metrics"] for outcome in (measurement(health=HEALTH), measurement()))

    assert isinstance(metrics, dict)
    assert isinstance(without, dict)
    assert (metrics["gradient_norm"], metrics["least_scale"]) == (5.0, 0.0005)
    assert metrics["mean_correlation"] == pytest.approx(0.3)
    assert [without[name] for name in ("gradient_norm", "least_scale", "mean_correlation")] == [None] * 3
