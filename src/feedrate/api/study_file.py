"""Read a study from a file: a base, and changes that are tried on it one after the other."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from feedrate.api.cells import full_key
from feedrate.api.scripts import is_command
from feedrate.comparison.claim import Claim
from feedrate.errors import UnavailableError, UsageError
from feedrate.plugin.cell import DEVICES
from feedrate.plugin.strategy import near, package
from feedrate.records.cell_key import CellKey, split_spec

__all__ = ["Change", "StudyPlan"]

Against: TypeAlias = Literal["before", "base"]
_AGAINST: tuple[Against, ...] = get_args(Against)
_PARTS = CellKey._fields
_STUDY = ("title", "about", "base", "against", "change")
_CHANGE = ("name", "cell", *_PARTS, "against", "claim", "needs")


@dataclass(frozen=True)
class Change:
    """Hold one change as it was written."""

    name: str
    cell: str
    """Its whole cell, or `@COMMIT`, `@FILE.py` or `@NAME=VALUE` for other code or a variable; empty: `parts` say what
    is another."""
    parts: Mapping[str, str]
    """By family: another one, or `[knob=value]` for other knobs of the same."""
    against: Against
    claim: Claim | None
    needs: str
    """A device: on another it changes nothing, and is not tried; or a Python package that must be there; empty: it is
    tried anywhere."""

    def demand_needs(self, cell: str) -> None:
        """Look whether what it needs is here; `cell`: what it is compared with.

        Raises:
            UnavailableError: it is not.
        """
        device = CellKey.parse(cell.partition("@")[0]).device
        if self.needs in DEVICES:
            if device != self.needs:
                raise UnavailableError(f"needs the device {self.needs}: on a {device} it changes nothing")
        elif self.needs and not package(self.needs).met():
            raise UnavailableError(f"needs the package {self.needs!r}, which is not installed")

    def applied(self, cell: str) -> str:
        """Give the cell with the change, and its code, from one without it.

        Raises:
            UsageError: a part is of no such form.
        """
        key, at, code = cell.partition("@")
        before = CellKey.parse(key)
        if self.cell:
            own, *other_code = self.cell.partition("@")
            return f"{CellKey(*full_key(own, before.size, before.device)) if own else key}{''.join(other_code)}"
        parts = before._asdict()
        changed = {family: _changed(parts[family], text) for family, text in self.parts.items()}
        return f"{CellKey(**{**parts, **changed})}{at}{code}"


@dataclass(frozen=True)
class StudyPlan:
    """Hold a study as it was written: where it begins, and what is tried."""

    file: Path
    title: str
    about: str
    base: str
    """The cell that it begins with, size and device included."""
    changes: tuple[Change, ...]

    @classmethod
    def read(cls, file: Path, size: str | None, device: str | None) -> StudyPlan:
        """Read a file of TOML; `size` and `device` complete a base that lacks them.

        Raises:
            UsageError: there is no such file, it is no TOML, or a key or value of it means nothing; one line that says
                where.
        """
        try:
            raw = tomllib.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UsageError(f"{file}: no such file") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{file}: is no TOML: {error}") from None
        try:
            return cls._of(file, raw, size, device)
        except UsageError as error:
            raise UsageError(f"{file}: {error}") from None

    @classmethod
    def _of(cls, file: Path, raw: Mapping[str, object], size: str | None, device: str | None) -> StudyPlan:
        _demand_known(raw, _STUDY, "")
        base, against = _text(raw, "base"), _word(raw, "against", _AGAINST, "")
        if not base:
            raise UsageError(f"'base' is missing: the cell that the study begins with, such as {_EXAMPLE}")
        if is_command(base):
            raise UsageError(f"base {base!r} is a command; a study is of cells, and `feedrate compare` takes commands")
        cell, at, code = base.partition("@")
        changes = raw.get("change", [])
        if not isinstance(changes, Sequence) or not changes or not all(isinstance(each, Mapping) for each in changes):
            raise UsageError("holds no change; each is a [[change]] with a name and what it changes")
        read = tuple(_change(each, number, against) for number, each in enumerate(changes, 1))
        names = [change.name for change in read]
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"two changes are called {name!r}")
        key = CellKey(*full_key(cell, size, device))
        return cls(file, _text(raw, "title") or file.stem, _text(raw, "about"), f"{key}{at}{code}", read)


_EXAMPLE = "'boardmoves/tiny/inline/fp32'"


def _change(raw: Mapping[str, object], number: int, against: str) -> Change:
    where = f"change {number}: "
    _demand_known(raw, _CHANGE, where)
    name, cell, claim = (_text(raw, key, where) for key in ("name", "cell", "claim"))
    if not name:
        raise UsageError(f"{where}has no name")
    where = f"change {name!r}: "
    parts = {family: _text(raw, family, where) for family in _PARTS if family in raw}
    if bool(cell) == bool(parts):
        raise UsageError(f"{where}names its cell, or the parts that it changes ({', '.join(_PARTS)}): one of the two")
    if is_command(cell):
        raise UsageError(f"{where}{cell!r} is a command; a study is of cells, and `feedrate compare` takes commands")
    try:
        claimed = Claim.parse(claim) if claim else None
    except UsageError as error:
        raise UsageError(f"{where}claim {error}") from None
    compared_with = _word(raw, "against", _AGAINST, where) or against or _AGAINST[0]
    return Change(
        name, cell, parts, "base" if compared_with == "base" else "before", claimed, _text(raw, "needs", where)
    )


def _changed(spec: str, text: str) -> str:
    """Give another strategy, or the same with other knobs."""
    if not text.startswith("["):
        return text
    name, knobs = split_spec(spec)
    knobs |= split_spec(f"{name}{text}")[1]
    return f"{name}[{','.join(f'{knob}={value}' for knob, value in knobs.items())}]"


def _demand_known(raw: Mapping[str, object], known: Sequence[str], where: str) -> None:
    for key in raw:
        if key not in known:
            raise UsageError(f"{where}nothing reads the key {key!r}; {near(key, known)}")


def _text(raw: Mapping[str, object], key: str, where: str = "") -> str:
    value = raw.get(key, "")
    if not isinstance(value, str):
        raise UsageError(f"{where}{key} is {value!r}, not a text")
    return value.strip()


def _word(raw: Mapping[str, object], key: str, known: Sequence[str], where: str) -> str:
    value = _text(raw, key, where)
    if value and value not in known:
        raise UsageError(f"{where}{key} is {value!r}; {near(value, known)}")
    return value
