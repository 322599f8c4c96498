"""A person's own training as a command line, and the name of the cell that its numbers stand under."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Self

from feedrate.errors import UsageError
from feedrate.plugin.strategy import near
from feedrate.records.cell_key import CellKey, split_spec
from feedrate.system.code_paths import for_lines

__all__ = ["LOADERS", "OWN", "ScriptCommand"]

OWN = "dataloader"
"""The script's own loader, as it is."""
LOADERS = {
    "dataloader": ("num_workers", "prefetch_factor", "persistent_workers", "pin_memory", "multiprocessing_context"),
    "inline": (),
    "threads": ("count",),
    "ring_workers": ("count", "slots"),
}
"""What may take the place of a script's loader, and the settings of each."""
_MOST = 256
"""Of what is counted: a slot's number crosses in one byte."""


@dataclass(frozen=True)
class ScriptCommand:
    """A command that trains, as a person types it."""

    words: tuple[str, ...]
    loader: str = OWN
    """What takes the place of its own loader; the bare word: nothing does."""
    folder: Path | None = None
    """Where it runs, its own code first on Python's path; None: where this process is."""
    loop: str = ""
    """The loop that is timed, as an absolute path and the line of its `for`; empty: the first that trains."""

    def with_loop(self, text: str) -> ScriptCommand:
        """Give the command with the loop that is timed, as a person names it: `FILE:LINE`.

        Raises:
            UsageError: there is no such file, or no `for` at that line.
        """
        name, _, line = text.rpartition(":")
        path = Path(name).resolve()
        if not name or not line.isdecimal():
            raise UsageError(f"{text!r} names no loop; give file and line of its `for`, as --loop train.py:41")
        if not path.is_file():
            raise UsageError(f"--loop {text}: there is no file {name!r} here")
        lines = for_lines(path)
        if int(line) not in lines:
            others = ", ".join(f"{name}:{other}" for other in lines) or f"none in {name}"
            raise UsageError(f"--loop {text}: no `for` stands there; there is {others}")
        return replace(self, loop=f"{path}:{int(line)}")

    @classmethod
    def typed(cls, text: str) -> Self:
        """Read a command from one text, as a shell would.

        Raises:
            UsageError: a quote in it is not closed.
        """
        try:
            return cls(tuple(shlex.split(text)))
        except ValueError as error:
            raise UsageError(f"{text!r} is no command: {error}") from None

    @property
    def cell(self) -> CellKey:
        """Name the cell: the script's file or module, and its own loader and step; the device is told by a run."""
        return CellKey(self._name, "own", self.loader, "own", "cpu")

    @property
    def script(self) -> str:
        """Give the first Python file among its words; empty: there is none."""
        return next((word for word in self.words if word.endswith(".py")), "")

    @property
    def _name(self) -> str:
        """The script's file, or the module after `-m`, or else the program."""
        modules = [after for before, after in pairwise(self.words) if before == "-m"]
        name = Path(self.script).name or next(iter(modules), Path(self.words[0]).name)
        return re.sub(r"[^\w.-]", "_", name)

    def demand_loader(self) -> None:
        """Refuse a loader that cannot take the place of a script's.

        Raises:
            UsageError: there is no such loader, or it has no such setting.
        """
        name, settings = split_spec(self.loader)
        if name not in LOADERS:
            raise UsageError(f"{name!r} takes no script's loader's place; {near(name, LOADERS)}")
        for setting, text in settings.items():
            if setting not in LOADERS[name]:
                raise UsageError(f"{name} has no setting {setting!r} here; {near(setting, LOADERS[name])}")
            if setting in ("count", "slots") and not (text.isdecimal() and 1 <= int(text) <= _MOST):
                raise UsageError(f"{self.loader}: {setting}={text} is no whole number from 1 to {_MOST}")

    def demand_program(self) -> None:
        """Refuse a command whose program is not there, seen from where it runs.

        Raises:
            UsageError: there is no such program.
        """
        if not self.words:
            raise UsageError("no command stands after `--`; give the one that trains, as `-- python train.py`")
        program = self.words[0]
        if shutil.which((self.folder or Path()) / program if os.sep in program else program) is None:
            raise UsageError(f"{self.words[0]!r} is no program here; give the command as you would type it")
