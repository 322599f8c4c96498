"""One fresh process for each replicate, watched from outside and reaped whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate import memory
from feedrate.errors import DataError
from feedrate.marks import Marks
from feedrate.measurement import Failure, Measurement
from feedrate.nursery import Forked, Nursery, short_folder
from feedrate.processes import caps
from feedrate.validity import refusals

if TYPE_CHECKING:
    from feedrate.measurement import Kind, Outcome

__all__ = ["Settings", "answered", "measure"]

_SAMPLE_S = 0.1
"""Between two looks at the tree; a look at its memory is left out while a window is timed."""
_REST = 10.0
"""A look at memory is followed by so many times its length without: it takes a core, and locks what it looks at."""
_GRACE_S = 1.0
"""For processes that clean up when the others are gone (multiprocessing's resource tracker), and for stack dumps."""
_RESERVE = 0.03
"""Share of the machine's memory below which a run is ended before the kernel picks a victim of its own."""


@dataclass(frozen=True)
class Settings:
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
    nursery: Nursery | None = None
    """Where processes for the CPU are forked; None: every replicate imports torch for itself."""


def measure(cell: str, settings: Settings) -> Outcome:
    """Measure `cell`, as `str(Cell)` writes it, once in a fresh process.

    Whatever happens to the interpreter comes back as a `Failure`; on return, and on any exception such as Ctrl-C,
    none of its processes, temporary files or shared memory is left.
    """
    return answered(cell, settings)[0]


def answered(
    cell: str, settings: Settings, probe: Mapping[str, object] | None = None
) -> tuple[Outcome, Mapping[str, object]]:
    """The outcome of `measure`, and all that the process answered.

    With `probe`, the fields of a `feedrate.probe.Request`, it takes the cell apart as well and answers `ladder`.
    """
    record: dict[str, object] = {
        "cell": cell,
        "run": settings.run,
        "replicate": settings.replicate,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "environment": settings.environment,
    }
    log = _log_path(cell, settings)
    with tempfile.TemporaryDirectory(prefix="feedrate-", dir=short_folder()) as scratch:
        request = Path(scratch, "request.json")
        threads = settings.threads or len(os.sched_getaffinity(0))
        request.write_text(json.dumps(_request(cell, settings, scratch, threads) | {"probe": probe}))
        child = _begun(cell, request, log, threads, settings)
        nursery = settings.nursery.pid(threads) if settings.nursery and isinstance(child, Forked) else None
        with _reaped(child):
            seen = _watch(child, nursery, Marks(Path(scratch)), settings.timeout_s)
        answer = Path(scratch, "answer.json")
        raw = json.loads(answer.read_text()) if answer.exists() else None
    kept = _tidy(log)
    return _outcome(record | {"log": kept}, raw, seen, log), raw or {}


def _begun(cell: str, request: Path, log: Path, threads: int, settings: Settings) -> Forked | subprocess.Popen[bytes]:
    """A process in a session of its own that answers the request."""
    environment, scratch = _environment(threads, settings), {"TMPDIR": str(request.parent)}
    on_cpu = cell.endswith("/cpu")
    if on_cpu:
        # The compiler's pool of processes is for GPU kernels; started in vain it imports torch beside the measurement.
        environment["TORCH_WARM_POOL"] = "0"
    # A CUDA driver that was touched survives no fork, and nothing keeps a library from touching it when imported.
    if settings.nursery and on_cpu:
        return settings.nursery.fork(request, log, environment, scratch, threads)
    with log.open("wb") as stderr:
        return subprocess.Popen(
            [sys.executable, "-m", "feedrate._child", str(request)],
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
            env=environment | scratch,
            start_new_session=True,
        )


def _log_path(cell: str, settings: Settings) -> Path:
    name = f"{cell.replace('/', '-')}-{settings.replicate}.log"
    folder = settings.logs / settings.run
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


def _request(cell: str, settings: Settings, scratch: str, threads: int) -> dict[str, object]:
    return {
        "cell": cell,
        "data": str(settings.data.resolve()),
        "scratch": scratch,
        "seconds": settings.seconds,
        "plugin_files": [str(path.resolve()) for path in settings.plugin_files],
        "safe": settings.safe,
        "threads": threads,
    }


def _environment(threads: int, settings: Settings) -> dict[str, str]:
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


def _watch(child: Forked | subprocess.Popen[bytes], nursery: int | None, marks: Marks, timeout_s: float) -> _Seen:
    """Wait for the child, sample its tree's memory, and end it at the deadline or when memory runs out."""
    seen, shm_before = _Seen(), memory.shm_bytes()
    # Pages that nobody wrote to since the fork: half of each counts as the nursery's, and is the child's memory too.
    lent = memory.lent_bytes(nursery) if nursery else 0
    deadline = time.monotonic() + timeout_s
    look = 0.0
    while True:
        with suppress(subprocess.TimeoutExpired):
            seen.status = child.wait(_SAMPLE_S)
            return seen
        if time.monotonic() > deadline:
            seen.ended = "hang"
            os.kill(child.pid, signal.SIGUSR1)
            with suppress(subprocess.TimeoutExpired):
                child.wait(_GRACE_S)
            return seen
        if memory.available_bytes() < _RESERVE * memory.total_bytes():
            seen.ended = "memory"
            return seen
        seen.shm_peak = max(seen.shm_peak, memory.shm_bytes() - shm_before)
        start = time.monotonic()
        if marks.is_asked or (start > look and not marks.is_timing):
            seen.pss_peak = max(seen.pss_peak or 0, memory.pss_bytes(memory.family(child.pid)) + lent)
            marks.answer()
            look = time.monotonic() + (time.monotonic() - start) * _REST


@contextmanager
def _reaped(child: Forked | subprocess.Popen[bytes]) -> Iterator[None]:
    """On leaving, every process of the child's session is gone."""
    try:
        yield
    finally:
        session = child.pid
        _kill(pid for pid in memory.session(session) if not _cleans_up(pid))
        child.wait()
        # The resource tracker unlinks what the killed left in shared memory, once their pipes are closed.
        until = time.monotonic() + _GRACE_S
        while any(True for _ in memory.session(session)) and time.monotonic() < until:
            time.sleep(_SAMPLE_S / 10)
        _kill(memory.session(session))


def _cleans_up(pid: int) -> bool:
    with suppress(OSError):
        return b"resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _kill(pids: Iterator[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _tidy(log: Path) -> str:
    """The log's path, or nothing if it is empty: then there is nothing to keep."""
    if log.stat().st_size == 0:
        log.unlink()
        return ""
    return str(log)


def _outcome(record: Mapping[str, object], raw: Mapping[str, object] | None, seen: _Seen, log: Path) -> Outcome:
    if seen.ended == "memory":
        return _failure(record, "out of memory", "ended because the machine had next to no memory left")
    if seen.ended == "hang":
        return _failure(
            record, "hang", f"still running at its deadline; the log holds the stacks of its threads: {log}"
        )
    if seen.status < 0:
        name = signal.Signals(-seen.status).name
        return _failure(record, "signal", f"ended by {name}; see {log}")
    if raw is None:
        return _failure(record, "exception", f"ended with status {seen.status} and no answer; see {log}")
    if "why" in raw:
        return Failure.from_json({**record, **raw})
    host = {"host_peak_bytes": seen.pss_peak, "shm_peak_bytes": seen.shm_peak}
    try:
        measured = Measurement.from_json({**record, **raw, **host})
    except DataError as error:
        # What a strategy says of itself stands in it, too.
        return _failure(record, "invalid", f"what the process answered is no measurement: {error}")
    refused = next(refusals(measured), "")
    return _failure(record, "invalid", refused) if refused else measured


def _failure(record: Mapping[str, object], why: Kind, reason: str) -> Failure:
    return Failure.from_json({**record, "why": why, "reason": reason})
