"""One fresh process for each replicate, watched from outside and reaped whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from feedrate.errors import DataError, one_line
from feedrate.records.format_number import FORMAT
from feedrate.records.measurement import Failure, Kind, Measurement
from feedrate.records.validity import refusals
from feedrate.runner.capped_log import Log
from feedrate.runner.forkserver import ForkError, ForkServer
from feedrate.system import memory
from feedrate.system.guard import Guarded
from feedrate.system.procfs import process_tree
from feedrate.system.sampling_flags import SamplingFlags
from feedrate.system.scratch import Scratch
from feedrate.system.signals import dump_stacks, signal_name
from feedrate.system.threadpools import caps

if TYPE_CHECKING:
    from feedrate.records.measurement import Outcome

__all__ = ["ReplicateSettings", "measure", "run_replicate"]

_SAMPLE_S = 0.1
"""Between two looks at the tree; a look at its memory is left out while a window is timed."""
_REST = 10.0
"""A look at memory is followed by so many times its length without: it takes a core, and locks what it looks at."""
_GRACE_S = 1.0
"""For stack dumps."""
_RESERVE = 0.03
"""Share of the machine's memory below which a run is ended before the kernel picks a victim of its own."""


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
    seconds: float = 0.4
    """Aim of each of the three times."""
    timeout_s: float = 300.0
    plugin_files: tuple[Path, ...] = ()
    safe: bool = False
    """Loaders start no process of their own."""
    threads: int | None = None
    """Cap of every thread pool; None: the cores that this process may use."""
    environment: Mapping[str, object] = field(default_factory=dict)
    """The snapshot that goes into every outcome."""
    fork_server: ForkServer | None = None
    """Where processes for the CPU are forked; None: every replicate imports torch for itself."""


def measure(cell: str, settings: ReplicateSettings) -> Outcome:
    """Measure `cell`, as `str(Cell)` writes it, once in a fresh process.

    Whatever happens to the interpreter comes back as a `Failure`; on return, and on any exception such as Ctrl-C,
    none of its processes, temporary files or shared memory is left.
    """
    return run_replicate(cell, settings)[0]


def run_replicate(
    cell: str, settings: ReplicateSettings, probe: Mapping[str, object] | None = None
) -> tuple[Outcome, Mapping[str, object]]:
    """The outcome of `measure`, and all that the process answered.

    With `probe`, the fields of an ablation's `Request`, it takes the cell apart as well and answers `ladder`.
    """
    record: dict[str, object] = {
        "cell": cell,
        "run": settings.run,
        "replicate": settings.replicate,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "environment": settings.environment,
        "log": "",
    }
    try:
        log = Log(settings.logs / settings.run, cell, settings.replicate)
        with Scratch.made() as scratch:
            seen, raw = _watched(cell, settings, probe, log, scratch)
        kept = log.close()
    except (ForkError, OSError) as error:
        return _failure(record, "exception", f"it could not be measured: {error}"), {}
    return _outcome(record | {"log": kept}, raw, seen, log.path), raw or {}


def _watched(
    cell: str, settings: ReplicateSettings, probe: Mapping[str, object] | None, log: Log, scratch: Scratch
) -> tuple[_Seen, Mapping[str, object] | None]:
    """What the run looked like, and what it answered, if that can be read."""
    threads = settings.threads or len(os.sched_getaffinity(0))
    asked = _request(cell, settings, str(scratch.folder), threads) | {"probe": probe}
    request = scratch.folder / "request.json"
    request.write_text(json.dumps(asked))
    with _begun(cell, request, log.path, threads, settings) as child:
        fork_server = settings.fork_server.pid(threads) if settings.fork_server and _is_forked(cell, settings) else None
        seen = _watch(child, fork_server, scratch, log, settings.timeout_s)
    seen.left = child.left
    log.add(scratch.folder)
    return seen, _answer(scratch.folder / "answer.json")


def _answer(path: Path) -> Mapping[str, object] | None:
    """What a child wrote when it was done; None for nothing, and for what no child of ours writes."""
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_bytes(), parse_constant=_refused)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _begun(cell: str, request: Path, log: Path, threads: int, settings: ReplicateSettings) -> Guarded:
    """A process in a session of its own that answers the request."""
    # What multiprocessing names is swept with the folder, see `feedrate.system.scratch`.
    environment, scratch = _environment(threads, settings), {"TMPDIR": str(request.parent)}
    if cell.endswith("/cpu"):
        # The compiler's pool of processes is for GPU kernels; started in vain it imports torch beside the measurement.
        environment["TORCH_WARM_POOL"] = "0"
    if settings.fork_server and _is_forked(cell, settings):
        return settings.fork_server.fork(request, log, environment, scratch, threads)
    command = [sys.executable, "-m", "feedrate.metering.replicate_main", str(request)]
    return Guarded.started(command, log, environment | scratch)


def _is_forked(cell: str, settings: ReplicateSettings) -> bool:
    # A CUDA driver that was touched survives no fork, and nothing keeps a library from touching it when imported.
    return settings.fork_server is not None and cell.endswith("/cpu")


