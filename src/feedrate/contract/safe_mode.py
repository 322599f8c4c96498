"""Hold a loader to being the same without processes of its own."""

from __future__ import annotations

from feedrate.contract.fixture import Fixture, with_deadline
from feedrate.contract.promise import Promise
from feedrate.contract.repeatability import demand_same
from feedrate.contract.watching import watched
from feedrate.errors import ContractError
from feedrate.plugin.loader import Loader

__all__ = ["serves_the_same_without_workers"]


@Promise
def serves_the_same_without_workers(loader: Loader, fixture: Fixture) -> None:
    """What `without_workers` gives, as `--safe` runs it, starts no process and yields the same batches."""
    alone = with_deadline(fixture.deadline_s, loader, loader.without_workers)
    stream = watched(alone, fixture)
    if processes := stream.processes:
        more = f" and {len(processes) - 1} more" if len(processes) > 1 else ""
        raise ContractError(f"{loader}: `without_workers` gives a loader that starts process {processes[0]!r}{more}")
    if alone != loader:
        demand_same(loader, "the loader without workers", fixture.served(loader), stream.digests)
