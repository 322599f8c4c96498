"""A person's own training as a command line, and the name of the cell that its numbers stand under."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from feedrate.errors import UsageError
from feedrate.plugin.strategy import near
from feedrate.records.cell_key import CellKey, split_spec
from feedrate.system.code_paths import for_lines

__all__ = ["LOADERS", "OWN", "ScriptCommand"]

OWN = "dataloader"
"""The script's own loader, as it is."""
LOADERS = {
    "dataloader": ("num_workers", "prefetch_factor", "persistent_workers", "pin_memory", "multiprocessing_context"),
    "threads": ("count",),
}
"""What may take the place of a script's loader, and the settings of each."""


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

    @property
    def cell(self) -> CellKey:
        """Name the cell: the script's file or module, and its own loader and step; the device is told by a run."""
        return CellKey(self._name, "own", self.loader, "own", "cpu")

    @property
    def _name(self) -> str:
        """The first Python file, or the module after `-m`, or else the program."""
        words = self.words
        modules = [after for before, after in pairwise(words) if before == "-m"]
        files = [Path(word).name for word in words if word.endswith(".py")]
        name = (*files[:1], *modules[:1], Path(words[0]).name)[0]
        return re.sub(r"[^\w.-]", "_", name)

    def demand_loader(self) -> None:
        """Refuse a loader that cannot take the place of a script's.

        Raises:
            UsageError: there is no such loader, or it has no such setting.
        """
        name, settings = split_spec(self.loader)
        if name not in LOADERS:
            raise UsageError(f"{name!r} takes no script's loader's place; {near(name, LOADERS)}")
        for setting in settings:
            if setting not in LOADERS[name]:
                raise UsageError(f"{name} has no setting {setting!r} here; {near(setting, LOADERS[name])}")

    def demand_program(self) -> None:
        """Refuse a command whose program is not there.

        Raises:
            UsageError: there is no such program.
        """
        if not self.words:
            raise UsageError("no command stands after `--`; give the one that trains, as `-- python train.py`")
        if shutil.which(self.words[0]) is None:
            raise UsageError(f"{self.words[0]!r} is no program here; give the command as you would type it")
