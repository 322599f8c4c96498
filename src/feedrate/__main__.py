"""`python -m feedrate`."""

from __future__ import annotations

import sys

from feedrate.cli import main

# Guarded: the processes that write data sets import this module again.
if __name__ == "__main__":
    sys.exit(main())
