"""Find the files of raw results that a command line means."""

from __future__ import annotations

from pathlib import Path

from feedrate.api.places import demand_folder
from feedrate.errors import UsageError
from feedrate.plugin.knobs import near

__all__ = ["newest_run", "run_named"]


def newest_run(folder: Path) -> Path:
    """Find the file that was written last.

    Raises:
        UsageError: there is no such folder, or nothing in it.
    """
    demand_folder("--results", folder)
    files = sorted(folder.glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    if not files:
        raise UsageError(f"{folder}: no raw results here; `feedrate run` writes them")
    return files[-1]


def run_named(word: str, folder: Path) -> Path:
    """Find a file of raw results by its path, or by the name of its run.

    Raises:
        UsageError: there is neither.
    """
    for path in (Path(word), folder / f"{word}.jsonl"):
        if path.is_file():
            return path
    if word.endswith(".jsonl"):
        raise UsageError(f"{word}: no such file")
    raise UsageError(f"{folder}: no run {word!r}; {near(word, [path.stem for path in folder.glob('*.jsonl')])}")
