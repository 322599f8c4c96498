"""Stream a loader over a small data set once, for all promises that look at what came."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, TypeVar, cast

from feedrate.contract.reference import Reference
from feedrate.data.dataset import DataSet
from feedrate.errors import ContractError, UnavailableError
from feedrate.loading.batch import Batch
from feedrate.loading.loader_report import LoaderReport
from feedrate.loading.plan import Plan
from feedrate.plugin.loader import Loader
from feedrate.plugin.workload import SizedWorkload, Workload

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Fixture", "ServedBatches", "on_device", "served", "with_deadline", "written"]

T = TypeVar("T")


@dataclass(frozen=True)
class ServedBatches:
    """Everything that one stream of a loader yielded."""

    held: tuple[Batch, ...]
    """The batches, held to the end of the stream."""
    copies: tuple[Batch, ...]
    """What each of them was when it came."""


@dataclass(frozen=True)
class Fixture:
    """A plan over a small data set, and the recipe it was written from; all batches of a stream are held at once."""

    plan: Plan
    """Two epochs or more show what one cannot; the cast is set to each loader's own."""
    recipe: SizedWorkload
    deadline_s: float = 120.0
    """A stream that takes longer hangs."""
    grace_s: float = 3.0
    """Time for processes and threads that were told to end."""
    copies: Path | None = None
    """Folder for what loaders make of the data set in formats of their own; None: there is none."""
    _seen: dict[Hashable, object] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, key: Hashable, look: Callable[[], T]) -> T:
        """Give what `look` returned when it was first called for `key`, such as a strategy."""
        if key not in self._seen:
            self._seen[key] = look()
        return cast("T", self._seen[key])

    def plan_for(self, loader: Loader) -> Plan:
        """Give the plan as that loader's knobs ask for it, with the copy that it keeps.

        Raises:
            ContractError: it keeps one, and there is no folder for it.
        """
        plan = self.plan.with_cast("host" if loader.cast == "host" else "device")
        if loader.makes_copy:
            plan = plan.with_copy(self._copy(loader))
        return replace(plan, report=LoaderReport())

    def _copy(self, loader: Loader) -> Path:
        """Give the folder that the loader has filled, once a fixture."""
        if self.copies is None:
            raise ContractError(f"{loader}: keeps a copy of its own: give the fixture a folder, `Fixture(copies=...)`")
        of = repr((str(loader), self.plan.data.folder, self.plan.fields, self.plan.stored_blocks)).encode()
        folder = self.copies / f"{loader.name}-{hashlib.blake2b(of, digest_size=8).hexdigest()}"
        if not folder.exists():
            folder.mkdir(parents=True)
            with_deadline(self.deadline_s, f"{loader}: prepare", lambda: loader.prepare(self.plan, folder))
        return folder

    def reference(self, loader: Loader) -> Reference:
        """Give what that loader's batches must hold."""
        return Reference(self.recipe, self.plan_for(loader))

    def model(self) -> nn.Module:
        """Build the workload's model where the plan's batches go, in training mode."""
        model, accelerator = self.recipe.workload.model(self.recipe.size), self.plan.accelerator
        return (model if accelerator is None else accelerator.place(model)).train()

    def served(self, loader: Loader) -> ServedBatches:
        """Give what a first stream of `loader` yields; streamed once, however many promises ask.

        Raises:
            ContractError: the stream fails, hangs or does not end.
        """
        plan = self.plan_for(loader)
        return self.once(loader, lambda: with_deadline(self.deadline_s, loader, lambda: served(loader, plan)))


def written(workload: Workload, root: Path, size: str = "tiny", epochs: int = 2) -> Fixture:
    """Write a workload's data set below `root`, and make a fixture of its plan: what loaders and steps are checked on.

    Of a workload that is not generated nothing is written: its data set is opened where it lies.

    Raises:
        OSError, DataError: it cannot be written there.
    """
    recipe = workload.at(workload.own_size(size))
    data = DataSet.write(root / recipe.folder_name, recipe) if workload.is_generated else recipe.open(root)
    return Fixture(workload.plan(data, recipe.size, epochs=epochs), recipe, copies=root / "copies")


def served(loader: Loader, plan: Plan) -> ServedBatches:
    """Stream all of `plan` and keep everything.

    Raises:
        ContractError: there is no end to the batches.
    """
    held: list[Batch] = []
    copies: list[Batch] = []
    with on_device(plan), closing(loader.stream(plan)) as stream:
        for batch in stream:
            held.append(batch)
            copies.append(batch.copied())
            if len(held) > 2 * len(plan) + 2:
                raise ContractError(f"{loader}: serves more than {len(held) - 1} batches instead of {len(plan)}")
    return ServedBatches(tuple(held), tuple(copies))


@contextmanager
def on_device(plan: Plan) -> Iterator[None]:
    """Have this thread's work go to the plan's device inside the block, and wait for it at the end."""
    accelerator = plan.accelerator
    if accelerator is None:
        yield
        return
    with accelerator.using(None):
        yield
    accelerator.synchronize()


def with_deadline(deadline_s: float, who: object, job: Callable[[], T]) -> T:
    """Run `job` on a thread that can be left behind.

    Raises:
        ContractError: it takes longer, or fails with an error that is not feedrate's.
    """
    outcome: Future[T] = Future()
    # A daemon: a loader that hangs must not keep the interpreter from ending.
    thread = Thread(target=_settled, args=(outcome, job), name="feedrate-contract", daemon=True)
    thread.start()
    thread.join(deadline_s)
    if not outcome.done():
        raise ContractError(f"{who}: still not done after {deadline_s:g} s")
    try:
        return outcome.result()
    except (ContractError, UnavailableError):
        raise
    except Exception as error:
        raise ContractError(f"{who}: fails with {type(error).__name__}: {_line(error)}") from error


def _settled(outcome: Future[T], job: Callable[[], T]) -> None:
    try:
        outcome.set_result(job())
    # Everything goes to the waiting thread, which raises it again.
    except BaseException as error:
        outcome.set_exception(error)


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else "no text"
