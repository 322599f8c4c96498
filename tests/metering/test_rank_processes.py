"""Two processes that train one model on the host: what is told of each, and of the one that holds the other up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from feedrate.cli import main
from feedrate.records.rank_times import RankTimes, stragglers
from tests.support import PLUGINS

pytestmark = [pytest.mark.process, pytest.mark.command]

ROWS = 203


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> int:
    plugin = ("--plugin", str(PLUGINS / "ranked.py"), "--seconds", "0.05", "--quiet", "--once", "--device", "cpu")
    return main(["run", "sums", "--size", "tiny", "--step", "fp32", *plugin, *words])


def two_ranks(loader: str, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[Any, Any]:
    """Give the lines of JSON of one rank and of two."""
    run("--loader", loader, "--ranks", "2", "--json", *words)
    alone, together = json.loads(capsys.readouterr().out)
    assert (alone["cell"], together["cell"]) == tuple(f"sums/tiny/{loader}/fp32/{name}" for name in ("cpu", "2xcpu"))
    return alone, together


def test_every_row_is_served_once_over_the_ranks_and_their_gain_is_told(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NOTED_ROWS", str(here))
    # Projected, too: no rank may go its own way for that.
    alone, together = two_ranks("noting", capsys, "--epochs", "3")
    served = [json.loads((here / str(rank)).read_text()) for rank in range(2)]

    assert sorted(chain(*served)) == list(range(ROWS))
    assert together["batch_samples"] == pytest.approx(2 * alone["batch_samples"])
    assert [rank["rank"] for rank in together["ranks"]] == [0, 1]
    rates = [outcome["metrics"]["samples_per_s"] for outcome in (alone, together)]
    assert together["scaling"]["efficiency"] == pytest.approx(rates[1] / rates[0] / 2)
    assert together["epoch_batches"] == -(-alone["epoch_batches"] // 2)
    assert together["epoch_starts"] is together["smallest_batch_samples"] is None
    assert together["projection"]["boundaries_s"] is None
    assert alone["smallest_batch_samples"] <= alone["batch_samples"] <= alone["largest_batch_samples"]
    assert alone["ranks"] is None
    assert "scaling" not in alone


def test_a_rank_that_is_slow_at_loading_is_named_and_its_twin_is_not(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--loader", "late", "--ranks", "2") == 0
    text = capsys.readouterr().out
    assert "rank 1 is a straggler" in text
    assert "rank 0 is a straggler" not in text
    assert "2 ranks: x" in text


@pytest.mark.parametrize(
    ("loader", "kind", "words"),
    [
        ("dying", "signal", "rank 1 was ended by SIGKILL"),
        ("raising", "out of memory", "rank 1: MemoryError: no room"),
        ("hanging", "hang", "rank 1 did not come to where others waited"),
    ],
)
def test_a_rank_that_fails_ends_the_other_and_is_named(
    here: Path, capsys: pytest.CaptureFixture[str], loader: str, kind: str, words: str
) -> None:
    _, together = two_ranks(loader, capsys, "--deadline-s", "60")
    assert together["failure"]["kind"] == kind
    assert together["failure"]["reason"].startswith(words)


@pytest.mark.parametrize(("waits", "late"), [((0.001, 0.03), [1]), ((0.03, 0.031), []), ((0.0, 0.0), [])])
def test_who_waits_as_long_as_the_others_holds_nobody_up(waits: Sequence[float], late: list[int]) -> None:
    ranks = [RankTimes(number, 0.05, 0.02, 0.03, wait_s) for number, wait_s in enumerate(waits)]
    assert [rank.rank for rank in stragglers(ranks)] == late


def test_under_torchrun_one_line_says_the_way_out(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    assert run("--loader", "inline") == 2
    told = capsys.readouterr().err
    assert "--ranks N" in told
    assert told.count("\n") == 1


def test_the_simulated_device_has_no_ranks(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--loader", "late", "--ranks", "2", "--device", "simulated") == 2
    assert "there is but one device" in capsys.readouterr().err
