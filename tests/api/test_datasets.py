"""Knobs of a workload that make no batches are told before anything is written; their healthy twins are not."""

from __future__ import annotations

import pytest

from feedrate.api.datasets import demand_batches
from feedrate.errors import UsageError
from feedrate.plugin.registry import Registry


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("daywindows[batch_size=4]", "batch_size needs batch=fixed"),
        ("daywindows[drop_last=true]", "drop_last needs batch=fixed"),
        ("daywindows[graph=cached,batch=fixed]", "use batch=day"),
        ("boardmoves[batch_size=257,drop_last=true]", "the largest block has 256 rows; have smaller batches"),
        ("fxseq[batch_size=49,drop_last=true]", "the largest block has 48 rows; have smaller batches"),
    ],
)
def test_knobs_that_do_not_go_together_are_told(spec: str, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        demand_batches(Registry.load().workload(spec).at("tiny"))


@pytest.mark.parametrize(
    "spec",
    [
        *("daywindows[batch=fixed,batch_size=4]", "daywindows[batch=fixed,drop_last=true]", "daywindows[graph=cached]"),
        *(
            "boardmoves[batch_size=256,drop_last=true]",
            "boardmoves[batch_size=257]",
            "fxseq[batch_size=48,drop_last=true]",
        ),
    ],
)
def test_those_that_do_are_not(spec: str) -> None:
    demand_batches(Registry.load().workload(spec).at("tiny"))
