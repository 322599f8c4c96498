"""What a command is run with, besides its options."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from feedrate.report.console import console

__all__ = ["RUN", "CommandContext"]

RUN = "FEEDRATE_RUN"
"""Variable with which a program that starts feedrate many times names all of it one run."""


@dataclass(frozen=True)
class CommandContext:
    """Where a command writes and which variables it sees."""

    out: Console
    """Results."""
    err: Console
    """Progress and complaints."""
    environ: Mapping[str, str]

    @classmethod
    def standard(cls, environ: Mapping[str, str]) -> CommandContext:
        """The process's own streams."""
        return cls(console(sys.stdout), console(sys.stderr), environ)

    @property
    def data(self) -> Path:
        """Where data sets lie unless `--data` says otherwise."""
        return Path(self.environ.get("FEEDRATE_DATA") or "data")

    @property
    def safe(self) -> bool:
        """FORCE_SINGLE_PROCESS asks for loaders without worker processes."""
        return self.environ.get("FORCE_SINGLE_PROCESS", "") not in ("", "0")

    def print_json(self, found: object) -> None:
        """Write one JSON value as the whole of standard output."""
        self.out.file.write(json.dumps(found, indent=1, allow_nan=False, default=str) + "\n")
