"""One fresh process for each replicate, watched from outside and reaped whole."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.records.cell_key import SIMULATED, ranks_of
from feedrate.records.codec import encoded
from feedrate.records.measurement import Failure, Measurement
from feedrate.records.request import SECONDS, AblationRequest, OwnFiles, ReplicateRequest
from feedrate.runner.capped_log import Log
from feedrate.runner.forkserver import ForkError, ForkServer
from feedrate.runner.outcome import Heading, Replicate, outcome
from feedrate.runner.watch import Ending, watch
from feedrate.system.guard import Guarded
from feedrate.system.scratch import Scratch
from feedrate.system.threadpools import caps

if TYPE_CHECKING:
    from feedrate.records.ladder import Ladder
    from feedrate.records.measurement import Outcome

__all__ = ["ReplicateSettings", "measure", "run_replicate", "take_apart", "watched_replicate"]


_RANKS_PATIENCE_S = 100.0
"""Longest that ranks wait for one another, or a quarter of the deadline."""


@dataclass(frozen=True)
class ReplicateSettings:
    """How a replicate is run."""

    data: Path
    """Folder of the data sets."""
    logs: Path
    """Folder for what the processes write to standard error."""
    run: str
    """Name of this invocation."""
    replicate: int = 0
    seconds: float = SECONDS
    """Aim of each of the three times."""
    timeout_s: float = 300.0
    plugin_files: tuple[Path, ...] = ()
    own_files: OwnFiles | None = None
    """What a workload of the user's own files is made of; None: there is none."""
    safe: bool = False
    """Loaders start no process of their own."""
    threads: int | None = None
    """Cap of every thread pool; None: the cores that this process may use."""
    pools: Mapping[str, int] = field(default_factory=dict)
    """Caps of single pools over that, by name: see `feedrate.system.threadpools`."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Of the environment of its processes, whatever this one's says."""
    turns: Path | None = None
    """Where it takes turns with another replicate; None: it measures alone."""
    epoch_start_s: float = 0.0
    """So much may be spent on meeting the beginning of an epoch where no window does; 0: nothing."""
    environment: Mapping[str, object] = field(default_factory=dict)
    """The snapshot that goes into every outcome."""
    fork_server: ForkServer | None = None
    """Where processes are forked that touch no driver of a GPU; None: every replicate imports torch for itself."""


def measure(cell: str, settings: ReplicateSettings) -> Outcome:
    """Measure `cell`, as `str(Cell)` writes it, once in a fresh process.

    Whatever happens to the interpreter comes back as a `Failure`; on return, and on any exception such as Ctrl-C,
    none of its processes, temporary files or shared memory is left.
    """
    replicate = run_replicate(cell, settings)
    return replicate if isinstance(replicate, Failure) else replicate.measurement


def take_apart(
    cell: str, settings: ReplicateSettings, ablation: AblationRequest
) -> tuple[Measurement, Ladder] | Failure:
    """Measure `cell` like `measure`, and take it apart in the same process."""
    replicate = run_replicate(cell, settings, ablation)
    if isinstance(replicate, Failure):
        return replicate
    measurement, ladder = replicate.measurement, replicate.ladder
    if ladder is not None:
        return measurement, ladder
    heading = Heading(
        cell, settings.run, settings.replicate, measurement.started, settings.environment, measurement.log
    )
    return heading.failure("exception", "its answer cannot be read, something wrote over it: it holds no ladder")


def run_replicate(
    cell: str, settings: ReplicateSettings, ablation: AblationRequest | None = None
) -> Replicate | Failure:
    """Run one fresh process to its end, and give what it measured; with `ablation`, a ladder is part of that."""

    def watched(log: Log, scratch: Scratch) -> Ending:
        return _watched(cell, settings, ablation, log, scratch)

    return watched_replicate(cell, settings, watched)


