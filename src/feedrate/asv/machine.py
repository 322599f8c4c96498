"""Write asv's machine file. asv keys every result by the machine's name alone, so the name must hold the GPU."""

from __future__ import annotations

import re
from pathlib import Path

from feedrate.errors import DataError, UsageError
from feedrate.system.machine import gpus, machine_name

__all__ = ["write"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")
"""What can be a folder under `results`, an argument of asv and a word on its page."""


def write(name: str | None = None, file: Path | None = None) -> str:
    """Add this machine to asv's machine file and give the name it has there, for `asv run --machine`.

    The GPU is a key of its own too, which splits histories; a driver's or torch's patch version is not, since it would.

    Args:
        name: instead of one made from the host's name and the GPU.
        file: instead of `~/.asv-machine.json`.

    Raises:
        UsageError: the name is none that results can be kept by.
        DataError: the file is not one of asv, or cannot be written.
    """
    from asv.machine import Machine, MachineCollection
    from asv.util import UserError, load_json

    key = machine_name() if name is None else name
    if not _NAME.fullmatch(key):
        raise UsageError(
            f"{key!r} names no folder of results; use letters, digits and ._- and begin with a letter or digit"
        )
    target = file or Path(MachineCollection.get_machine_file_path())
    description = dict(Machine.get_defaults()) | {"machine": key, "gpu": _gpu()}
    try:
        if target.is_file():
            # asv's own saving asks for no version, and writes over a file that a newer asv made.
            load_json(str(target), MachineCollection.api_version)
        MachineCollection.save(key, description, _path=str(target))
    except (UserError, ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{str(target)!r} is no machine file of asv: mend it, or move it away") from error
    except OSError as error:
        raise DataError(f"{str(target)!r} cannot be written ({error.strerror}); name another with --file") from error
    return key


def _gpu() -> str:
    return ", ".join(sorted({gpu.name for gpu in gpus()})) or "none"
