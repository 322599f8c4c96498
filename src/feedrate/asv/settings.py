"""Read what a user sets for an asv run: asv calls us without a command line, so it comes from the environment."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from feedrate.errors import UsageError
from feedrate.records.cell_key import SIMULATED
from feedrate.revisions.call import PATIENCE_S, Invocation

__all__ = ["AsvSettings", "demand_speed", "identity", "run_variables"]


@dataclass(frozen=True)
class AsvSettings:
    """The environment of one asv child, read once."""

    size: str
    device: str
    replicates: int
    """Samples of a cell, each from a fresh process. Never 6: no outcome of asv's test can then be a difference."""
    deadline_s: int
    """Longest one sample may take; `feedrate run` gives up by itself, long before asv's silence timeout."""
    commit: str
    environment: str
    run: str
    """One asv invocation: samples are served to it once each."""
    run_name: str
    """Of the file that its measurements are lines of, below `raw`."""
    memo: Path | None
    """A folder that outlives asv, so that an interrupted run goes on where it was; None keeps samples for one run."""
    raw: Path
    """Folder that gets every measurement and failure as one JSON line: asv keeps only a null, never why."""
    logs: Path
    checkout: Path
    """The project at the commit."""
    configuration: Path
    """Folder of `asv.conf.json`."""

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> AsvSettings:
        """Read the environment asv runs a benchmark in.

        Raises:
            UsageError: what is set for a number is none.
        """
        return cls(
            size=environ.get("FEEDRATE_SIZE", "small"),
            device=environ.get("FEEDRATE_DEVICE", "cpu"),
            replicates=_count(environ, "FEEDRATE_REPLICATES", "5"),
            deadline_s=_count(environ, "FEEDRATE_DEADLINE_S", "600"),
            commit=environ.get("ASV_COMMIT", "uncommitted"),
            environment=environ.get("ASV_ENV_NAME", "none"),
            run=environ.get("FEEDRATE_ASV_RUN", "none"),
            run_name=environ.get("FEEDRATE_RUN", "asv"),
            memo=_path(environ, "FEEDRATE_MEMO"),
            raw=Path(environ.get("FEEDRATE_RAW", "results/raw")).resolve(),
            logs=Path(environ.get("FEEDRATE_LOGS", "logs")).resolve(),
            checkout=Path(environ.get("ASV_ENV_DIR", "."), "project").resolve(),
            configuration=Path(environ.get("ASV_CONF_DIR", ".")).resolve(),
        )

    @property
    def invocation(self) -> Invocation:
        """How the commit's `feedrate run` is called."""
        return Invocation(self.commit, self.checkout, self.run, self.raw, self.logs, self.deadline_s)

    @property
    def silence_s(self) -> int:
        """Seconds a benchmark may say nothing: more than all its samples together can take."""
        return self.replicates * (self.deadline_s + 2 * PATIENCE_S)

    def cell(self, workload: str, loader: str, step: str) -> str:
        """Name one cell the way `feedrate run --cell` reads it."""
        return f"{workload}/{self.size}/{loader}/{step}/{self.device}"


def run_variables(environ: Mapping[str, str], results: Path) -> dict[str, str]:
    """Name what all processes of one asv invocation share; `results` is where asv keeps its own.

    Every sample of it is of one run, in one file; what starts asv may have named that already.
    """
    return {
        "FEEDRATE_ASV_RUN": uuid.uuid4().hex,
        "FEEDRATE_LOGS": str(results.resolve().parent / "logs"),
        "FEEDRATE_RAW": str(results.resolve() / "raw"),
        "FEEDRATE_RUN": environ.get("FEEDRATE_RUN") or f"{datetime.now(UTC):%Y%m%dT%H%M%S}-asv",
    }


def identity(environ: Mapping[str, str], *, gpu: bool) -> dict[str, str]:
    """Settle what must never share a history: the device (the GPU where there is one) and the size (full on a GPU).

    Raises:
        UsageError: the device is one that has no speed.
    """
    device = environ.get("FEEDRATE_DEVICE", "cuda" if gpu else "cpu")
    demand_speed(device)
    size = environ.get("FEEDRATE_SIZE", "small" if device == "cpu" else "full")
    return {"FEEDRATE_DEVICE": device, "FEEDRATE_SIZE": size}


def demand_speed(device: str) -> None:
    """Refuse a device that is no hardware.

    Raises:
        UsageError: it is one.
    """
    if device == SIMULATED:
        raise UsageError("a simulated device has no speed to track: name cpu or cuda")


def _count(environ: Mapping[str, str], name: str, default: str) -> int:
    text = environ.get(name, default)
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 10 and int(text)):
        raise UsageError(f"{name} is {text!r}: set a whole number above 0, or unset it for {default}")
    return int(text)


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    return Path(environ[name]) if environ.get(name) else None
