"""Say which variables a person set in vain: misspelt ones of ours, and those of a `.env` file that nobody reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from feedrate.plugin.knobs import near
from feedrate.system.environment import OWN_VARIABLES, SETTABLE, relevant

__all__ = ["unread_variables"]

_OURS = "FEEDRATE_"
_NAME = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=", re.MULTILINE)
_MOST_BYTES = 1 << 20


def unread_variables(environ: Mapping[str, str], folder: Path) -> Iterator[str]:
    """Yield a line for each of them; of values nothing is said, for a `.env` file holds secrets."""
    for name in sorted(environ):
        if name.startswith(_OURS) and name not in OWN_VARIABLES:
            yield f"{name} is set, and nobody reads it; {near(name, SETTABLE)}"
    file = folder / ".env"
    names = dict.fromkeys(_NAME.findall(_text(file)))
    named = [name for name in names if (name.startswith(_OURS) or relevant({name: ""})) and name not in environ]
    if named:
        yield f"{file} would set {', '.join(named)}, and nobody reads it here; `set -a; . ./.env` does"


def _text(file: Path) -> str:
    """Read a file of usual size; empty where there is none."""
    try:
        with file.open("rb") as opened:
            return opened.read(_MOST_BYTES).decode(errors="replace") if file.is_file() else ""
    except OSError:
        return ""
