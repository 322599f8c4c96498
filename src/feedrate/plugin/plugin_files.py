"""Find the plugin files that a user names, one by one, by their folder or by patterns."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from pathlib import Path

from feedrate.errors import UsageError
from feedrate.plugin.file_modules import offers_something

__all__ = ["chosen_files", "named_in"]


def chosen_files(named: Iterable[Path | str]) -> tuple[Path, ...]:
    """Give the files: one that is named as it is, there or not; of a folder, and of a pattern, those that are plugins.

    These are, by their names, the files of Python that offer something and whose names begin with no underscore.

    Raises:
        UsageError: there are none in a folder, or none matches a pattern.
    """
    return tuple(dict.fromkeys(file for name in named for file in _meant(str(name))))


def named_in(folder: Path, name: str) -> Path:
    """Give a file, a folder or a pattern that is named from `folder`, so that it can be named from elsewhere."""
    return Path(glob.escape(str(folder)) if _is_pattern(folder / name) else folder, name)


def _is_pattern(name: Path) -> bool:
    # A name that is there is meant as it is, whatever signs of a pattern it has.
    return glob.has_magic(str(name)) and not name.exists()


def _meant(name: str) -> Iterator[Path]:
    place = Path(name)
    if place.is_dir():
        yield from _plugins(name, place.glob("*.py"), "no file in it")
    elif _is_pattern(place):
        # `Path.glob` takes no absolute pattern.
        yield from _plugins(name, map(Path, glob.glob(name, recursive=True)), "no file that matches it")  # noqa: PTH207
    else:
        yield place


def _plugins(name: str, files: Iterable[Path], none: str) -> list[Path]:
    """Choose those of the files that are plugins, by name."""
    chosen = sorted(file for file in files if _is_plugin(file))
    if not chosen:
        raise UsageError(
            f"--plugin {name}: {none} offers a loader, step or workload; name a file, such as my_loader.py"
        )
    return chosen


def _is_plugin(file: Path) -> bool:
    return file.suffix == ".py" and not file.name.startswith("_") and file.is_file() and offers_something(file)
