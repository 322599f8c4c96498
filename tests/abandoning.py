"""Makes a workspace, says where, and kills itself: `abandoning.py PARENT PREFIX`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from feedrate.workspace import workspace

if __name__ == "__main__":
    with workspace(Path(sys.argv[1]), sys.argv[2]) as folder:
        (folder / "half").write_text("half of it")
        print(folder, end="", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
