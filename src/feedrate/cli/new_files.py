"""Write files that were not there before: all of them, or none."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from string import Template

from feedrate.errors import UsageError

__all__ = ["from_template", "write_new"]


def from_template(template: str, names: Mapping[str, str]) -> str:
    """Fill in a file of `templates`."""
    text = files("feedrate.cli").joinpath("templates", f"{template}.txt").read_text(encoding="utf-8")
    return Template(text).substitute(names)


def write_new(texts: Mapping[Path, str], way_out: str) -> None:
    """Write files, and the folders that they lie in.

    Raises:
        UsageError: one is there already; the line ends with the way out.
        OSError: one cannot be written.
    """
    made: list[Path] = []
    try:
        for path, text in texts.items():
            for folder in reversed((path.parent, *path.parent.parents)):
                if not folder.exists():
                    folder.mkdir()
                    made.append(folder)
            with path.open("x", encoding="utf-8") as file:
                made.append(path)
                file.write(text)
    except FileExistsError as error:
        _remove(made)
        raise UsageError(f"{error.filename} is there already, and is left as it is; {way_out}") from None
    except BaseException:
        _remove(made)
        raise


def _remove(made: list[Path]) -> None:
    for path in reversed(made):
        with suppress(OSError):
            path.rmdir() if path.is_dir() else path.unlink()
