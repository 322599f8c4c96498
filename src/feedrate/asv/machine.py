"""asv's machine file. asv keys every result by the machine's name alone, so the name must hold the GPU."""

from __future__ import annotations

from pathlib import Path

from feedrate.machine import gpus, machine_name

__all__ = ["write"]


def write(name: str | None = None, file: Path | None = None) -> str:
    """Add this machine to asv's machine file and give the name it has there, for `asv run --machine`.

    The GPU is a key of its own too, which splits histories; a driver's or torch's patch version is not, since it would.

    Args:
        name: instead of one made from the host's name and the GPU.
        file: instead of `~/.asv-machine.json`.
    """
    from asv.machine import Machine, MachineCollection

    found = dict(Machine.get_defaults())
    found["machine"] = name or machine_name()
    found["gpu"] = ", ".join(sorted({gpu.name for gpu in gpus()})) or "none"
    MachineCollection.save(found["machine"], found, _path=str(file) if file else None)
    return str(found["machine"])
