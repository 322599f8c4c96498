"""Check that a loader which says that it reads from elsewhere does so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from feedrate.contract.fixture import Fixture, on_device, with_deadline
from feedrate.contract.promise import promise_if
from feedrate.contract.reference import GeneratorSource, Reference, check_batch
from feedrate.data.dataset import DataSet
from feedrate.errors import ContractError
from feedrate.loading.batch import Batch
from feedrate.loading.block import Block
from feedrate.loading.decoded_blocks import DecodedBlocks
from feedrate.loading.plan import Plan
from feedrate.loading.source_control import SwapPoint, Turn
from feedrate.plugin.loader import Loader
from feedrate.system.scratch import Scratch

__all__ = ["swaps_its_source"]

_EPOCHS = 6
"""Within which a loader has come to the end of what it had begun before it was told to swap."""


def _swaps(loader: Loader) -> bool:
    return bool(loader.swap_points)


@promise_if(_swaps)
def swaps_its_source(loader: Loader, fixture: Fixture) -> None:
    """Blocks that a loader with `swap_points` says it read from there hold what lies there, and nothing else does."""
    for point in loader.swap_points:
        with _swappable(loader, fixture) as swappable:
            with_deadline(fixture.deadline_s, loader, partial(swappable.demand, point))


@dataclass
class _Control:
    """A `SourceControl` that remembers what it was told."""

    in_memory: DataSet
    decoded: DecodedBlocks
    turn: Turn
    told: tuple[Block, Turn] | None = None

    def current(self) -> Turn:
        """See `SourceControl`."""
        return self.turn

    def served(self, block: Block, turn: Turn) -> None:
        """See `SourceControl`."""
        self.told = block, turn


@dataclass
class _Swappable:
    """A loader on a data set whose copies in memory hold other rows than its files, so that each can be told."""

    loader: Loader
    plan: Plan
    control: _Control
    references: Mapping[str, Reference]
    """What batches hold, by stage."""
    _checked: int = field(default=0, init=False)

    def demand(self, point: SwapPoint) -> None:
        """Let the loader swap to `point` after the first batch, and compare an epoch's batches that came from there.

        Raises:
            ContractError: a batch that holds something else than it was said to, or none from `point`.
        """
        with on_device(self.plan), closing(self.loader.stream(self.plan)) as stream:
            for batch in stream:
                self._check(batch)
                self._checked += self._turn(batch).stage == point
                if self._checked == self.plan.epoch_batches:
                    return
                self.control.turn = Turn(point, 1)
        raise ContractError(f"{self.loader}: was told to read from {point!r} and served no epoch of it in {_EPOCHS}")

    def _turn(self, batch: Batch) -> Turn:
        if self.control.told is None:
            raise ContractError(f"{self.loader}: hands over a batch and has not said of which block it is")
        block, turn = self.control.told
        home = int(self.plan.block_of(batch.ids[:1]))
        if block.number != home:
            raise ContractError(f"{self.loader}: says that a batch of block {home} is of block {block.number}")
        return turn

    def _check(self, batch: Batch) -> None:
        turn = self._turn(batch)
        try:
            check_batch(self.loader, batch, self.references[turn.stage])
        except ContractError as error:
            raise ContractError(f"{error}: it says that it read them from {turn.stage!r}") from None


@contextmanager
def _swappable(loader: Loader, fixture: Fixture) -> Iterator[_Swappable]:
    recipe = fixture.recipe
    plan = fixture.plan_for(loader).for_epochs(_EPOCHS)
    others = {"memory": replace(recipe, seed=recipe.seed + 1), "decoded": replace(recipe, seed=recipe.seed + 2)}
    with Scratch.made() as scratch:
        memory = DataSet.write(scratch.folder / "memory", others["memory"])
        decoded = _decoded(scratch.folder / "decoded", plan, GeneratorSource(others["decoded"], plan))
        control = _Control(memory, decoded, Turn("files", 0))
        references = {stage: Reference(of, plan) for stage, of in ({"files": recipe} | others).items()}
        plan = replace(plan, placement=replace(plan.placement, source_control=control))
        yield _Swappable(loader, plan, control, references)


def _decoded(path: Path, plan: Plan, source: GeneratorSource) -> DecodedBlocks:
    return DecodedBlocks.written(path, plan, lambda block: source.read(block).tensors)
