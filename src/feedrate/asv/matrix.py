"""Read and extend `benchmarks/matrix.json`, which lists what asv measures: a committed file, and append-only.

asv hands a benchmark the *index* of a parameter. Were the lists read from the registry, a commit with fewer plugins
would store one loader's time under another's name. So they are written down, and names are only ever added at the end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from feedrate.errors import DataError
from feedrate.records.atomic_write import replace_text

__all__ = ["Matrix", "Names", "Offers", "base_name", "class_name", "missing", "selection", "updated"]


_WAY = "mend it, or restore it from git"
_ENTRY = re.compile(r"\w[\w.-]*(\[[^\s<>&\"'`/\\\[\]]*\])?")
"""What asv can spell in a regular expression, a file name and a page, and `feedrate run --cell` in a cell."""
_ANY = "[^']+"
"""In a regular expression over asv's spelling of a cell: one whole name, since names hold no quotes."""


class Offers(Protocol):
    """A registry, as far as the matrix cares: three mappings from name to strategy."""

    @property
    def workloads(self) -> Mapping[str, object]: ...  # noqa: D102
    @property
    def loaders(self) -> Mapping[str, object]: ...  # noqa: D102
    @property
    def steps(self) -> Mapping[str, object]: ...  # noqa: D102


@dataclass(frozen=True)
class Names:
    """Names of workloads, loaders and steps, in order."""

    workloads: tuple[str, ...] = ()
    loaders: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()

    @classmethod
    def offered(cls, registry: Offers) -> Names:
        """Name everything the registry offers that runs by default."""
        families = (registry.workloads, registry.loaders, registry.steps)
        return cls(*(tuple(name for name, strategy in family.items() if _is_default(strategy)) for family in families))

    def __bool__(self) -> bool:
        return bool(self.workloads or self.loaders or self.steps)


@dataclass(frozen=True)
class Matrix:
    """Names and versions in the file. An entry may carry knobs, such as `workers[count=2]`."""

    names: Names
    versions: tuple[str, ...]
    """(workloads,) the version of each workload; a new one, set by hand, starts its history afresh."""

    @classmethod
    def load(cls, file: Path) -> Matrix:
        """Read the file.

        Raises:
            DataError: it is missing, not JSON, or not of this shape.
        """
        try:
            return cls._of(json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=_once))
        except OSError as error:
            raise DataError(f"{str(file)!r} cannot be read ({error.strerror}): {_WAY}") from error
        except (ValueError, RecursionError) as error:
            raise DataError(f"{str(file)!r} is no benchmark matrix ({error}): {_WAY}") from error

    @classmethod
    def _of(cls, document: object) -> Matrix:
        if not isinstance(document, dict) or set(document) != {"workloads", "loaders", "steps"}:
            raise ValueError("not an object of workloads, loaders and steps, and nothing else")
        workloads = document["workloads"]
        if not isinstance(workloads, dict):
            raise ValueError("the workloads are not an object of versions by name")
        for name, version in workloads.items():
            if not isinstance(version, str):
                raise ValueError(f"the version of workload {name!r} is {version!r}, not a text such as '1'")
        families = (
            _listed(list(workloads), "workloads"),
            *(_listed(document[kind], kind) for kind in ("loaders", "steps")),
        )
        return cls(Names(*families), tuple(workloads.values()))

    def save(self, file: Path) -> None:
        """Write the file, whole or not at all.

        Raises:
            DataError: it cannot be written; it stays as it was.
        """
        document = {
            "workloads": dict(zip(self.names.workloads, self.versions, strict=True)),
            "loaders": list(self.names.loaders),
            "steps": list(self.names.steps),
        }
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            replace_text(file, json.dumps(document, indent=2) + "\n")
        except OSError as error:
            raise DataError(f"{str(file)!r} cannot be written ({error.strerror}); name another with --file") from error


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Make a JSON object, each of whose names must stand there once: of two, one would be lost without a word."""
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name!r} stands there twice")
    return dict(pairs)


def _listed(entries: object, kind: str) -> tuple[str, ...]:
    if not isinstance(entries, list):
        raise ValueError(f"the {kind} are not a list of names")
    for entry in entries:
        if not isinstance(entry, str) or not _ENTRY.fullmatch(entry) or not entry.isprintable():
            raise ValueError(f"among the {kind}, {entry!r} is not of the form name or name[knob=value,...]")
        if entries.count(entry) > 1:
            raise ValueError(f"among the {kind}, {entry!r} stands there twice")
    return tuple(entries)


def base_name(entry: str) -> str:
    """Strip an entry of its knobs: `workers[count=2]` is `workers`."""
    return re.sub(r"\[.*", "", entry)


def missing(matrix: Matrix, offered: Names) -> Names:
    """Name what is offered and not yet in the matrix, in the order offered."""
    listed = matrix.names
    return Names(
        _absent(offered.workloads, listed.workloads),
        _absent(offered.loaders, listed.loaders),
        _absent(offered.steps, listed.steps),
    )


def updated(matrix: Matrix, offered: Names) -> Matrix:
    """Append what is missing. Nothing is removed or moved: what is gone from the registry is n/a, its history stays.

    Raises:
        DataError: a plugin offers a name that asv cannot spell.
    """
    new, old = missing(matrix, offered), matrix.names
    try:
        for kind in ("workloads", "loaders", "steps"):
            _listed(list(getattr(new, kind)), kind)
    except ValueError as error:
        raise DataError(f"what the plugins offer cannot be tracked ({error}): rename it there") from error
    names = Names(old.workloads + new.workloads, old.loaders + new.loaders, old.steps + new.steps)
    return replace(matrix, names=names, versions=matrix.versions + ("1",) * len(new.workloads))


def selection(names: Names, metrics: tuple[str, ...] = ()) -> str:
    """Give the regular expression that makes `asv run --bench` measure these alone; an empty family means all of it.

    What it leaves out costs nothing, not even a process; what was measured of it before is kept.
    """
    # asv spells a cell `feed.boardmoves.track_first_batch('inline', 'fp32')`.
    classes = tuple(class_name(workload) for workload in names.workloads)
    return (
        rf"^feed\.{_any_of(classes)}\.track_{_any_of(metrics)}\('{_any_of(names.loaders)}', '{_any_of(names.steps)}'\)$"
    )


def class_name(workload: str) -> str:
    """Spell a workload as an identifier: `boardmoves[head=legal]` is `boardmoves_head_legal`."""
    name = re.sub(r"\W+", "_", workload).strip("_")
    return name if name.isidentifier() else f"workload_{name}"


def _any_of(names: tuple[str, ...]) -> str:
    return f"({'|'.join(map(re.escape, names)) or _ANY})"


def _is_default(strategy: object) -> bool:
    return not (getattr(strategy, "hidden", False) or getattr(strategy, "on_request", False))


def _absent(offered: Iterable[str], listed: Iterable[str]) -> tuple[str, ...]:
    known = {base_name(entry) for entry in listed}
    return tuple(name for name in offered if base_name(name) not in known)
