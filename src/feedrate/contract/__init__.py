"""Hold strategies to what they promise, by functions that raise `ContractError`; plugins' tests use them, too.

A plugin's whole test file::

    @pytest.mark.parametrize("promise", LOADER_PROMISES)
    def test_my_loader_keeps(promise, tmp_path):
        promise(MyLoader(), written(FxSeq(), tmp_path))

Every promise takes a strategy and a `Fixture`; that of a workload needs no files: `unwritten(workload)`. Promises given
the same fixture share one stream of the loader, or one training run, so keep the fixture where there are several.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias, TypeVar

from feedrate.contract.cleanup import ends_when_closed, ends_when_the_consumer_fails, leaves_nothing_behind
from feedrate.contract.contents import leaves_batches_to_their_owner, serves_the_generated_values
from feedrate.contract.corrupt_files import names_a_corrupt_file, names_a_missing_file, names_a_truncated_file
from feedrate.contract.endless import serves_an_endless_plan
from feedrate.contract.fixture import Fixture, written
from feedrate.contract.knob_ranges import declares_the_range_of_each_number
from feedrate.contract.late_device import serves_a_device_that_is_late
from feedrate.contract.promise import Promise, title
from feedrate.contract.raised import own_frames
from feedrate.contract.reference import GeneratorSource, Reference, check_batch, expected_batches
from feedrate.contract.repeatability import streams_again, streams_in_a_spawned_process
from feedrate.contract.rows import (
    cuts_batches_of_its_own,
    cuts_the_planned_batches,
    keeps_the_planned_order,
    serves_each_row_once,
)
from feedrate.contract.safe_mode import serves_the_same_without_workers
from feedrate.contract.short_training import learning_curve
from feedrate.contract.steps import (
    learns_like_plain_training,
    leaves_the_batch_alone,
    leaves_the_model_alone,
    moves_the_parameters,
    returns_a_loss,
    trains_on_another_device,
    trains_on_the_batch_it_is_given,
)
from feedrate.contract.swapping import swaps_its_source
from feedrate.contract.work_ahead import reads_again_in_each_epoch, says_how_many_batches_are_ready
from feedrate.contract.workloads import (
    answers_what_its_loss_asks,
    computes_where_the_model_is,
    cuts_every_sample,
    gives_the_same_samples_again,
    learns_what_it_asks,
    makes_the_declared_columns,
    makes_the_same_rows_in_pieces,
    plans_each_sample_once,
    predicts_different_things,
    reaches_every_module,
    unwritten,
)
from feedrate.errors import ContractError
from feedrate.plugin.loader import Loader
from feedrate.plugin.step import Step
from feedrate.plugin.workload import Workload

__all__ = [
    "LOADER_PROMISES",
    "STEP_PROMISES",
    "WORKLOAD_PROMISES",
    "Fixture",
    "GeneratorSource",
    "LoaderPromise",
    "Promise",
    "Reference",
    "StepPromise",
    "WorkloadPromise",
    "check",
    "check_batch",
    "expected_batches",
    "learning_curve",
    "own_frames",
    "title",
    "unwritten",
    "written",
]

S = TypeVar("S", Loader, Step, Workload)
LoaderPromise: TypeAlias = Promise[Loader]
StepPromise: TypeAlias = Promise[Step]
WorkloadPromise: TypeAlias = Promise[Workload]

LOADER_PROMISES: tuple[LoaderPromise, ...] = (
    serves_each_row_once,
    keeps_the_planned_order,
    cuts_the_planned_batches,
    cuts_batches_of_its_own,
    serves_the_generated_values,
    leaves_batches_to_their_owner,
    serves_an_endless_plan,
    streams_again,
    streams_in_a_spawned_process,
    serves_the_same_without_workers,
    says_how_many_batches_are_ready,
    reads_again_in_each_epoch,
    leaves_nothing_behind,
    ends_when_closed,
    ends_when_the_consumer_fails,
    names_a_missing_file,
    names_a_truncated_file,
    names_a_corrupt_file,
    swaps_its_source,
    serves_a_device_that_is_late,
    declares_the_range_of_each_number,
)
"""Each raises ContractError where its `applies_to` holds: a synthetic loader is not asked about rows and files."""

STEP_PROMISES: tuple[StepPromise, ...] = (
    returns_a_loss,
    moves_the_parameters,
    learns_like_plain_training,
    trains_on_the_batch_it_is_given,
    leaves_the_batch_alone,
    leaves_the_model_alone,
    trains_on_another_device,
    declares_the_range_of_each_number,
)
"""Each raises ContractError where its `applies_to` holds: a step that does not train is not asked how it learns."""

WORKLOAD_PROMISES: tuple[WorkloadPromise, ...] = (
    makes_the_declared_columns,
    makes_the_same_rows_in_pieces,
    plans_each_sample_once,
    cuts_every_sample,
    gives_the_same_samples_again,
    answers_what_its_loss_asks,
    reaches_every_module,
    learns_what_it_asks,
    predicts_different_things,
    computes_where_the_model_is,
    declares_the_range_of_each_number,
)
"""Each raises ContractError; the fixture is one of the workload itself."""


def check(strategy: Loader | Step | Workload, fixture: Fixture) -> Iterator[tuple[str, ContractError | None]]:
    """Yield each promise that applies to a strategy, in words, with how it was broken, or None.

    Raises:
        UnavailableError: the strategy cannot run here.
    """
    if isinstance(strategy, Loader):
        yield from _checked(LOADER_PROMISES, strategy, fixture)
    elif isinstance(strategy, Step):
        yield from _checked(STEP_PROMISES, strategy, fixture)
    else:
        yield from _checked(WORKLOAD_PROMISES, strategy, fixture)


def _checked(
    promises: tuple[Promise[S], ...], strategy: S, fixture: Fixture
) -> Iterator[tuple[str, ContractError | None]]:
    for promise in promises:
        if promise.is_asked(strategy, fixture):
            yield title(promise), _broken(promise, strategy, fixture)


def _broken(promise: Promise[S], strategy: S, fixture: Fixture) -> ContractError | None:
    try:
        promise.ask(strategy, fixture)
    except ContractError as error:
        return error
    return None
