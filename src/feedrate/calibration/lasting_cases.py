"""List cells that get worse as they go on, each beside its twin, which is the same cell cured."""

from __future__ import annotations

from collections.abc import Iterator

from feedrate.calibration.case import HEALTHY, Case
from feedrate.calibration.denormals import slow_denormals

__all__ = ["LASTING_CASES"]

_PLAIN = "fp32"


def _pairs() -> Iterator[Case]:
    for name, kept, symptom in (
        ("graph of a running loss", "graph", "memory growth: step"),
        ("outputs kept", "outputs", "memory growth: step"),
        ("state that grows", "state", "drift: step"),
        ("denormal numbers", "denormals", "drift: step"),
        ("circles around outputs", "cycles", "reference cycles: step"),
        ("small objects of the step", "objects", "collector pauses: step"),
    ):
        needs = (slow_denormals,) if kept == "denormals" else ()
        yield Case(name, "inline", f"lasting[kept={kept}]", symptom=symptom, needs=needs)
        yield Case(f"{name}, cured", "inline", f"lasting[kept={kept},cured=true]", symptom=HEALTHY)
    for name, kept, symptom in (
        ("index that grows", "index", "drift: loader"),
        ("answers ever later", "wait", "drift: loader"),
        ("small objects of the loader", "objects", "collector pauses: loader"),
        ("circles around rows", "cycles", "reference cycles: loader"),
        ("cache without a bound", "rows", "memory growth: loader"),
        ("worker that keeps rows", "worker", "memory growth: workers"),
        ("segments not released", "segments", "memory growth: shared memory"),
        ("files not closed", "descriptors", "descriptor growth: loader"),
        ("threads not joined", "threads", "thread growth: loader"),
    ):
        yield Case(name, f"lingering[kept={kept}]", _PLAIN, symptom=symptom)
        yield Case(f"{name}, cured", f"lingering[kept={kept},cured=true]", _PLAIN, symptom=HEALTHY)
    yield Case("pages of a mapped file", "lingering[kept=pages]", _PLAIN, symptom=HEALTHY)


LASTING_CASES: tuple[Case, ...] = tuple(_pairs())
