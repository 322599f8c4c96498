"""What a loader says about itself, and what of that stands in a record."""

from __future__ import annotations

import pickle
from contextlib import closing
from dataclasses import replace

import pytest
from sums import Sums

from feedrate import LoaderReport
from feedrate.builtin.loaders.inline import Inline
from feedrate.builtin.loaders.ring_workers import RingWorkers
from feedrate.builtin.loaders.workers import Workers
from feedrate.calibration.strategies.lost_worker import Understaffed
from feedrate.data.dataset import DataSet
from feedrate.loading.plan import Plan
from feedrate.plugin.loader import Loader

SETTINGS = {"worker": 0, "pid": 7, "seed": 5, "torch_threads": 1}


@pytest.fixture
def plan(sums_data: DataSet) -> Plan:
    return Sums().plan(sums_data, "tiny")


def test_a_record_has_the_keys_that_it_always_had() -> None:
    report = LoaderReport(
        workers_requested=None,
        workers_resolved=2,
        workers_alive=1,
        worker_settings=(SETTINGS,),
        batches_arrive_on="host",
    )

    assert report.observed() == {
        "workers requested": None,
        "workers resolved": 2,
        "workers": [SETTINGS],
        "workers alive": 1,
        "batches arrive on": "host",
    }


def test_nothing_said_is_nothing_observed() -> None:
    assert LoaderReport().observed() == {}


def test_no_worker_alive_is_said() -> None:
    assert LoaderReport(workers_resolved=2, workers_alive=0).observed()["workers alive"] == 0


def test_two_plans_share_no_report_and_are_equal_whatever_it_says(plan: Plan) -> None:
    other = replace(plan, report=LoaderReport(workers_alive=3))

    assert other == plan
    assert plan.report == LoaderReport()
    assert pickle.loads(pickle.dumps(other)).report == other.report


@pytest.mark.parametrize(
    ("loader", "requested", "resolved"),
    [(Workers(count=0), 0, 0), (RingWorkers(count=0), 0, 0), (Inline(), None, None)],
)
def test_a_loader_says_how_many_workers_it_starts(
    loader: Loader, requested: int | None, resolved: int | None, plan: Plan
) -> None:
    for _ in loader.stream(plan):
        pass

    assert (plan.report.workers_requested, plan.report.workers_resolved) == (requested, resolved)
    assert plan.report.workers_alive is None


def test_a_worker_that_is_lost_is_not_among_those_alive(plan: Plan) -> None:
    with closing(Understaffed().stream(plan)) as stream:
        next(stream)

    assert (plan.report.workers_resolved, plan.report.workers_alive) == (2, 1)


@pytest.mark.process
def test_ring_workers_are_counted_while_they_run(plan: Plan) -> None:
    with closing(RingWorkers(count=2).stream(plan)) as stream:
        next(stream)

    assert (plan.report.workers_requested, plan.report.workers_alive) == (2, 2)
