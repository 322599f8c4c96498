"""Give a command what it is run with, besides its options: streams, variables, and a session."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from feedrate.api.settings import SAFE
from feedrate.cli.given import is_set
from feedrate.report.console import console

if TYPE_CHECKING:
    from feedrate.api.session import Session
    from feedrate.api.settings import SessionOptions
    from feedrate.cli.config_file import ConfigFile

__all__ = ["CommandContext"]


@dataclass(frozen=True)
class CommandContext:
    """Where a command writes and which variables it sees."""

    out: Console
    """Results."""
    err: Console
    """Progress and complaints."""
    environ: Mapping[str, str]
    config: ConfigFile | None = None
    """Where options were read from besides the command line."""

    @classmethod
    def standard(cls, environ: Mapping[str, str]) -> CommandContext:
        """Give the process's own streams."""
        return cls(console(sys.stdout), console(sys.stderr), environ)

    @property
    def data(self) -> Path:
        """Where data sets lie unless `--data` says otherwise."""
        return Path(self.environ.get("FEEDRATE_DATA") or "data")

    @property
    def safe(self) -> bool:
        """FORCE_SINGLE_PROCESS asks for loaders without worker processes."""
        return is_set(self.environ, SAFE)

    def session(self, options: SessionOptions) -> Session:
        """Open a session with those settings, and with what the environment says where they say nothing.

        Raises:
            UsageError: the environment gives the run a name that is no plain one: files and folders are called by it.
        """
        from feedrate.api.session import Session
        from feedrate.api.settings import RUN, Caller, demand_run_name, run_name

        name = demand_run_name(self.environ.get(RUN) or run_name())
        options = {**options, "data": options.get("data") or self.data, "safe": options.get("safe", self.safe)}
        record = None if self.config is None else self.config.record
        return Session(**options, caller=Caller(self.err, self.environ, name, prefix="--", config=record))

    def print_json(self, document: object) -> None:
        """Write one JSON value as the whole of standard output."""
        self.out.file.write(json.dumps(document, indent=1, allow_nan=False, default=str) + "\n")