def _request(cell: str, settings: ReplicateSettings, scratch: str, threads: int) -> dict[str, object]:
    return {
        "cell": cell,
        "data": str(settings.data.resolve()),
        "scratch": scratch,
        "seconds": settings.seconds,
        "plugin_files": [str(path.resolve()) for path in settings.plugin_files],
        "safe": settings.safe,
        "threads": threads,
    }


def _environment(threads: int, settings: ReplicateSettings) -> dict[str, str]:
    """This process's environment with thread caps, void after `import torch`.

    Compiled kernels are kept between runs: the record says how long the first step took.
    """
    kept = settings.logs.resolve() / "compiled"
    return dict(os.environ) | caps(threads) | {"TORCHINDUCTOR_CACHE_DIR": str(kept)}


@dataclass
class _Seen:
    """What the run looked like from outside."""

    pss_peak: int | None = None
    shm_peak: int = 0
    ended: str = ""
    """Why the run was ended from outside: `hang` or `memory`; empty: it ended itself."""
    status: int = 0
    left: tuple[str, ...] = ()
    """Commands of what it left running."""


def _watch(child: Guarded, fork_server: int | None, scratch: Scratch, log: Log, timeout_s: float) -> _Seen:
    """Wait for the child, sample its tree's memory, and end it at the deadline or when memory runs out."""
    seen, shm_before, marks = _Seen(), memory.shm_bytes(), SamplingFlags(scratch.folder)
    deadline = time.monotonic() + timeout_s
    look, pids = 0.0, {child.pid}
    scratch.note(pids)
    while True:
        with suppress(subprocess.TimeoutExpired):
            seen.status = child.wait(_SAMPLE_S)
            return seen
        log.trim()
        if time.monotonic() > deadline:
            seen.ended = "hang"
            _dump_stacks(child)
            return seen
        if memory.available_bytes() < _RESERVE * memory.total_bytes():
            seen.ended = "memory"
            return seen
        seen.shm_peak = max(seen.shm_peak, memory.shm_bytes() - shm_before)
        start = time.monotonic()
        if marks.sample_requested or (start > look and not marks.is_busy):
            family = set(process_tree(child.pid))
            # Pages that nobody wrote to since the fork: half of each counts as the fork server's, and is the child's.
            lent = memory.lent_bytes(fork_server) if fork_server else 0
            seen.pss_peak = max(seen.pss_peak or 0, memory.pss_bytes(family) + lent)
            marks.sample_taken()
            scratch.note(family - pids)
            pids |= family
            look = time.monotonic() + (time.monotonic() - start) * _REST


def _dump_stacks(child: Guarded) -> None:
    """Have it and its workers write down what they were doing; those that do not know how would only end."""
    dump_stacks(process_tree(child.pid))
    with suppress(subprocess.TimeoutExpired):
        child.wait(_GRACE_S)


def _outcome(record: Mapping[str, object], raw: Mapping[str, object] | None, seen: _Seen, log: Path) -> Outcome:
    if seen.ended == "memory":
        return _failure(record, "out of memory", "ended because the machine had next to no memory left")
    if seen.ended == "hang":
        return _failure(
            record, "hang", f"still running at its deadline; the log holds the stacks of its threads: {log}"
        )
    left = f"; it left running: {', '.join(seen.left)}" if seen.left else ""
    if seen.status < 0:
        return _failure(record, "signal", f"ended by {signal_name(-seen.status)}{left}; see {log}")
    if seen.status or raw is None:
        lacking = "no answer" if raw is None else "not as one that has answered ends"
        return _failure(record, "exception", f"ended with status {seen.status} and {lacking}{left}; see {log}")
    try:
        return _answered(record, raw, seen)
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, DataError) as error:
        return _failure(record, "exception", f"its answer cannot be read, something wrote over it: {one_line(error)}")


def _answered(record: Mapping[str, object], raw: Mapping[str, object], seen: _Seen) -> Outcome:
    """The outcome of a child that ended as it should.

    Raises what reading raises, if something else than the child wrote the answer.
    """
    if "why" in raw:
        if raw["why"] not in get_args(Kind):
            raise ValueError(f"{raw['why']!r} is no kind of failure")
        return _failure(record, cast("Kind", raw["why"]), str(raw["reason"]))
    host = {"host_peak_bytes": seen.pss_peak, "shm_peak_bytes": seen.shm_peak}
    measured = Measurement.from_json({"format": FORMAT, **record, **raw, **host})
    if seen.left:
        measured = replace(measured, observed={**measured.observed, "left running": list(seen.left)})
    # Whoever shows them asks for all of these, and it may be late for a surprise then.
    json.dumps(
        [measured.as_json(), measured.samples_per_s, measured.step_drift, measured.prefetch_bias],
        allow_nan=False,
        default=str,
    )
    refused = next(refusals(measured), "")
    return _failure(record, "invalid", refused) if refused else measured


def _failure(record: Mapping[str, object], why: Kind, reason: str) -> Failure:
    return Failure.from_json({**record, "why": why, "reason": reason})
