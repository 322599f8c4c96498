"""Symptoms are found in simulated soaks with noise of a fixed seed, and not in their healthy twins."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import get_args

import pytest

from feedrate.diagnosis.symptom import (
    CollectorPauses,
    Drift,
    Growth,
    HeldCycles,
    Place,
    Symptom,
    SymptomFacts,
    SymptomKind,
)
from feedrate.diagnosis.symptom_rules import symptoms_of
from feedrate.diagnosis.symptom_wording import advice_against, describe_symptom
from feedrate.diagnosis.trend import steady_growth
from feedrate.records.ladder import Ladder
from feedrate.records.soak import Cycles, Holdings, Pace, Phase, Soak, Stretch

ROUNDS, BATCHES = 12, 10
MB = 1 << 20
NOTHING = Holdings(500 * MB, 300 * MB, 0, 0, 0, 0, 20, 1, 4)
PHASES: tuple[Phase, ...] = get_args(Phase)
Amount = Callable[[float], float]
"""Of batches so far."""


def steady(batches: float) -> float:
    del batches
    return 2e-3


def pace(number: int, batch_s: float, *, waited_s: float = 0.0, core: float = 1.0) -> Pace:
    return Pace(number, BATCHES, BATCHES * (batch_s + waited_s), BATCHES * batch_s * core, BATCHES * waited_s)


def soaked(
    cost_s: Mapping[Phase, Amount] | None = None,
    held: Mapping[str, Mapping[Phase, float]] | None = None,
    *,
    full_after: float = float("inf"),
    seed: int = 1,
    disturbed: float = 0.0,
    core: float = 1.0,
) -> Soak:
    """A soak: seconds of a batch by its number, and what each batch of a phase adds to a holding until `full_after`.

    `disturbed`: seconds that others take from a batch at most, as waits for a processor.
    """
    noise, costs = random.Random(seed), cost_s or {}
    total, counts, stretches = NOTHING, dict.fromkeys(PHASES, 200), []
    added = 0
    for _ in range(ROUNDS):
        for phase in PHASES:
            seconds = costs.get(phase, steady)(counts[phase]) * noise.uniform(1.0, 1.2)
            one = pace(counts[phase], seconds, waited_s=noise.uniform(0, disturbed), core=core)
            counts[phase] += BATCHES
            if added < full_after:
                more = {name: round(BATCHES * by.get(phase, 0.0)) for name, by in (held or {}).items()}
                total = replace(total, **{name: getattr(total, name) + amount for name, amount in more.items()})
            added += BATCHES
            jitter = noise.randrange(-40_000, 40_000)
            stretches.append(Stretch(phase, one, replace(total, trainer_bytes=total.trainer_bytes + jitter), one))
    before = {
        phase: tuple(
            pace(number, costs.get(phase, steady)(number) * noise.uniform(1.0, 1.2), core=core)
            for number in range(1, 200, 20)
        )
        for phase in PHASES
    }
    return Soak(NOTHING, tuple(stretches), before["step"], before["loader"], available_bytes=1000 * MB)


def titles(soak: Soak) -> list[str]:
    return [symptom.title for symptom in symptoms_of(soak)]


def only(soak: Soak) -> Symptom:
    (symptom,) = symptoms_of(soak)
    return symptom


@pytest.mark.parametrize("side", ["step", "loader"])
def test_a_side_that_takes_longer_with_every_batch_drifts(side: Phase) -> None:
    symptom = only(soaked({side: lambda n: 2e-3 + 30e-6 * n}))

    assert symptom.title == f"drift: {side}"
    assert isinstance(symptom.facts, Drift)
    assert symptom.facts.slope_low_s < 30e-6 * 1.1 < symptom.facts.slope_high_s * 1.05
    assert symptom.facts.doubling_batches == pytest.approx(symptom.facts.now_s / symptom.facts.slope_s)


@pytest.mark.parametrize("seed", range(50))
def test_a_steady_cell_has_no_symptom_however_busy_its_machine_is(seed: int) -> None:
    assert titles(soaked(seed=seed, disturbed=20e-3)) == []


def test_a_neighbour_that_comes_in_the_middle_is_no_drift() -> None:
    at_once = soaked({"step": lambda n: 2e-3 if n < 190 else 3.4e-3})

    assert titles(at_once) == []
    assert titles(soaked({"step": lambda n: 2e-3 if n < 190 else 9e-3})) == ["drift: step"]


def test_a_machine_that_slows_both_sides_is_no_drift_and_hides_none() -> None:
    def slower(by: float) -> Amount:
        return lambda n: 2e-3 * (1 + by * n / 320)

    assert titles(soaked({"step": slower(1.2), "loader": slower(1.0)})) == []
    assert titles(soaked({"step": slower(1.2)})) == ["drift: step"], "the machine was steady"
    assert titles(soaked({"step": slower(5.0), "loader": slower(1.0)})) == ["drift: step"]
    assert titles(soaked({"step": slower(1.0), "loader": slower(5.0)})) == ["drift: loader"]


def test_a_drift_that_another_process_does_not_show_is_the_machine() -> None:
    step, loader, steady_too = (soaked({side: lambda n: 2e-3 + 30e-6 * n}) for side in ("step", "loader", "both"))

    assert symptoms_of(step, steady_too) == ()
    assert symptoms_of(step, loader) == ()
    assert [symptom.title for symptom in symptoms_of(step, step)] == ["drift: step"]
    assert [symptom.title for symptom in symptoms_of(step)] == ["drift: step"], "one process is all there is"


def test_a_side_that_waits_must_drift_more_as_no_processor_time_speaks_for_it() -> None:
    def sleeping(by: float) -> Soak:
        return soaked({"loader": lambda n: 2e-3 * (1 + by * n / 320)}, core=0.1)

    assert titles(sleeping(0.8)) == []
    assert titles(sleeping(3.0)) == ["drift: loader"]


def test_a_queue_that_turns_cost_more_than_a_long_drain_is_no_drift() -> None:
    assert titles(soaked({"loader": lambda n: 1e-3 if n < 200 else 9e-3}, core=0.1)) == []
    assert titles(soaked({"loader": lambda n: 1e-3 if n < 200 else 9e-3}, core=1.0)) == ["drift: loader"]


def test_growth_is_told_by_the_side_that_grows_alone() -> None:
    def of(held: Mapping[Phase, float]) -> str:
        return only(soaked(held={"trainer_bytes": held})).title

    assert of({"step": 100_000, "both": 100_000}) == "memory growth: step"
    assert of({"loader": 100_000, "both": 100_000}) == "memory growth: loader"
    assert of({"both": 100_000}) == "memory growth: together"


def test_growth_has_an_owner_and_a_date() -> None:
    everywhere = dict.fromkeys(PHASES, 50_000.0)
    facts = only(soaked(held={"workers_bytes": everywhere})).facts

    assert titles(soaked(held={"workers_bytes": everywhere})) == ["memory growth: workers"]
    assert titles(soaked(held={"shared_bytes": everywhere})) == ["memory growth: shared memory"]
    assert titles(soaked(held={"pinned_bytes": everywhere})) == ["memory growth: pinned memory"]
    assert isinstance(facts, Growth)
    assert facts.batches_left == pytest.approx(1000 * MB / 50_000)


def forked(copied: float, allocated: float) -> Soak:
    """Workers that copy so many bytes a batch of 300 MB that they were forked with, and allocate so many besides."""
    soak = soaked(held={"workers_bytes": dict.fromkeys(PHASES, copied + allocated)})

    def with_all(held: Holdings, batches: float) -> Holdings:
        return replace(held, workers_anonymous_bytes=300 * MB + round(allocated * batches))

    stretches = (
        replace(stretch, held=with_all(stretch.held, BATCHES * (number + 1)))
        for number, stretch in enumerate(soak.stretches)
    )
    return replace(soak, begin=with_all(soak.begin, 0), stretches=tuple(stretches))


def test_workers_that_copy_what_they_were_forked_with_are_told_so_with_an_end() -> None:
    copying = only(forked(60_000, 0))

    assert copying.title == "memory growth: workers"
    assert isinstance(copying.facts, Growth)
    assert copying.facts.batches_left is None
    assert copying.facts.most_bytes == 300 * MB - ROUNDS * len(PHASES) * BATCHES * 60_000
    assert "copies of pages" in describe_symptom(copying)
    assert "arrays or tensors" in advice_against(copying)


def test_pages_of_the_interpreter_that_workers_copy_little_by_little_are_no_growth_but_a_leak_of_theirs_is() -> None:
    assert titles(forked(12_000, 0)) == []
    leaking = only(forked(0, 12_000))
    assert leaking.title == "memory growth: workers"
    assert isinstance(leaking.facts, Growth)
    assert leaking.facts.batches_left is not None
    assert only(forked(4_000, 12_000)).facts == only(forked(0, 16_000)).facts


@pytest.mark.parametrize("name", ["trainer_file_bytes", "workers_file_bytes"])
def test_pages_of_files_are_the_page_cache_and_nobodys_leak(name: str) -> None:
    assert titles(soaked(held={name: dict.fromkeys(PHASES, 1_000_000.0)})) == []


@pytest.mark.parametrize("name", ["trainer_bytes", "workers_bytes", "shared_bytes"])
def test_what_fills_and_stops_is_no_growth_also_within_an_epoch(name: str) -> None:
    filling = soaked(held={name: dict.fromkeys(PHASES, 500_000.0)}, full_after=ROUNDS * BATCHES * 3 * 0.6)

    assert filling.epochs < 1
    assert titles(filling) == []


def test_counts_that_grow_are_told_with_their_limit() -> None:
    soak = replace(soaked(held={"descriptors": {"loader": 0.5, "both": 0.5}}), descriptor_limit=1024)
    symptom = only(soak)

    assert symptom.title == "descriptor growth: loader"
    assert isinstance(symptom.facts, Growth)
    assert symptom.facts.batches_left == pytest.approx((1024 - soak.stretches[-1].held.descriptors) / 0.5)
    assert titles(soaked(held={"threads": {"loader": 0.2, "both": 0.2}})) == ["thread growth: loader"]
    assert titles(soaked(held={"processes": {"step": 0.2, "both": 0.2}})) == ["process growth: step"]


def collecting(soak: Soak, seconds: Mapping[Phase, float], longest_s: float) -> Soak:
    stretches = tuple(
        replace(
            s,
            collections=(9, 3, 1) if seconds[s.phase] else (0, 0, 0),
            collecting_s=seconds[s.phase],
            longest_collection_s=longest_s,
        )
        for s in soak.stretches
    )
    return replace(soak, stretches=stretches, tracked={"list": 300_000})


def test_pauses_are_told_by_the_side_whose_objects_they_are() -> None:
    """With share and longest pause: the mean may hide what one step in ten shows."""
    rare = only(collecting(soaked(), {"step": 0.0, "loader": 4e-4, "both": 4e-4}, 20e-3))

    assert rare.title == "collector pauses: loader"
    assert isinstance(rare.facts, CollectorPauses)
    assert rare.facts.share < 0.05 < rare.facts.longest_s / rare.facts.batch_s
    assert rare.facts.collections == (18 * ROUNDS, 6 * ROUNDS, 2 * ROUNDS), "of the loader, and of both"
    assert titles(collecting(soaked(), {"step": 4e-3, "loader": 0.0, "both": 4e-3}, 1e-3)) == ["collector pauses: step"]
    assert titles(collecting(soaked(), {"step": 2e-4, "loader": 2e-4, "both": 2e-4}, 2e-4)) == []


def paused_in(phase: Phase, rounds: int) -> Soak:
    """A collection of 10 ms in each of the first rounds, beside the batches of one phase."""
    soak, met = soaked(), 0
    stretches = []
    for stretch in soak.stretches:
        met += stretch.phase == phase
        if stretch.phase == phase and met <= rounds:
            stretch = replace(stretch, collections=(0, 0, 1), collecting_s=10e-3, longest_collection_s=10e-3)
        stretches.append(stretch)
    return replace(soak, stretches=tuple(stretches))


@pytest.mark.parametrize("phase", PHASES)
def test_pauses_count_in_whose_stretch_they_fall_but_one_alone_is_chance(phase: Phase) -> None:
    place = "together" if phase == "both" else phase

    assert titles(paused_in(phase, 2)) == [f"collector pauses: {place}"]
    assert titles(paused_in(phase, 1)) == []


def test_circles_are_told_where_they_hold_memory() -> None:
    def cycles(held_bytes: int) -> Soak:
        return replace(soaked(), cycles={"step": Cycles(4, 8, held_bytes), "loader": Cycles(4, 0, 0)})

    assert titles(cycles(4 * MB)) == ["reference cycles: step"]
    assert titles(cycles(40_000)) == []


def test_a_walk_at_random_is_seldom_taken_for_growth() -> None:
    walks = random.Random(7)
    taken = 0
    for _ in range(1000):
        values = [0.0]
        for _ in range(ROUNDS):
            values.append(values[-1] + walks.gauss(0, 1))
        taken += steady_growth(values, 0.0) is not None

    assert taken <= 20


FACTS: Mapping[SymptomKind, SymptomFacts] = {
    "drift": Drift(1e-3, 4e-3, 1e-5, 9e-6, 1.1e-5, 300),
    "collector pauses": CollectorPauses(0.02, 0.6, 0.3, (400, 40, 2), 30, 340_341, "list"),
    "reference cycles": HeldCycles(4e6, 12.0),
    "memory growth": Growth(264_000.0, 300, 2.1, 45_000.0),
    "descriptor growth": Growth(0.5, 300, 0.4, 2_000.0),
    "thread growth": Growth(0.5, 300, 2.0),
    "process growth": Growth(0.5, 300, 2.0),
}
PLACES: Mapping[SymptomKind, tuple[Place, ...]] = {
    "drift": ("step", "loader"),
    "collector pauses": ("step", "loader", "together"),
    "reference cycles": ("step", "loader"),
    "memory growth": get_args(Place),
    "descriptor growth": ("step", "loader", "together"),
    "thread growth": ("step", "loader", "together"),
    "process growth": ("step", "loader", "together"),
}


@pytest.mark.parametrize(("kind", "place"), [(kind, place) for kind in get_args(SymptomKind) for place in PLACES[kind]])
def test_each_symptom_is_one_line_with_one_thing_to_try(kind: SymptomKind, place: Place) -> None:
    symptom = Symptom(kind, place, FACTS[kind])
    sentence, advice = describe_symptom(symptom), advice_against(symptom)

    assert sentence.startswith(f"{kind}: ")
    assert advice.startswith("try ")
    assert "\n" not in sentence + advice
    assert not sentence.endswith(".")


def test_a_soak_survives_the_line_of_raw_results() -> None:
    ladder = Ladder(soak=replace(soaked(), cycles={"step": Cycles(4, 2, 10)}, tracked={"list": 3}))

    assert Ladder.from_json(ladder.as_json()) == ladder
