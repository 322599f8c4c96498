"""What is measured in place of a cell that failed: rung by rung, each recorded as what it is."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.api.fallbacks import Fallbacks
from feedrate.api.session import Session
from feedrate.api.settings import Caller
from feedrate.errors import UsageError
from feedrate.plugin.cell import Cell
from feedrate.plugin.registry import Registry
from feedrate.records.measurement import Failure, Kind, Outcome
from feedrate.records.raw_results import read
from feedrate.report.console import console
from feedrate.report.rendered import as_text
from feedrate.report.table import show
from feedrate.runner.schedule import Run
from tests.support.outcomes import failure, measurement

LADDER = Fallbacks(oom_ladder=True)


def rungs(fallbacks: Fallbacks, cell: str, registry: Registry, why: Kind = "out of memory") -> list[str]:
    return [str(rung) for rung in fallbacks.rungs(Cell.parse(cell, registry), failure(cell, why=why))]


def test_out_of_memory_goes_down_by_chunks_then_batches_then_steps(registry: Registry) -> None:
    found = rungs(LADDER, "boardmoves/full/gpu_chunk/fp32/cuda", registry)

    half = "boardmoves[batch_size=512]/full/gpu_chunk[share=0.6]"
    assert found == [
        "boardmoves/full/gpu_chunk[share=0.6]/fp32/cuda",
        "boardmoves[batch_size=768]/full/gpu_chunk[share=0.6]/fp32/cuda",
        f"{half}/fp32/cuda",
        f"{half}/accumulated/cuda",
        f"{half}/accumulated[parts=16]/cuda",
        f"{half}/checkpointed/cuda",
    ]


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        # A batch is a day there: its size is not ours to choose.
        ("daywindows/tiny/inline/tf32/cuda", []),
        (
            "daywindows[batch=fixed]/tiny/inline/tf32/cuda",
            [f"daywindows[batch=fixed,batch_size={n}]/tiny/inline/tf32/cuda" for n in (12, 8)],
        ),
        ("fxseq[batch_size=1]/tiny/inline/none/cuda", []),
        # Whoever named the size of a chunk or a smaller share meant it.
        ("fxseq[batch_size=1]/tiny/gpu_chunk[chunk=4096]/none/cuda", []),
        ("fxseq[batch_size=1]/tiny/gpu_chunk[share=0.5]/none/cuda", []),
        (
            "fxseq[batch_size=1]/tiny/inline/bf16/cuda",
            [
                f"fxseq[batch_size=1]/tiny/inline/{step}/cuda"
                for step in (
                    "accumulated[precision=bf16]",
                    "accumulated[parts=16,precision=bf16]",
                    "checkpointed[precision=bf16]",
                )
            ],
        ),
    ],
)
def test_a_rung_is_there_only_where_there_is_something_to_give_up(
    cell: str, found: list[str], registry: Registry
) -> None:
    assert rungs(LADDER, cell, registry) == found


def test_a_loader_whose_workers_fail_goes_without(registry: Registry) -> None:
    retry, cell = Fallbacks(safe_retry=True), "fxseq/tiny/{}/fp32/cpu"

    crashes: tuple[Kind, ...] = ("exception", "signal", "hang")
    for why in crashes:
        assert rungs(retry, cell.format("workers"), registry, why) == [cell.format("workers[count=0]")]
    assert rungs(retry, cell.format("inline"), registry, "signal") == []
    assert rungs(retry, cell.format("workers[count=0]"), registry, "signal") == []
    assert rungs(retry, cell.format("workers"), registry, "invalid") == []
    assert rungs(Fallbacks(), cell.format("workers"), registry, "signal") == []
    assert rungs(Fallbacks(), cell.format("gpu_chunk"), registry) == []


def opened(folder: Path, measure: Callable[[str, int], Outcome], oom: str) -> Session:
    """A session that measures at once."""
    run = "20260102T030405-abcd"
    caller = Caller(console(io.StringIO()), {}, run)
    data, logs, results = (folder / name for name in ("data", "logs", "results"))
    session = Session(data=data, logs=logs, results=results, oom=oom, quiet=True, caller=caller)
    session.resources.run = Run(run, "now", {}, measure)
    return session


def test_the_first_rung_that_runs_is_the_answer_and_all_of_them_are_kept(tmp_path: Path) -> None:
    asked: list[tuple[str, int]] = []

    def measure(cell: str, replicate: int) -> Outcome:
        asked.append((cell, replicate))
        if "batch_size=8]" in cell:
            return measurement(cell, replicate=replicate)
        return replace(failure(cell, why="out of memory"), replicate=replicate)

    session = opened(tmp_path, measure, "ladder")
    outcomes = list(session.measure_all(workloads=["fxseq"], loaders=["inline"], steps=["fp32"], size="tiny",
                                        device="cpu", replicates=2))  # fmt: skip

    whole, less, half = (f"fxseq{batch}/tiny/inline/fp32/cpu" for batch in ("", "[batch_size=12]", "[batch_size=8]"))
    assert asked == [(whole, 0), (less, 0), (half, 0), (half, 1)]
    assert [outcome.in_place_of for outcome in outcomes] == [None, whole, whole, whole]
    assert session.raw is not None
    assert [line.in_place_of for line in read(session.raw)] == [None, whole, whole, whole]
    told = as_text(lambda target: show(target, outcomes))
    assert f"fallback: in place of {whole}, which failed" in " ".join(told.split())
    assert "failed, out of memory" in told


def test_out_of_memory_alone_stays_a_result(tmp_path: Path) -> None:
    session = opened(tmp_path, lambda cell, _: failure(cell, why="out of memory"), "result")
    (outcome,) = session.measure_all(workloads=["fxseq"], loaders=["inline"], steps=["fp32"], size="tiny", device="cpu")

    assert isinstance(outcome, Failure)


def test_what_becomes_of_it_is_one_of_two_words() -> None:
    with pytest.raises(UsageError, match="oom='steps' is none of result, ladder"):
        Session(oom="steps")
