"""Hold a loader to yielding the same in a second stream, here and in another process."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from feedrate.contract.digest import digest
from feedrate.contract.fixture import Fixture, ServedBatches, served
from feedrate.contract.promise import Promise
from feedrate.contract.raised import Frame, RemoteError, frames_of
from feedrate.contract.watching import watched
from feedrate.errors import ContractError
from feedrate.loading.plan import Plan
from feedrate.plugin.loader import Loader
from feedrate.system.parent_death import end_with_parent

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

__all__ = ["demand_same", "streams_again", "streams_in_a_spawned_process"]


@Promise
def streams_again(loader: Loader, fixture: Fixture) -> None:
    """A second stream yields what the first one did."""
    demand_same(loader, "a second stream", fixture.served(loader), watched(loader, fixture).digests)


@Promise
def streams_in_a_spawned_process(loader: Loader, fixture: Fixture) -> None:
    """A pickled copy yields the same in a fresh interpreter, under the spawn start method."""
    try:
        sent = pickle.dumps(loader)
        copied = pickle.loads(sent)
    # What pickling raises is anybody's guess: PicklingError, TypeError, AttributeError, and whatever a plugin adds.
    except Exception as error:
        raise ContractError(f"{loader}: cannot be pickled ({type(error).__name__}: {error})") from error
    if copied != loader:
        raise ContractError(f"{loader}: a pickled copy is {copied}")
    demand_same(loader, "a spawned process", fixture.served(loader), _spawned(loader, fixture))


def demand_same(loader: Loader, place: str, first: ServedBatches, served: Sequence[str]) -> None:
    """Compare the digests of batches that come from another place with those of a first stream.

    Raises:
        ContractError: they are others, or come in another order than it promises.
    """
    if loader.promised == "rows":
        # Which rows come is asked elsewhere, and what they hold; how they are put together may be drawn anew.
        if not served:
            raise ContractError(f"{loader}: {place} yields nothing")
        return
    wanted: Sequence[str] = list(map(digest, first.copies))
    if loader.promised == "batches":
        wanted, served = sorted(wanted), sorted(served)
    if len(served) != len(wanted):
        raise ContractError(f"{loader}: {place} yields {len(served)} batches instead of {len(wanted)}")
    wrong = [number for number, pair in enumerate(zip(wanted, served, strict=True)) if pair[0] != pair[1]]
    if wrong:
        which = f"batch {wrong[0]}" if loader.promised == "order" else "a batch"
        raise ContractError(f"{loader}: {place} yields another {which} ({len(wrong)} such batches of {len(wanted)})")


def _spawned(loader: Loader, fixture: Fixture) -> list[str]:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    # Not a daemon, for daemons may have no children and a loader may need some.
    process = context.Process(target=_stream_there, args=(sender, loader, fixture.plan_for(loader)))
    process.start()
    sender.close()
    try:
        return _answer(receiver, process, loader, fixture.deadline_s)
    finally:
        receiver.close()
        process.kill()
        process.join()


def _answer(receiver: Connection, process: SpawnProcess, loader: Loader, deadline_s: float) -> list[str]:
    if not receiver.poll(deadline_s):
        raise ContractError(f"{loader}: still not done after {deadline_s:g} s in a spawned process")
    try:
        answer = receiver.recv()
    except EOFError:
        process.join()
        raise ContractError(f"{loader}: a spawned process ended with exit code {process.exitcode}") from None
    if isinstance(answer, _Failure):
        remote = RemoteError(answer.text, answer.frames)
        raise ContractError(f"{loader}: fails in a spawned process with {answer.text}") from remote
    process.join(deadline_s)
    served_there: list[str] = answer
    return served_there


@dataclass(frozen=True)
class _Failure:
    """What went wrong in the spawned process, and where."""

    text: str
    frames: tuple[Frame, ...]


def _stream_there(sender: Connection, loader: Loader, plan: Plan) -> None:
    """Runs in the spawned process; sends the digest of each batch, or what went wrong."""
    end_with_parent()
    try:
        sender.send(list(map(digest, served(loader, plan).copies)))
    # Whatever it is belongs in the parent's message.
    except Exception as error:
        sender.send(_Failure(f"{type(error).__name__}: {error}", frames_of(error)))
