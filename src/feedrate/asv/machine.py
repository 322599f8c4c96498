"""asv's machine file. asv keys every result by the machine's name alone, so the name must hold the GPU."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

__all__ = ["gpu_names", "machine_name", "write"]


def gpu_names() -> tuple[str, ...]:
    """Name the NVIDIA GPUs of this machine, as its driver does; without torch."""
    if shutil.which("nvidia-smi") is None:
        return ()
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    except (subprocess.SubprocessError, OSError):
        return ()
    return tuple(line.strip() for line in found.stdout.splitlines() if line.strip())


def machine_name(node: str, gpus: tuple[str, ...]) -> str:
    """Name a machine, such as `box-nvidia-h100-80gb-hbm3`, `box-2x-nvidia-l4` or `box-cpu`."""
    counted = Counter(gpus)
    parts = [f"{count}x-{gpu}" if count > 1 else gpu for gpu, count in counted.items()] or ["cpu"]
    return re.sub(r"[^a-z0-9_.]+", "-", "-".join([node, *parts]).lower()).strip("-")


def write(name: str | None = None, file: Path | None = None) -> str:
    """Add this machine to asv's machine file and give the name it has there, for `asv run --machine`.

    The GPU is a key of its own too, which splits histories; a driver's or torch's patch version is not, since it would.

    Args:
        name: instead of one made from the host's name and the GPU.
        file: instead of `~/.asv-machine.json`.
    """
    from asv.machine import Machine, MachineCollection

    gpus = gpu_names()
    found = dict(Machine.get_defaults())
    found["machine"] = name or machine_name(found["machine"], gpus)
    found["gpu"] = ", ".join(gpus) or "none"
    MachineCollection.save(found["machine"], found, _path=str(file) if file else None)
    return str(found["machine"])
