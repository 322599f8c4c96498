"""A cell's text, taken apart and put together."""

from __future__ import annotations

import pytest

from feedrate.errors import UsageError
from feedrate.records.cell_key import CellKey

TEXT = "boardmoves[head=legal]/small/workers[count=2,deal=batches]/bf16/cuda"


def test_a_key_is_what_it_was_as_text() -> None:
    key = CellKey.parse(TEXT)

    assert str(key) == f"{key}" == TEXT
    assert key == CellKey("boardmoves[head=legal]", "small", "workers[count=2,deal=batches]", "bf16", "cuda")


def test_the_parts_that_have_knobs_are_named() -> None:
    assert CellKey.parse(TEXT).specs == {
        "workload": "boardmoves[head=legal]",
        "loader": "workers[count=2,deal=batches]",
        "step": "bf16",
    }


@pytest.mark.parametrize("text", ["", "a", "a/b/c", "a/b/c/d", "a/b/c/d/e/f", "////", "a//c/d/cpu"])
def test_what_has_not_five_parts_is_refused_with_the_form_that_is_wanted(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        CellKey.parse(text)
    assert str(caught.value) == f"{text!r} is not a cell; a cell reads workload/size/loader/step/device"
