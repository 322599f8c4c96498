"""Which cells `feedrate compare A B` means."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from feedrate.api.variant_spec import ComparisonSpec, pairings
from feedrate.errors import UnavailableError, UsageError
from tests.support import PLUGINS

OFFERED = PLUGINS / "offered.py"


def found(a: str, b: str, plugins: Sequence[Path] = (OFFERED,)) -> tuple[ComparisonSpec, ...]:
    return pairings(a, b, plugins, "tiny", "cpu")


def cells(a: str, b: str) -> list[tuple[str, str]]:
    return [(pairing.a_cell, pairing.b_cell) for pairing in found(a, b)]


def test_what_a_short_cell_leaves_out_comes_from_the_options() -> None:
    (one,) = found("sums/plain/train", "sums/tiny/plain[depth=4]/train/cpu")

    assert one.a_cell == "sums/tiny/plain/train/cpu"
    assert one.b_cell == "sums/tiny/plain[depth=4]/train/cpu"
    assert list(one.recipes) == ["sums-tiny"]


@pytest.mark.parametrize(
    ("b", "told"),
    [
        ("fxseq/inline/none", "sums and fxseq are two workloads: a sample of one is no sample of the other"),
        ("sums/small/plain/none", "tiny and small are two sizes: a sample of one is no sample of the other"),
        ("sums/small/plain/none@HEAD", "tiny and small are two sizes: a sample of one is no sample of the other"),
    ],
)
def test_samples_of_different_data_are_not_compared(b: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        found("sums/plain/none", b)


def test_one_task_in_two_layouts_or_batch_sizes_is_compared() -> None:
    (one,) = found("fxseq[layout=gzip]/inline/none", "fxseq[batch_size=8]/inline/none")

    assert len(one.recipes) == 2


def test_a_side_without_a_cell_is_the_other_with_other_code() -> None:
    (one,) = found("sums/gone/train@main", "@HEAD")

    assert one.a_cell == one.b_cell == "sums/tiny/gone/train/cpu"
    assert (one.a.commit, one.b.commit) == ("main", "HEAD")


def test_what_ends_like_a_python_file_is_one() -> None:
    (one,) = found(f"sums/reread/none@{OFFERED.with_name('reread.py')}", "@HEAD", plugins=())

    assert one.a.file is not None
    assert one.a.commit == ""
    assert one.b.file is None


def test_the_control_is_the_step_on_batches_that_are_ready() -> None:
    (one,) = found("sums/plain/train", "sums/inline/fp32")

    assert str(one.control) == "sums/tiny/resident/train/cpu"


def test_the_control_of_a_step_that_trains_nothing_trains() -> None:
    (one,) = found("sums/plain/none", "sums/inline/none")

    assert one.control.step.trains


def test_a_star_stands_for_all_that_are_not_hidden_and_can_run_here() -> None:
    loaders = [a.split("/")[2] for a, _ in cells("sums/*/train", "sums/inline/train")]

    assert {"plain", "threads", "workers"} <= set(loaders)
    assert not {"stuck", "needy", "resident"} & set(loaders)


def test_a_star_is_the_same_on_both_sides_and_nothing_meets_itself_unless_all_do() -> None:
    assert ("sums/tiny/plain/train/cpu", "sums/tiny/plain/train/cpu") in cells("sums/*/train", "sums/*/train")
    assert all(a.split("/")[3] == b.split("/")[3] for a, b in cells("sums/plain/*", "sums/inline/*"))
    assert ("sums/tiny/inline/train/cpu", "sums/tiny/inline/train/cpu") not in cells(
        "sums/*/train", "sums/inline/train"
    )


def test_a_cell_that_was_named_may_meet_itself() -> None:
    assert cells("sums/plain/train", "sums/plain/train") == [("sums/tiny/plain/train/cpu",) * 2]


def test_a_device_that_is_no_hardware_is_not_compared() -> None:
    for side in ("sums/tiny/plain/train/simulated", "sums/tiny/plain/train/simulated@main"):
        with pytest.raises(UnavailableError, match="a simulated device has no speed to compare; name cpu or cuda"):
            found(side, "sums/tiny/inline/train/simulated")


def test_a_star_that_stands_for_nothing_is_a_mistake() -> None:
    with pytest.raises(UsageError, match="name nothing that this machine can run"):
        found("sums/needy/*", "sums/needy/*")
