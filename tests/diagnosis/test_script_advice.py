"""No advice for a person's own script contradicts the settings of its loader, its device, or the cores there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import get_args

import pytest

from feedrate.diagnosis import advice
from feedrate.diagnosis.advice import Advice, next_try, settings_to_try
from feedrate.diagnosis.evidence import Evidence
from feedrate.diagnosis.finding import Finding, Kind, LoaderCost
from feedrate.records.cell_traits import CellTraits, DataLoaderTraits, LoaderTraits
from tests.diagnosis.test_verdict import SLOW_LOADER, evidence

SETTINGS = tuple(
    DataLoaderTraits(workers=workers, prefetch_factor=prefetch if workers else None, persistent=persistent, pinned=pin)
    for workers, prefetch, persistent, pin in product((0, 1, 2, 3, 8), (None, 4), (False, True), (False, True))
    if workers or not persistent
)
CORES = (1, 2, 8)
DEVICES = ("cpu", "cuda")


def asked(own: DataLoaderTraits, kind: Kind, device: str, cores: int) -> tuple[Finding, Evidence]:
    """What is known of a script with these settings when it is held back by that."""
    loader = LoaderTraits(works_in="processes" if own.workers else "caller", count=own.workers or None)
    traits = CellTraits(loader=loader, pin=own.pinned, dataloader=own, cores=cores)
    measured = replace(evidence(*SLOW_LOADER), device=device, traits=traits)
    return Finding(kind, LoaderCost(0.02, 0.02, 1.0), 2.0), measured


def given(own: DataLoaderTraits, kind: Kind, device: str, cores: int) -> str:
    """What it is told."""
    return next_try(*asked(own, kind, device, cores))


def contradictions(text: str, own: DataLoaderTraits, kind: Kind, device: str, cores: int) -> Iterator[str]:
    """Yield each claim about the script that the text makes and that is not so."""
    rules = {
        "its workers persist": own.persistent and "persistent_workers" in text,
        "it has no workers": not own.workers
        and bool(re.search(r"persistent|prefetch_factor|worker starts|set_num_threads", text)),
        "there is no GPU": device == "cpu" and "pin_memory" in text,
        "its batches are page-locked": own.pinned and "pin_memory" in text,
        "something was not filled in": "{" in text,
    }
    yield from (claim for claim, is_wrong in rules.items() if is_wrong)
    for count in map(int, re.findall(r"num_workers=(\d+)", text)):
        if count == own.workers:
            yield "it has so many workers"
        if count > max(1, cores):
            yield "there are not so many cores"
        if (count < own.workers) != (kind in ("contention", "start-up")):
            yield "that is the wrong way"
    for factor in map(int, re.findall(r"prefetch_factor=(\d+)", text)):
        if factor <= (own.prefetch_factor or 2):
            yield "its queue is as deep"


def wrong() -> list[str]:
    return [
        f"{claim}: {own}, {kind} on {device} with {cores} cores: {text}"
        for own, kind, device, cores in product(SETTINGS, get_args(Kind), DEVICES, CORES)
        for text in [given(own, kind, device, cores)]
        for claim in contradictions(text, own, kind, device, cores)
    ]


def test_no_advice_contradicts_the_scripts_settings() -> None:
    assert wrong() == []


@pytest.mark.parametrize(
    ("text", "kind", "claim"),
    [
        ("persistent_workers=True", "start-up", "its workers persist"),
        ("persistent_workers=True", "start-up", "it has no workers"),
        ("num_workers=0", "start-up", "it has so many workers"),
        ("num_workers={double}", "loader-bound", "that is the wrong way"),
        ("num_workers=9", "loader-bound", "there are not so many cores"),
        ("prefetch_factor=2", "coupling", "its queue is as deep"),
        ("pin_memory=True", "loader-bound", "there is no GPU"),
    ],
)
def test_a_wrong_advice_would_be_caught(monkeypatch: pytest.MonkeyPatch, text: str, kind: Kind, claim: str) -> None:
    monkeypatch.setattr(advice, "SCRIPT_ADVICE", (Advice(text, (kind,), lambda _: True),))
    assert any(line.startswith(f"{claim}: ") for line in wrong())


def test_what_is_advised_and_is_a_setting_of_the_loader_can_be_tried() -> None:
    for own, kind, device, cores in product(SETTINGS, get_args(Kind), DEVICES, CORES):
        finding, measured = asked(own, kind, device, cores)
        text, settings = next_try(finding, measured), settings_to_try(finding, measured)
        assert re.findall(r"DataLoader\(\.\.\., (\w+=\w+)\)(?!, if)", text) == list(settings)
    assert settings_to_try(*asked(DataLoaderTraits(), "fetch", "cpu", 2)) == ("num_workers=1",)
    assert settings_to_try(*asked(DataLoaderTraits(), "compute", "cpu", 2)) == ()


def test_a_start_up_without_workers_is_told_of_the_sampler() -> None:
    assert given(DataLoaderTraits(), "start-up", "cpu", 2) == "try a sampler that does not list all indices at once"
