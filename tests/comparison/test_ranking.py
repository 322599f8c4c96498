"""A leader is named where loaders differ, and among equals in at most one group of twenty."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from feedrate.comparison.ranking import Noise, Ranking, noise_of, rank

GROUPS = 300
LOADERS = ("inline", "workers", "ring_workers", "threads", "gpu_chunk", "rust_prefetch")

Draws = Callable[[np.random.Generator, int], np.ndarray]


def quiet(random: np.random.Generator, cells: int) -> np.ndarray:
    return random.normal(0, 0.02, cells)


def drifting(random: np.random.Generator, cells: int) -> np.ndarray:
    return np.linspace(0, 0.3, cells) + random.normal(0, 0.03, cells)


def bursts(random: np.random.Generator, cells: int) -> np.ndarray:
    """A neighbour that comes and goes, for two or three cells at a time, and halves the pace."""
    comes, goes = random.random(cells) < 0.2, random.random(cells) < 0.4
    busy, paces = False, []
    for at in range(cells):
        busy = not goes[at] if busy else bool(comes[at])
        paces.append(0.7 * busy)
    return np.array(paces) + random.normal(0, 0.05, cells)


def simulated(random: np.random.Generator, paces: Draws, replicates: int, gains: dict[str, float]) -> Ranking:
    """One group: all loaders once, then all again; T_F and T_S of a process share its pace and scatter on their own."""
    pace = paces(random, replicates * len(LOADERS)).reshape(replicates, len(LOADERS))
    full = pace + random.normal(0, 0.03, pace.shape)
    step = pace + random.normal(0, 0.03, pace.shape)
    noise = noise_of([list(step.mean(axis=0))])
    rates = {name: [gains.get(name, 0.0) - seconds for seconds in full[:, at]] for at, name in enumerate(LOADERS)}
    return rank(rates, noise)


@pytest.mark.slow
@pytest.mark.parametrize("replicates", [1, 3])
@pytest.mark.parametrize("paces", [quiet, drifting, bursts])
def test_among_six_equal_loaders_a_leader_is_named_in_at_most_one_group_of_twenty(
    paces: Draws, replicates: int
) -> None:
    random = np.random.default_rng(12)
    named = sum(bool(simulated(random, paces, replicates, {}).leaders) for _ in range(GROUPS))

    assert named / GROUPS <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3, 5])
def test_replicates_alone_name_no_more_leaders_among_equals(count: int) -> None:
    random = np.random.default_rng(12)
    named = sum(
        bool(rank({name: list(random.normal(0, 0.1, count)) for name in LOADERS}).leaders) for _ in range(GROUPS)
    )

    assert named / GROUPS <= 0.05


def test_two_loaders_that_are_much_faster_are_found_together() -> None:
    random = np.random.default_rng(12)
    gains = {"threads": 0.5, "rust_prefetch": 0.5}
    rankings = [simulated(random, quiet, 1, gains) for _ in range(GROUPS // 4)]

    right = [ranking for ranking in rankings if set(ranking.leaders) == set(gains)]
    assert len(right) >= 0.9 * len(rankings)
    leads = [ranking.lead for ranking in right if ranking.lead is not None]
    assert sum(lead.low <= 0.5 <= lead.high for lead in leads) >= 0.9 * len(leads)
    assert all(lead.low > 0 for lead in leads)


def test_what_drifts_between_cells_is_no_lead_however_close_the_replicates() -> None:
    # Replicates one after the other, as asv takes them: they agree, and T_S says that the machine changed meanwhile.
    rates = {"inline": (0.0, 0.001, 0.002), "threads": (0.30, 0.301, 0.299), "workers": (0.1, 0.1, 0.101)}

    assert rank(rates).leaders == ("threads",)
    assert rank(rates, Noise(0.2, 2)).leaders == ()


def test_one_replicate_of_which_nothing_is_known_has_an_order_and_no_leader() -> None:
    assert rank({"a": (1.0,), "b": (2.0,)}) == Ranking(("b", "a"))
    assert rank({"a": (1.0,)}, Noise(0.1, 5)) == Ranking(("a",))
    assert rank({}) == Ranking(())


def test_a_loader_that_scatters_alone_leads_nobody() -> None:
    steady = dict.fromkeys(LOADERS[:5], (0.0, 0.01, -0.01))

    assert rank({**steady, "rust_prefetch": (0.3, -0.3, 0.6)}).leaders == ()


def test_noise_is_pooled_within_groups() -> None:
    assert noise_of([[1.0, 3.0], [10.0, 14.0], [5.0]]) == Noise(math.sqrt((2 + 8) / 2), 2)
    assert noise_of([[1.0], []]) is None
