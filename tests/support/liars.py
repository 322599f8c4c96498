"""What lying loaders leave behind, for the test to clear away."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from multiprocessing.shared_memory import SharedMemory
from threading import Event
from typing import IO

from feedrate.plugin.loader import Stream


@dataclass
class Leftovers:
    """What liars leave; a liar that hangs waits for `released`."""

    released: Event = field(default_factory=Event)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    files: list[IO[bytes]] = field(default_factory=list)
    shared: list[SharedMemory] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    waiting: list[Event] = field(default_factory=list)

    def clear(self) -> None:
        for event in (self.released, *self.waiting):
            event.set()
        self.released = Event()
        while self.processes:
            process = self.processes.pop()
            process.kill()
            process.communicate()
        while self.files:
            self.files.pop().close()
        while self.shared:
            self.shared.pop().unlink()
        while self.streams:
            self.streams.pop().close()


left = Leftovers()
