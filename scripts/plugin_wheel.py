"""Build the wheel of a plugin as it is committed, where asv looks for it, and print its path.

    python scripts/plugin_wheel.py plugins/rust_prefetch

A crate takes half a minute to link, for the installation as for asv: of one tree it is built once for both. Nothing is
printed where the folder is not as in the last commit; it is no commit's wheel then.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from feedrate.revisions.wheels import Package, WheelCache, wheels_folder

_PIP = (sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps")


def main(folder: str) -> None:
    """Print the path of the wheel, or nothing."""
    checkout = Path(__file__).resolve().parents[1]
    package = Package(checkout, folder)
    if package.is_committed:
        print(WheelCache(wheels_folder(checkout / ".asv/env"), _build).wheel(package))


def _build(source: Path, target: Path) -> None:
    command = [*_PIP, "--no-build-isolation", "--wheel-dir", str(target), str(source)]
    # What it prints is not the path.
    status = subprocess.run(command, stdout=sys.stderr).returncode
    if status:
        sys.exit(status)


if __name__ == "__main__":
    main(sys.argv[1])
