"""What torch.compile says of itself."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from feedrate.metering.compilation import compiled_so_far


@pytest.mark.slow
def test_graphs_breaks_and_seconds_are_those_of_the_compiler() -> None:
    def broken(x: Tensor) -> Tensor:
        y = x + 1
        torch._dynamo.graph_break()
        return y * 2

    before = compiled_so_far()
    run = torch.compile(broken, backend="eager")
    run(torch.ones(3))
    after = compiled_so_far()

    assert after.graphs - before.graphs == 2
    assert after.breaks - before.breaks == 1
    assert after.seconds > before.seconds
    run(torch.ones(3))
    assert compiled_so_far() == after
