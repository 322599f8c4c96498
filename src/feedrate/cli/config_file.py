"""Read `feedrate.toml`: values of options that stand in a file, for all who measure in its folder or below it."""

from __future__ import annotations

import tomllib
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from feedrate.api.fallbacks import OOM
from feedrate.cli.options import duration, pool
from feedrate.errors import UsageError
from feedrate.plugin.cell import DEVICES
from feedrate.plugin.knobs import near
from feedrate.plugin.plugin_files import named_in
from feedrate.plugin.workload import SIZES

__all__ = ["KEYS", "NAME", "ConfigFile", "Key", "nearest"]

NAME = "feedrate.toml"
_MEASURING = ("run", "why", "compare", "study", "size")


@dataclass(frozen=True)
class Key:
    """A key of the file: the option of that name, for the commands that take it from there."""

    read: Callable[[object, Path], object]
    """Makes the option's value of what stands in the file, which lies in that folder; raises ValueError."""
    commands: tuple[str, ...]
    of_scripts: bool = False
    """Also where a command measures a person's own training."""
    unless: tuple[str, ...] = ()
    """Other options that leave it nothing to say."""


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: object, folder: Path) -> float:
    del folder
    if _is_number(value) and 0 < value < 1e9:
        return float(value)
    raise ValueError("a number above 0")


def _count(value: object, folder: Path) -> int:
    del folder
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1e9:
        return value
    raise ValueError("a whole number above 0")


def _flag(value: object, folder: Path) -> bool:
    del folder
    if isinstance(value, bool):
        return value
    raise ValueError("true or false")


def _duration(value: object, folder: Path) -> float:
    try:
        return duration(value) if isinstance(value, str) else _number(value, folder)
    except (ArgumentTypeError, ValueError):
        raise ValueError('a duration, such as "90s" or "10m"') from None


def _texts(value: object, folder: Path) -> list[str]:
    del folder
    values = [value] if isinstance(value, str) else value
    if isinstance(values, list) and values and all(isinstance(each, str) and each for each in values):
        return values
    raise ValueError("a text or a list of texts")


def _path(value: object, folder: Path) -> Path:
    if isinstance(value, str) and value:
        return folder / value
    raise ValueError("the name of a folder")


def _plugins(value: object, folder: Path) -> list[Path]:
    return [named_in(folder, name) for name in _texts(value, folder)]


def _pools(value: object, folder: Path) -> list[tuple[str, int]]:
    try:
        return [pool(text) for text in _texts(value, folder)]
    except ArgumentTypeError as error:
        raise ValueError(f'a text or a list of texts such as "POLARS=4" ({error})') from None


def _one_of(words: tuple[str, ...]) -> Callable[[object, Path], str]:
    def read(value: object, folder: Path) -> str:
        del folder
        if isinstance(value, str) and value in words:
            return value
        raise ValueError(f"one of {', '.join(words)}" + (f"; {near(value, words)}" if isinstance(value, str) else ""))

    return read


KEYS: Mapping[str, Key] = {
    "workload": Key(_texts, ("run",), unless=("workloads", "files")),
    "loader": Key(_texts, ("run",)),
    "step": Key(_texts, ("run",), unless=("files",)),
    "size": Key(_one_of(SIZES), (*_MEASURING, "bench"), unless=("files",)),
    "device": Key(_one_of(DEVICES), (*_MEASURING, "bench")),
    "plugin": Key(_plugins, (*_MEASURING, "list", "check", "data", "doctor")),
    "threads": Key(_count, _MEASURING),
    "pool": Key(_pools, _MEASURING),
    "safe": Key(_flag, _MEASURING),
    "safe-retry": Key(_flag, ("run",)),
    "oom": Key(_one_of(OOM), ("run",)),
    "seconds": Key(_number, (*_MEASURING, "tune"), of_scripts=True),
    "deadline-s": Key(_number, (*_MEASURING, "tune"), of_scripts=True),
    "replicates": Key(_count, ("run", "bench"), of_scripts=True),
    "once": Key(_flag, ("run", "bench")),
    "margin": Key(_number, ("compare", "study"), of_scripts=True),
    "pairs": Key(_count, ("compare", "study", "why"), of_scripts=True),
    "budget": Key(_duration, ("compare", "study", "why", "tune"), of_scripts=True),
    "data": Key(_path, (*_MEASURING, "calibrate", "data", "doctor", "bundle")),
    "results": Key(_path, (*_MEASURING, "tune", "show", "bundle", "report"), of_scripts=True),
    "logs": Key(_path, (*_MEASURING, "tune", "calibrate", "bundle"), of_scripts=True),
}
"""Keys by name, in the order of docs/settings.md."""


@dataclass(frozen=True)
class ConfigFile:
    """What a file says."""

    path: Path
    """Absolute."""
    text: str
    values: Mapping[str, object]
    """Values of options, by the keys of the file."""

    @classmethod
    def read(cls, path: Path) -> ConfigFile:
        """Read all of a file.

        Raises:
            UsageError: there is none, it is no TOML, or it has a key or a value that nobody takes.
        """
        try:
            text = path.read_text(encoding="utf-8")
            raw = tomllib.loads(text)
        except OSError as error:
            raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
        except ValueError as error:
            raise UsageError(f"{path}: is no TOML: {error}") from None
        folder = path.resolve().parent
        return cls(path.resolve(), text, {name: _value(path, name, value, folder) for name, value in raw.items()})

    def taken(self, command: str, options: Namespace, named: frozenset[str]) -> dict[str, object]:
        """Give the values that a command takes, by the names of its options: of those, none that is `named`."""
        of_script = options.script is not None
        return {
            name.replace("-", "_"): value
            for name, value in self.values.items()
            if command in KEYS[name].commands
            and not named & {name.replace("-", "_"), *KEYS[name].unless}
            and (KEYS[name].of_scripts or not of_script)
        }

    @property
    def record(self) -> dict[str, str]:
        """Give what stands of it in every record."""
        return {"path": str(self.path), "text": self.text}


def nearest(folder: Path) -> ConfigFile | None:
    """Read the file that counts in a folder: its own, or the next one above it, up to the root of the repository.

    Outside of one, only the folder's own counts; None: there is none. Raises as `ConfigFile.read`.
    """
    above = [folder, *folder.parents]
    root = next((place for place, each in enumerate(above) if (each / ".git").exists()), 0)
    path = next((each / NAME for each in above[: root + 1] if (each / NAME).is_file()), None)
    return None if path is None else ConfigFile.read(path)


def _value(path: Path, name: str, value: object, folder: Path) -> object:
    if name not in KEYS:
        raise UsageError(f"{path}: no key {name!r}; {near(name, KEYS)}")
    try:
        return KEYS[name].read(value, folder)
    except ValueError as error:
        raise UsageError(f"{path}: {name} = {_written(value)} is not {error}") from None


def _written(value: object) -> str:
    """Write a value about as it stands in the file."""
    return str(value).lower() if isinstance(value, bool) else repr(value)
