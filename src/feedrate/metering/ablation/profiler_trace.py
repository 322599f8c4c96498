"""Read a profiler's trace of a few updates, as it is written for viewers: operators, kernels, waits."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

__all__ = ["STEP", "ProfilerTrace"]

STEP = "feedrate: one update"
"""Mark of each update in a trace."""

Event: TypeAlias = Mapping[str, object]

_PRODUCTS = ("mm", "bmm", "addmm", "baddbmm", "linear", "convolution", "conv", "attention", "lstm", "gru", "rnn")
"""Parts of the names of operators that are made of matrix products."""
_DTYPES = {"float": "fp32", "c10::BFloat16": "bf16", "c10::Half": "fp16"}
_WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "cudaMemcpy")
"""Calls in which the host waits for the device; a copy that is not asynchronous does."""


@dataclass(frozen=True)
class ProfilerTrace:
    """The complete events of a Chrome trace, as `torch.profiler` exports it, of `steps` updates."""

    events: tuple[Event, ...]
    steps: int

    @classmethod
    def read(cls, path: Path, steps: int) -> ProfilerTrace:
        """The trace in a file."""
        events = json.loads(path.read_text())["traceEvents"]
        return cls(tuple(event for event in events if event.get("ph") == "X"), steps)

    @property
    def operators_per_step(self) -> float:
        """Operators that no other operator called."""
        return sum(1 for _ in self._outermost()) / self.steps

    def operators_s(self, thread: int) -> tuple[float, ...]:
        """For each update that was marked as a `STEP`: seconds of a thread in operators and in compiled code.

        `thread`: the kernel's number of it.
        """
        steps = sorted(_span(event) for event in self._of("user_annotation") if event["name"] == STEP)
        spans = [_span(event) for event in self._outermost() if event["tid"] == thread]
        return tuple(sum(end - begin for begin, end in spans if start <= begin < stop) / 1e6 for start, stop in steps)

    @property
    def kernels_per_step(self) -> float:
        """Kernels that ran on the device."""
        return sum(1 for _ in self._of("kernel")) / self.steps

    @property
    def syncs_per_step(self) -> float:
        """Times that the host waited for the device; the one wait that ends the profile is not counted."""
        waits = sum(1 for event in self._of("cuda_runtime") if event["name"] in _WAITS)
        return max(0, waits - 1) / self.steps

    @property
    def device_busy_s(self) -> float:
        """Seconds a step in which the device ran a kernel or a copy, overlaps counted once."""
        spans = sorted(_span(event) for kind in ("kernel", "gpu_memcpy", "gpu_memset") for event in self._of(kind))
        busy = end = 0.0
        for start, stop in spans:
            busy += max(0.0, stop - max(start, end))
            end = max(end, stop)
        return busy / 1e6 / self.steps

    @property
    def dtype(self) -> str | None:
        """What most matrix products are computed in; None: no operator says so."""
        if any("tf32" in str(event["name"]).lower() for event in self._of("kernel")):
            return "tf32"
        dtypes: Counter[str] = Counter()
        for event in self._of("cpu_op"):
            if any(part in str(event["name"]).lower() for part in _PRODUCTS):
                dtypes.update(dict.fromkeys(_dtypes(event)[:1], 1))
        return dtypes.most_common(1)[0][0] if dtypes else None

    def _of(self, kind: str) -> Iterator[Event]:
        return (event for event in self.events if event.get("cat") == kind)

    def _outermost(self) -> Iterator[Event]:
        ends: dict[object, float] = {}
        # An operator that begins at the same moment as another is inside the longer one.
        for event in sorted(self._of("cpu_op"), key=lambda event: (_span(event)[0], -_span(event)[1])):
            start, stop = _span(event)
            if start >= ends.get(event["tid"], 0.0):
                ends[event["tid"]] = stop
                yield event


def _span(event: Event) -> tuple[float, float]:
    start = float(str(event["ts"]))
    return start, start + float(str(event["dur"]))


def _dtypes(event: Event) -> list[str]:
    args = event.get("args")
    types = args.get("Input type", ()) if isinstance(args, Mapping) else ()
    return [_DTYPES[name] for name in types if name in _DTYPES] if isinstance(types, Iterable) else []
