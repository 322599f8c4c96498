"""`feedrate why -- COMMAND` measures trainings whose times are known, each within 5 % of the truth.

Where workers fetch, what forking them and handing over cost comes on top of the times that the training sets: those are
held with a clock of their own in tests/metering/script/test_rounds.py.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.cases.known import train
from tests.support.commands import feedrate

pytestmark = [pytest.mark.process, pytest.mark.answer]

TRIES = 3
"""A machine that others use now and then has quiet moments."""


@pytest.mark.parametrize("name", [name for name, known in train.TRAININGS.items() if not known.workers])
def test_the_times_are_those_that_are_known(name: str, tmp_path: Path) -> None:
    known = train.TRAININGS[name]
    truth = pytest.approx((known.full_ms, known.step_alone_ms, known.loader_alone_ms), rel=0.05)
    measured: list[tuple[float, ...]] = []
    while truth not in measured and len(measured) < TRIES:
        measured.append(times_ms(name, tmp_path))
    assert truth in measured


def times_ms(name: str, folder: Path) -> tuple[float, ...]:
    """T_F, T_S and T_L as the command says."""
    quick = ("why", "-r", "1", "--seconds", "1", "--json", "--quiet")
    done = feedrate(folder, *quick, "--", sys.executable, str(Path(train.__file__)), name)
    assert done.returncode == 0, done.stderr
    (answer,) = json.loads(done.stdout)
    return tuple(answer["evidence"][time]["mean"] * 1000 for time in ("full_s", "step_s", "loader_s"))
