"""Check `asv.conf.json`: asv takes a misspelt key without a word and goes on without the setting."""

from __future__ import annotations

from pathlib import Path

__all__ = ["unknown_keys"]

_UNDECLARED = {"build_cache_size", "version"}
"""Keys asv reads that are not among the defaults of its `Config`."""


def unknown_keys(file: Path) -> tuple[str, ...]:
    """Name the keys of `asv.conf.json` that nobody reads, in order of the file."""
    from asv.config import Config
    from asv.util import load_json

    known = set(vars(Config())) | _UNDECLARED
    return tuple(key for key in load_json(str(file), js_comments=True) if key not in known)
