"""A folder of its own for runs that follow each other, and everything that they could leave there or elsewhere."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import feedrate
from feedrate.api.settings import RUN
from feedrate.runner.forkserver import FORK_SERVER, ForkServer
from tests.torture.attacks import Attack
from tests.torture.faults import Fault, Shim
from tests.torture.projects import checkout
from tests.torture.roles import MARK, marked

__all__ = ["Lane"]

_POLL_S = 0.02


@dataclass(frozen=True)
class Lane:
    """`work` is where commands are started, `t` their TMPDIR; raw results of all runs go to one file."""

    folder: Path
    mark: str
    shim: Shim
    servers: Path
    """Where fork servers listen that all runs of the lane share."""
    patience_s: float = 15.0
    """For processes that nobody waits for to notice that they are not needed any more."""

    @classmethod
    @contextmanager
    def opened(cls, folder: Path, shim: Shim) -> Iterator[Lane]:
        """A lane below `folder`; on leaving, none of its processes lives."""
        with ForkServer.made() as servers:
            lane = cls(folder, f"{os.getpid()}-{folder.name}", shim.of(folder), servers.folder)
            for path in (lane.work, lane.temporary, lane.home):
                path.mkdir(parents=True)
            checkout(lane.work)
            try:
                yield lane
            finally:
                for pid in marked(lane.mark):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

    @property
    def work(self) -> Path:
        """The working directory of commands, a git checkout."""
        return self.folder / "work"

    @property
    def temporary(self) -> Path:
        """For temporary files of runs, which are gone when a run has ended."""
        return self.folder / "t"

    @property
    def home(self) -> Path:
        """Where asv keeps its description of the machine."""
        return self.folder / "home"

    @property
    def data(self) -> Path:
        """For data sets."""
        return self.work / "data"

    @property
    def raw(self) -> Path:
        """For raw results."""
        return self.work / "results" / "raw"

    def started(self, attack: Attack) -> subprocess.Popen[str]:
        """The command of the attack, begun; what it prints goes to the files `out` and `err`."""
        variables = self.variables(attack.fault, own=attack.own)
        with (self.folder / "out").open("w") as out, (self.folder / "err").open("w") as err:
            return subprocess.Popen(
                [sys.executable, "-m", "feedrate", *attack.words(self.folder)],
                cwd=self.work,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                text=True,
                start_new_session=True,
            )

    @property
    def printed(self) -> str:
        """What the last command wrote to standard error."""
        return (self.folder / "err").read_text(errors="replace")

    def variables(self, fault: Fault | None, *, own: bool = False) -> dict[str, str]:
        """The environment of a run, with a fork server of its `own` or the lane's."""
        ours = {MARK: self.mark, "TMPDIR": str(self.temporary), "HOME": str(self.home), RUN: "torture"}
        ours["PYTHONPATH"] = str(Path(feedrate.__file__).parents[1])
        inherited = {name: value for name, value in os.environ.items() if name != FORK_SERVER}
        shared = {} if own else {FORK_SERVER: str(self.servers)}
        return inherited | ours | shared | self.shim.variables(fault)

    def cleared(self) -> Iterator[str]:
        """Remove whatever runs have left, after some time to end, and say what it was."""
        until = time.monotonic() + self.patience_s
        while (pids := marked(self.mark, self.servers)) and time.monotonic() < until:
            time.sleep(_POLL_S)
        for pid in pids:
            with suppress(OSError):
                yield f"process {pid}: {Path(f'/proc/{pid}/cmdline').read_bytes()!r}"
                os.kill(pid, signal.SIGKILL)
        drafts = (path for folder in (self.work, self.raw, self.data) for path in folder.glob(".*.*"))
        for path in (*self.temporary.iterdir(), *self.shim.shared(), *self.data.glob("*.*-*"), *drafts):
            yield str(path)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
