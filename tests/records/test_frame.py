from __future__ import annotations

import re
from pathlib import Path

import pytest

from feedrate.records.frame import frame
from feedrate.records.raw_results import append
from tests.support import ROOT
from tests.support.outcomes import failure, measurement


def test_each_replicate_is_a_row_and_each_knob_a_column() -> None:
    cell = "boardmoves[net=resnet]/small/workers[count=2,pin=false]/compiled[mode=auto]/cuda"

    found = frame([measurement(cell), measurement(cell, replicate=1)])

    assert len(found) == 2
    first = found.iloc[0]
    assert [first[name] for name in ("workload", "size", "loader", "step", "device")] == [
        *("boardmoves", "small", "workers", "compiled", "cuda")
    ]
    assert (first["workload_net"], first["loader_count"], first["loader_pin"]) == ("resnet", 2, False)
    assert first["step_mode"] is None


def test_knobs_at_their_default_come_from_the_record() -> None:
    found = frame([measurement(requested={"safe": False, "loader.count": 4, "loader.cast": "device"})])

    assert (found.loc[0, "loader_count"], found.loc[0, "loader_cast"]) == (4, "device")


def test_what_was_not_measured_is_missing_and_never_0() -> None:
    found = frame([measurement(), failure()])

    assert found["device_peak_bytes"].isna().all()
    assert found.loc[1, ["samples_per_s", "host_peak_bytes", "loader_ceiling"]].isna().all()
    assert found.loc[1, "why"] == "exception"


def test_numbers_are_numbers_even_where_all_are_missing() -> None:
    found = frame([failure()])

    assert found["samples_per_s"].dtype == float
    assert found["host_peak_bytes"].dtype == float


def test_no_outcome_is_an_empty_table_with_the_same_columns() -> None:
    assert list(frame([]).columns) == list(frame([measurement()]).columns)


def test_the_properties_of_a_measurement_are_columns() -> None:
    one = measurement()

    found = frame([one]).iloc[0]

    assert found["samples_per_s"] == pytest.approx(one.samples_per_s)
    assert found["step_ceiling"] == pytest.approx(one.step_ceiling)
    assert (found["machine"], found["commit"]) == ("box-cpu", "0123456789abcdef")


def test_the_documentation_names_every_column() -> None:
    named = set(re.findall(r"`(\w+)`", (ROOT / "docs/results.md").read_text()))

    assert set(frame([measurement(), failure()]).columns) - named == set()


def test_the_code_in_the_documentation_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("plotly", reason="the page draws with plotly, which is not installed")
    page = ROOT / "docs/results.md"
    monkeypatch.chdir(tmp_path)
    for replicate in range(3):
        for loader in ("inline", "workers"):
            made = measurement(f"boardmoves/small/{loader}/fp32/cpu", replicate=replicate, full_ms=20 + replicate)
            append(Path("results/raw/one.jsonl"), made)
    append(Path("results/raw/one.jsonl"), failure())

    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(page), "exec"), scope)

    assert len(blocks) >= 2
    assert "plotly" in Path("loaders.html").read_text()
