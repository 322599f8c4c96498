"""What a person reads, told by its text."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import takewhile

import pytest
from rich.console import Console

from feedrate.formatting import byte_size, factor, number, share
from feedrate.records.batch_gaps import BatchGaps
from feedrate.records.conditions import Conditions, GpuClock
from feedrate.records.measurement import Measurement, Outcome
from feedrate.records.training_health import ForecastHealth, ModuleGradient, TrainingHealth
from feedrate.records.window import Window
from feedrate.report.caption import caption
from feedrate.report.console import console
from feedrate.report.progress import run_progress
from feedrate.report.table import COLUMNS, show
from tests.support.outcomes import failure, measurement


def told(outcomes: Iterable[Outcome], *, explain: bool = False, details: bool = False) -> str:
    """The table as it goes into a pipe."""
    file = io.StringIO()
    show(console(file), outcomes, explain=explain, details=details)
    return file.getvalue()


def row(text: str, loader: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if f" {loader} " in line)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((0.01234, "0.0123"), (1.2345, "1.23"), (99.96, "100"), (12345.6, "12,346"), (0, "0.00")),
        *((None, "-"), (float("nan"), "-"), (float("inf"), "-")),
    ],
)
def test_numbers_have_three_digits_that_matter(value: float | None, text: str) -> None:
    assert number(value) == text


def test_what_is_absent_is_a_dash() -> None:
    assert [factor(None), share(None), byte_size(None)] == ["-", "-", "-"]
    assert "0" not in row(told([failure()]), "workers")[2:-1]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_000, "1.00 kB"),
        (999_999, "1.00 MB"),
        (38_400_000, "38.4 MB"),
        (-512_000_000, "-512 MB"),
        (34_359_738_368, "34.4 GB"),
        (4e15, "4,000 TB"),
    ],
)
def test_a_size_has_the_unit_that_leaves_something_of_it(count: float, text: str) -> None:
    assert byte_size(count) == text


def test_a_cell_is_a_row_with_its_three_times_and_both_ceilings() -> None:
    text = told([measurement(full_ms=20, loader_ms=16, step_ms=10)])

    assert row(text, "inline") == [*("fp32", "inline", "12,800", "-", "20.0", "16.0", "x2.00", "x1.25", "0.140", "812")]
    assert "\n  fp32: T_S 10.0 ms; " in text
    assert "boardmoves, small, cpu" in text


def test_knobs_stay_in_the_loaders_name() -> None:
    assert row(told([measurement("boardmoves/small/workers[count=2]/fp32/cpu")]), "workers[count=2]")


def test_one_replicate_has_no_interval_and_three_have_one() -> None:
    three = [measurement(replicate=k, full_ms=20 + k) for k in range(3)]

    assert row(told(three[:1]), "inline")[3] == "-"
    assert row(told(three), "inline")[3] == "12%"


def paces(*batch_ms: float) -> tuple[Window, ...]:
    """Windows of 20 batches of 256 samples, each at its own milliseconds a batch."""
    return tuple(Window(s=20 * ms / 1e3, batches=20, samples=20 * 256) for ms in batch_ms)


def test_the_fastest_loader_of_each_step_is_marked() -> None:
    slow, fast = "boardmoves/small/inline/fp32/cpu", "boardmoves/small/threads/fp32/cpu"

    text = told([measurement(slow, full_ms=30), measurement(fast, full_ms=20)])

    assert row(text, "threads")[2] == "*"
    assert row(text, "inline")[2] == "8,533"
    assert text.index("threads") < text.index("inline")


def test_no_loader_is_marked_where_the_fastest_is_not_told_apart() -> None:
    cells = ("boardmoves/small/inline/fp32/cpu", "boardmoves/small/threads/fp32/cpu")
    near = [
        measurement(cell, replicate=k, full_ms=20 + (k ^ place) + place / 9)
        for place, cell in enumerate(cells)
        for k in (0, 1)
    ]

    text = told(near)

    assert (row(text, "inline")[2], row(text, "threads")[2]) == ("12,495", "12,428")
    assert "the two are not told apart" in text


def test_several_that_lead_together_have_a_mark_of_their_own() -> None:
    spread = {"inline": (20.0, 10.0), "threads": (20.3, 10.1), "workers": (60.0, 10.05)}
    text = told(
        measurement(f"boardmoves/small/{loader}/fp32/cpu", full_ms=full_ms, step_ms=step_ms)
        for loader, (full_ms, step_ms) in spread.items()
    )

    assert [row(text, loader)[2] for loader in spread] == ["~", "~", "4,267"]
    assert "*" not in text
    assert "inline and threads lead, x2.96 (2.85 to 3.07)" in text


def test_a_ceiling_below_one_is_no_gain() -> None:
    text = told([measurement(full_ms=10, loader_ms=12, step_ms=11)])

    assert row(text, "inline")[6:10] == ["none", "(noise)", "none", "(noise)"]
    assert "x0." not in text


def test_the_step_alone_is_one_number_of_its_loaders_with_its_spread() -> None:
    times = {"inline": 9.0, "threads": 10.0, "workers": 11.0}
    text = told(measurement(f"boardmoves/small/{name}/fp32/cpu", step_ms=ms) for name, ms in times.items())

    assert "T_S ms" not in text
    assert "\n  fp32: T_S 10.0 ms (9.00 to 11.0); " in text


def test_a_replicate_that_failed_takes_the_number_away() -> None:
    text = told([measurement(), failure("boardmoves/small/inline/fp32/cpu", "hang", "deadline", replicate=1)])

    assert row(text, "inline")[2] == "failed"
    assert "12,800" not in text
    assert "failed, hang, 1 of 2 replicates: deadline" in text


def test_what_is_unavailable_is_n_a_with_the_way_out() -> None:
    text = told([failure(why="unavailable", reason="needs a CUDA device: run elsewhere")])

    assert row(text, "workers")[2] == "n/a"
    assert "n/a: needs a CUDA device: run elsewhere" in text


def test_a_step_that_no_loader_can_feed_here_is_one_row() -> None:
    loaders = ("inline", "threads", "workers")
    absent = [failure(f"boardmoves/small/{loader}/fp16/cpu", "unavailable", "needs CUDA") for loader in loaders]

    text = told([measurement(), *absent])

    assert text.count("fp16") == 1
    assert row(text, "all")[:4] == ["fp16", "all", "3", "n/a"]
    assert text.count("n/a: needs CUDA") == 1


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"requested": {"safe": True}}, "safe mode: 0 worker processes"),
        ({"ahead_batches": 5}, "flatter it by more than 5%"),
        ({"step_windows": paces(10, 13)}, "changed its pace by more than 20%"),
        ({"page_cache": "cold"}, "page cache cold, not warm"),
        ({"recompiles": 2}, "built 2 graphs again"),
        ({"full_ms": 30.0}, "take turns"),
        (
            {"requested": {"loader.pin": True}, "pinned_copy_bytes": 1_000, "pageable_copy_bytes": 9_000},
            "9.00 kB of 10.0 kB a batch were copied to the device from memory that is not page-locked",
        ),
    ],
)
def test_what_bends_a_number_is_said_below_the_table(changes: dict[str, object], note: str) -> None:
    plain, bent = told([measurement(full_ms=13)]), told([measurement(**({"full_ms": 13} | changes))])  # type: ignore[arg-type]

    assert note not in plain
    assert note in bent
    assert row(bent, "inline")[-1] == "1"


def test_a_step_that_trains_nothing_has_no_pace_to_change() -> None:
    text = told([measurement(step_windows=paces(10, 13), loss_first=None, loss_last=None)])

    assert "pace" not in text


def test_the_same_remark_stands_once() -> None:
    cells = [f"boardmoves/small/{loader}/fp32/cpu" for loader in ("inline", "threads")]

    text = told(measurement(cell, page_cache="cold") for cell in cells)

    assert text.count("not warm") == 1


def test_what_most_cells_share_is_one_line_of_the_run() -> None:
    cells = [f"boardmoves/small/{loader}/fp32/cpu" for loader in ("inline", "threads", "workers", "gpu_chunk")]
    steps = [paces(10, ms) for ms in (10, 11, 13, 16)]
    text = told(measurement(cell, full_ms=13, step_windows=step) for cell, step in zip(cells, steps, strict=True))

    assert text.count("changed its pace") == 1
    assert (
        "note        3 of 4 cells that train: the step alone changed its pace by more than 5% during the run: the"
        " machine was not steady (by more than 20% in 2, 50% in 1)\n"
    ) in text
    assert row(text, "gpu_chunk")[-1] == "812"


def by_turns(*paces: tuple[float, float]) -> Measurement:
    """One process whose rounds took so many milliseconds a batch, both together and the step alone."""
    full, step = ([Window(ms / 100, 10, 2_560) for ms in kind] for kind in zip(*paces, strict=True))
    return replace(
        measurement(),
        full_windows=tuple(full),
        loader_windows=tuple(full),
        step_windows=tuple(step),
        step_windows_before=tuple(step),
        rounds=len(paces),
    )


def test_one_process_that_took_turns_has_intervals_of_its_own_and_a_machine_that_drifts_cancels() -> None:
    text = told([by_turns((20, 10), (30, 15), (41, 20), (49, 25))], details=True)
    block = told([measurement(full_ms=20, step_ms=10)], details=True)

    assert "loading is a limit; a perfect loader would gain x2.00 (1.9" in text
    assert re.search(
        r"^fp32 +inline +17\.5 +x2\.00 \(1\.9\d to 2\.0\d\) +x1\.00 \(1\.00 to 1\.00\) ", text, re.MULTILINE
    )
    assert "a perfect loader would gain x2.00\n" in block


def test_a_ceiling_that_may_be_a_gain_says_so_in_the_details_and_one_below_1_is_none() -> None:
    text = told([by_turns((9, 10), (11, 10), (9.5, 10), (9.6, 10))], details=True)

    assert re.search(r" none \(0\.\d+ to 1\.\d+\) ", text)
    assert "what limits it is not clear; a perfect loader would gain x1." in text


def test_the_details_have_the_gaps_between_batches_and_the_longest_stall() -> None:
    gaps = [0.02] * 98 + [0.1, 0.5]
    kept = [measurement(replicate=0, batch_gaps=BatchGaps.of([gaps])), measurement(replicate=1)]
    plain, detailed = told(kept), told(kept, details=True)

    assert "gap p50 ms" not in plain
    heading, line = (
        re.split(r"  +", text)
        for text in detailed.splitlines()
        if "gap p50" in text or ("inline  " in text and "500" in text)
    )
    assert dict(zip(heading, line, strict=True)) == {
        "step": "fp32", "loader": "inline", "T_S ms": "10.0", "loader up to": "x2.00 (2.00 to 2.00)",
        "step up to": "x1.67 (1.67 to 1.67)", "gap p50 ms": "20.0", "gap p95 ms": "20.0",
        "gap p99 ms": "62.0", "longest stall ms": "500",
    }  # fmt: skip


def test_the_caption_sums_up_the_gpu_while_it_worked() -> None:
    clocks = (GpuClock(1_410, 1_980, 0, 312.4, 61), GpuClock(1_980, 1_980, 0, 350.0, 61), GpuClock(1_700, 1_980, 0))
    busy = measurement(conditions=Conditions(2.0, 8, 3.0, 3.1, 0.0, clocks=clocks))

    assert "GPU         1,410 to 1,980 MHz, 312 to 350 W, 61 C right after it had been busy" in caption([busy])
    assert not [line for line in caption([measurement()]) if line.startswith("GPU")]


def test_the_caption_says_machine_software_and_run() -> None:
    text = told([measurement()])

    assert "box-cpu: A processor, 4 of 8 cores, 32.0 GB" in text
    assert "torch 2.15.0, pyarrow 26.0.1, git 01234567 with uncommitted changes" in text
    assert "1 replicate of each cell, page cache warm" in text
    assert "set: OMP_NUM_THREADS" in text


def test_every_column_is_explained_when_asked() -> None:
    text = told([measurement(device_reserved_peak_bytes=10**9)], explain=True)

    assert all(meaning in text for meaning in COLUMNS.values())


def test_the_device_column_is_there_only_where_there_was_one() -> None:
    assert "GPU MB" not in told([measurement()])
    assert "GPU MB" in told([measurement(device_reserved_peak_bytes=10**9)])


def test_steps_that_have_numbers_come_first() -> None:
    text = told([failure("boardmoves/small/inline/tf32/cpu", "unavailable", "no GPU"), measurement()])

    assert text.index("fp32") < text.index("tf32")


def test_nothing_measured_is_said() -> None:
    assert told([]) == "nothing was measured\n"


def test_a_full_table_fits_120_columns_of_a_terminal() -> None:
    file = io.StringIO()
    terminal = Console(file=file, force_terminal=True, color_system=None, width=120, markup=False, highlight=False)
    cell = "boardmoves/full/workers[count=2,prefetch=4]/compiled/cuda"

    show(
        terminal, [measurement(cell, replicate=k, device_reserved_peak_bytes=10**10, page_cache="cold") for k in (0, 1)]
    )

    line = next(line for line in file.getvalue().splitlines() if "compiled" in line)
    assert "workers[count=2,prefetch=4]" in line
    assert line.rstrip().endswith("1,2")


def test_progress_in_a_pipe_is_a_line_an_outcome() -> None:
    file = io.StringIO()
    with run_progress(console(file), quiet=False) as progress:
        progress.begin("boardmoves/small/inline/fp32/cpu", 2)
        progress.end(measurement())
        progress.begin("boardmoves/small/workers/fp32/cpu", 1)
        progress.end(failure())

    assert file.getvalue().splitlines() == [
        "boardmoves/small/inline/fp32/cpu: 12,800 samples/s (1 to go)",
        "boardmoves/small/workers/fp32/cpu: failed, exception: ValueError: no",
    ]


def test_progress_on_a_terminal_counts_what_is_left() -> None:
    file = io.StringIO()
    terminal = Console(file=file, force_terminal=True, color_system=None, width=120)
    with run_progress(terminal, quiet=False) as progress:
        progress.end(failure(why="unavailable"))
        progress.begin("boardmoves/small/inline/fp32/cpu", 2)
        progress.end(measurement())

    assert "1/2" in file.getvalue()
    assert "n/a: ValueError: no" in file.getvalue()


def horizon(column: int | None, deviation: float, **changes: object) -> ForecastHealth:
    """A column of the target `returns`, whose deviation is 2."""
    made = ForecastHealth("returns", column, 64, 0.0, 0.0, 0.1, 0.2, deviation, 2.0, 0.25)
    return replace(made, **changes)  # type: ignore[arg-type]


HEALTH = TrainingHealth(
    (horizon(0, 1.0), horizon(1, 0.5, missing=0.125)),
    5.0,
    (ModuleGradient("body", 3.0), ModuleGradient("head", 4.0)),
    ("layers.1", "attention"),
    1_234,
)


def test_the_details_have_each_horizon_and_the_gradient_of_each_module_and_a_plain_table_has_neither() -> None:
    outcomes = [measurement(health=HEALTH), measurement("boardmoves/small/threads/fp32/cpu", health=HEALTH)]
    plain, details = told(outcomes), told(outcomes, details=True)

    assert table_of(details, "deviation") == [
        "fp32 returns[0] 0.0% 0.0% 0.100 1.00 2.00 0.500 0.25",
        "fp32 returns[1] 12% 0.0% 0.100 0.500 2.00 0.250 0.25",
    ]
    assert details.count("fp32: gradient 5.00 of 1,234 parameters: body 3.00, head 4.00") == 1
    assert "returns[0]" not in plain
    assert "gradient 5" not in plain


def test_of_many_horizons_their_mean_is_told_and_the_one_of_least_scale() -> None:
    many = tuple(horizon(number, 1.0 - 0.01 * number) for number in range(36))
    text = told([measurement(health=TrainingHealth(many))], details=True)

    assert [line.split()[1:4] for line in table_of(text, "deviation")] == [
        ["returns,", "mean", "of"],
        ["returns[35],", "least", "scale"],
    ]


def test_a_module_without_a_gradient_and_a_target_with_holes_are_noted_below_a_plain_table() -> None:
    text = told([measurement(health=HEALTH)])

    assert "no gradient reaches layers.1, attention: bypassed, detached or not used" in text
    assert "more than 5% of the target returns is NaN or infinite (up to 12% of a column)" in text
    healthy = replace(HEALTH, forecasts=HEALTH.forecasts[:1], without_gradient=())
    assert "gradient reaches" not in told([measurement(health=healthy)])
    assert "NaN or infinite" not in told([measurement(health=healthy)])


def table_of(text: str, heading: str) -> list[str]:
    """The lines below the headings among which is that one, a blank between two values."""
    lines = text.splitlines()
    first = next(place for place, line in enumerate(lines) if heading in line.split())
    return [" ".join(line.split()) for line in takewhile(lambda line: line.startswith("fp32"), lines[first + 1 :])]


def test_details_tell_of_what_an_epoch_consists_and_what_a_batch_has_done() -> None:
    plain = measurement(epoch_batches=160, smallest_batch_samples=8, largest_batch_samples=16, epoch_blocks=16)
    text = told([replace(plain, epoch_files=2, events={"graph built": 1.0, "file opened": 0.0625})], details=True)

    assert "160 batches an epoch, of 8 to 16 samples; 10.0 for each of 16 blocks; 80.0 for each of 2 files" in text
    assert "fp32 with inline: for each batch file opened 0.0625 times, graph built 1.00 times" in text
    # What nobody knows is not said.
    assert "an epoch" not in told([measurement()], details=True)