def watched_replicate(
    cell: str, settings: ReplicateSettings, watched: Callable[[Log, Scratch], Ending]
) -> Replicate | Failure:
    """Have `watched` run a process to its end that writes to a log and answers in a folder, and give the outcome."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    heading = Heading(cell, settings.run, settings.replicate, started, settings.environment)
    try:
        log = Log(settings.logs / settings.run, cell, settings.replicate)
        with Scratch.made() as scratch:
            ending = watched(log, scratch)
            answer = scratch.folder / "answer.json"
            unlogged = outcome(heading, answer, ending, log.path)
            # Of the updates that `why` has profiled, for whoever wants to look at them.
            log.keep(scratch.folder / "trace.json")
        kept = log.close()
    except (ForkError, OSError) as error:
        return heading.failure("exception", f"it could not be measured: {error}")
    if isinstance(unlogged, Failure):
        return replace(unlogged, log=kept)
    return replace(unlogged, measurement=replace(unlogged.measurement, log=kept))


def _watched(
    cell: str, settings: ReplicateSettings, ablation: AblationRequest | None, log: Log, scratch: Scratch
) -> Ending:
    """Run the process that answers, and say how it ended."""
    start, cores = time.monotonic(), len(os.sched_getaffinity(0))
    threads = settings.threads or max(1, cores // ranks_of(cell))
    request = scratch.folder / "request.json"
    request.write_text(json.dumps(encoded(_request(cell, settings, scratch.folder, threads, ablation))))
    with _begun(cell, request, log.path, threads, settings) as child:
        fork_server = (
            settings.fork_server.pid(_named(threads, settings))
            if settings.fork_server and _is_forked(cell, settings)
            else None
        )
        ending = watch(child, fork_server, scratch, log, settings.timeout_s)
    ending.left, ending.wall_s = child.left, time.monotonic() - start
    log.add(scratch.folder)
    return ending


def _begun(cell: str, request: Path, log: Path, threads: int, settings: ReplicateSettings) -> Guarded:
    """Start a process in a session of its own that answers the request."""
    # What multiprocessing names is swept with the folder, see `feedrate.system.scratch`.
    environment, scratch = _environment(threads, settings), {"TMPDIR": str(request.parent)}
    if _is_on_host(cell):
        # The compiler's pool of processes is for GPU kernels; started in vain it imports torch beside the measurement.
        environment["TORCH_WARM_POOL"] = "0"
    if settings.fork_server and _is_forked(cell, settings):
        return settings.fork_server.fork(request, log, environment, scratch, _named(threads, settings))
    command = [sys.executable, "-m", "feedrate.metering.replicate_main", str(request)]
    return Guarded.started(command, log, environment | scratch)


def _named(threads: int, settings: ReplicateSettings) -> str:
    """Name caps of pools: a process that has imported torch cannot take others."""
    return "-".join((str(threads), *(f"{pool}{count}" for pool, count in sorted(settings.pools.items()))))


def _is_forked(cell: str, settings: ReplicateSettings) -> bool:
    # A CUDA driver that was touched survives no fork, and nothing keeps a library from touching it when imported.
    return settings.fork_server is not None and _is_on_host(cell)


def _is_on_host(cell: str) -> bool:
    # Not parsed: a text that is no cell is a failure of that replicate, which its process tells.
    return cell.rpartition("/")[2] in ("cpu", SIMULATED)


def _request(
    cell: str, settings: ReplicateSettings, scratch: Path, threads: int, ablation: AblationRequest | None
) -> ReplicateRequest:
    return ReplicateRequest(
        cell=cell,
        data=settings.data.resolve(),
        scratch=scratch,
        seconds=settings.seconds,
        threads=threads,
        pools=settings.pools,
        safe=settings.safe,
        plugin_files=tuple(path.resolve() for path in settings.plugin_files),
        own_files=settings.own_files,
        ablation=ablation,
        turns=settings.turns,
        epoch_start_s=settings.epoch_start_s,
        patience_s=min(_RANKS_PATIENCE_S, settings.timeout_s / 4),
    )


def _environment(threads: int, settings: ReplicateSettings) -> dict[str, str]:
    """Give this process's environment with thread caps, void after `import torch`.

    Compiled kernels are kept between runs: the record says how long the first step took.
    """
    kept = settings.logs.resolve() / "compiled"
    capped = caps(threads, settings.pools) | {"TORCHINDUCTOR_CACHE_DIR": str(kept)}
    return {**os.environ, **settings.variables, **capped}
