"""Keep one `feedrate run --serve` of a commit open: what it imports and looks up is so only once for many cells."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from pathlib import Path

from feedrate.revisions.call import PATIENCE_S, READY, Invocation
from feedrate.revisions.invoke import ended, environment, feedrate_run, written
from feedrate.system.guard import bound

__all__ = ["CellServer", "CellServers"]

_LOOK_S = 1.0
"""Between two looks at whether it lives: what it left behind may hold its output open."""


class CellServer:
    """One such process; whatever ends this one ends it."""

    def __init__(self, invocation: Invocation, log: Path) -> None:
        """Start it; `log` takes what it complains of."""
        self._invocation, self._log = invocation, log
        log.parent.mkdir(parents=True, exist_ok=True)
        folder = invocation.checkout if invocation.checkout.is_dir() else None
        with log.open("wb") as sink:
            self._process = subprocess.Popen(
                bound([*feedrate_run(invocation), "--serve"], lone=True),
                cwd=folder,
                env=environment(invocation),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
            )

    @property
    def is_alive(self) -> bool:
        """Tell whether it can be asked."""
        return self._process.poll() is None

    def is_ready(self) -> bool:
        """Wait until it can be asked; False: it has ended, as that of a commit does that cannot serve."""
        return self._answer(PATIENCE_S) == f"{READY}\n".encode()

    def measure(self, cell: str, replicate: int, folder: Path) -> dict[str, object]:
        """Measure one sample and give its document, like `run_cell`; `folder` is for what it writes."""
        out, status = folder / "out.json", 0
        out.unlink(missing_ok=True)
        try:
            if not (self._ask(cell, replicate, out) and self._answer(self._invocation.deadline_s + PATIENCE_S)):
                status = self.close()
        except KeyboardInterrupt:
            self.close()
            raise
        return written(out, self._log, self._invocation, cell, replicate, status)

    def close(self) -> int:
        """End it, if it runs, and give its exit status."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        return ended(self._process)

    def _ask(self, cell: str, replicate: int, out: Path) -> bool:
        line = json.dumps({"cell": cell, "replicate": replicate, "out": str(out)})
        try:
            os.write(self._process.stdin.fileno(), f"{line}\n".encode())  # type: ignore[union-attr]  # it is a pipe
        except (OSError, ValueError):
            return False
        return True

    def _answer(self, patience_s: float) -> bytes:
        """Wait for one line; empty: it has ended, or is silent for so long."""
        until, output, line = time.monotonic() + patience_s, self._process.stdout, b""
        while output is not None and time.monotonic() < until:
            alive = self.is_alive
            if select.select([output], [], [], _LOOK_S if alive else 0)[0]:
                text = os.read(output.fileno(), 1 << 12)
                line += text
                if not text or line.endswith(b"\n"):
                    return line if text else b""
            elif not alive:
                return b""
        return b""


class CellServers:
    """Hold the server of the commit that is measured now."""

    def __init__(self) -> None:
        """None is started yet."""
        self._server: CellServer | None = None
        self._invocation: Invocation | None = None

    def __reduce__(self) -> tuple[type[CellServers], tuple[()]]:
        """Leave the server here: asv hands environments to processes that build."""
        return CellServers, ()

    def server(self, invocation: Invocation, log: Path) -> CellServer | None:
        """Give the server that is so called, started unless it lives; None: this commit has none."""
        if invocation != self._invocation:
            self.close()
            self._invocation, self._server = invocation, _ready(invocation, log)
        elif self._server is not None and not self._server.is_alive:
            self._server = _ready(invocation, log)
        return self._server

    def close(self) -> None:
        """End it; the next commit lies where its code does."""
        if self._server is not None:
            self._server.close()
        self._server = self._invocation = None


def _ready(invocation: Invocation, log: Path) -> CellServer | None:
    server = CellServer(invocation, log)
    if server.is_ready():
        return server
    server.close()
    return None
