"""Find the files that a user names, one by one or by patterns."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from pathlib import Path

from feedrate.errors import UsageError

__all__ = ["matching"]


def matching(patterns: Iterable[str]) -> tuple[Path, ...]:
    """Give the absolute paths of the files, in the order of the patterns, those of a pattern by name; each once.

    Raises:
        UsageError: a pattern matches nothing, or names a folder.
    """
    return tuple(dict.fromkeys(path for pattern in patterns for path in _matching(pattern)))


def _matching(pattern: str) -> Iterator[Path]:
    # A name that is there is meant as it is, whatever signs of a pattern it has.
    # `Path.glob` takes no absolute pattern.
    names = [pattern] if Path(pattern).exists() else sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
    if not names:
        raise UsageError(f"--files {pattern}: there is no such file; name files, or a pattern such as 'data/*.parquet'")
    for path in map(Path, names):
        if path.is_dir():
            raise UsageError(f"--files {path}: is a folder; name its files, such as '{path}/*.parquet'")
        yield path.absolute()
