"""Say below a table, in a few lines, on which machine and with which software it was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from feedrate.formatting import byte_size
from feedrate.records.measurement import Measurement, Outcome
from feedrate.report.summary_row import rows
from feedrate.system.environment import unset

__all__ = ["caption"]


def caption(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield the lines: machine, then software, variables, the file of settings, then replicates, page cache and run."""
    environment = outcomes[-1].environment
    machine = _inner(environment, "machine")
    if machine:
        yield f"machine     {_machine(machine)}"
    versions = _inner(environment, "versions")
    if versions:
        named = (f"{name} {versions[name]}" for name in ("feedrate", "torch", "pyarrow") if versions.get(name))
        yield f"software    {', '.join([*named, *_commit(_inner(environment, 'git'))])}"
    variables = _inner(environment, "variables")
    if variables:
        yield f"variables   {unset(variables)}"
    config = _inner(environment, "config")
    if config:
        yield f"config      {config.get('path')}"
    yield from _gpu(outcomes)
    yield f"run         {_run(outcomes)}"


def _inner(environment: Mapping[str, object], key: str) -> Mapping[str, object]:
    inner = environment.get(key)
    return inner if isinstance(inner, Mapping) else {}


def _machine(machine: Mapping[str, object]) -> str:
    affinity, limits, gpus = machine.get("affinity"), _inner(machine, "limits"), machine.get("gpus")
    usable = len(affinity) if isinstance(affinity, Sequence) else machine.get("cores")
    parts = [f"{machine.get('name')}: {machine.get('cpu')}", f"{usable} of {machine.get('cores')} cores"]
    if limits.get("cores"):
        parts.append(f"limited to {limits['cores']} cores' time")
    memory = limits.get("memory_bytes") or machine.get("memory_bytes")
    parts.append(byte_size(memory) if isinstance(memory, (int, float)) and memory else "memory unknown")
    first = gpus[0] if isinstance(gpus, Sequence) and gpus else None
    if isinstance(first, Mapping):
        parts.append(f"{first.get('name')}, driver {first.get('driver')}")
    return ", ".join(parts)


def _gpu(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield a line on the GPU while it worked: ranges over all cells; nothing where nobody said."""
    measured = [outcome for outcome in outcomes if isinstance(outcome, Measurement) and outcome.conditions]
    clocks = [clock for outcome in measured if outcome.conditions for clock in outcome.conditions.clocks]
    ranges = (
        _range([clock.mhz for clock in clocks], "MHz"),
        _range([clock.power_w for clock in clocks if clock.power_w is not None], "W"),
        _range([clock.celsius for clock in clocks if clock.celsius is not None], "C"),
    )
    shares = [o.conditions.gpu_busy_share for o in measured if o.conditions]
    busy = [100 * share for share in shares if share is not None]
    if busy:
        yield f"GPU         busy {_range(busy, '%')} of the time while loader and step ran together"
    if clocks:
        yield f"GPU         {', '.join(filter(None, ranges))} right after it had been busy"


def _range(values: Sequence[float], unit: str) -> str:
    if not values:
        return ""
    low, high = round(min(values)), round(max(values))
    return f"{low:,} {unit}" if low == high else f"{low:,} to {high:,} {unit}"


def _commit(git: Mapping[str, object]) -> Iterator[str]:
    if git:
        yield f"git {str(git.get('commit'))[:8]}{' with uncommitted changes' if git.get('dirty') else ''}"


def _run(outcomes: Sequence[Outcome]) -> str:
    counts = sorted({len(row.measured) for row in rows(outcomes) if row.measured})
    caches = sorted({outcome.page_cache for outcome in outcomes if isinstance(outcome, Measurement)})
    several = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1]))) if counts else "no"
    plural = "" if several == "1" else "s"
    runs = list(dict.fromkeys(outcome.run for outcome in outcomes))
    cache = f"page cache {' and '.join(caches)}, " if caches else ""
    return f"{several} replicate{plural} of each cell, {cache}{', '.join(runs[-3:])}"
