"""Read and check the manifest of a data set, which says what its files hold: whoever wrote it may be mistaken."""

from __future__ import annotations

import json
import math
import re
import reprlib
import stat
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from feedrate.data.field import Field
from feedrate.data.formats import FORMATS, OPAQUE
from feedrate.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MANIFEST", "Manifest", "Shard", "shard_name"]

MANIFEST = "manifest.json"
_MARK, _LAYOUT = "feedrate data set", 1
"""Key by which a manifest is known for one of ours, and the number of the layout that it describes."""
_PARTS = frozenset(("format", "identity", "storage", "fields", "shards"))
_MOST = 2**63 - 1
"""Rows and bytes are counted in int64."""
_MOST_BYTES = 64 << 20
"""A longer manifest is none: the largest data set has some thousand groups."""
_WAY_OUT = "move the folder away, or choose another --data"


def shard_name(number: int, kind: str) -> str:
    """Name the file of the shard of that number, in that format."""
    return f"{number:05d}.{kind}"


@dataclass(frozen=True)
class Shard:
    """One file of a data set."""

    file: str
    groups: tuple[int, ...]
    """Rows of each record batch, row group or range that was written at once."""
    bytes: int
    digest: str
    """blake2b-128 of the file; empty: nobody knows what was written."""

    @property
    def rows(self) -> int:
        """Rows in the file."""
        return sum(self.groups)


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` says."""

    format: str
    identity: Mapping[str, str]
    storage: Mapping[str, str]
    fields: tuple[Field, ...]
    shards: tuple[Shard, ...]

    def as_json(self) -> dict[str, object]:
        """Give the form that is written; `_MARK` in it signs it as ours."""
        return {
            _MARK: _LAYOUT,
            "format": self.format,
            "identity": dict(self.identity),
            "storage": dict(self.storage),
            "fields": [field.as_json() for field in self.fields],
            "shards": [asdict(shard) for shard in self.shards],
        }

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the manifest in `folder`.

        Raises:
            DataError: there is none, or it is not of the shape that `as_json` gives, in every part and range.
        """
        path = folder / MANIFEST
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                raise ValueError("no regular file")
            if path.stat().st_size > _MOST_BYTES:
                raise ValueError(f"longer than {_MOST_BYTES >> 20} MiB")
            return cls._of(json.loads(path.read_bytes()))
        except (FileNotFoundError, NotADirectoryError):
            raise DataError(f"{folder}: no data set here; `feedrate data make` writes it") from None
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from None
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: not a manifest of feedrate's ({error}); {_WAY_OUT}") from None

    @classmethod
    def _of(cls, raw: object) -> Manifest:
        """Before the mark was thought of, manifests had the same parts and no other."""
        parts = _mapping(raw, "it")
        if parts.get(_MARK, _LAYOUT) != _LAYOUT:
            raise ValueError(f"layout {reprlib.repr(parts[_MARK])}, and this version of feedrate knows {_LAYOUT}")
        for name in sorted(_PARTS.symmetric_difference(parts.keys() - {_MARK})):
            raise ValueError(f"no {name!r}" if name in _PARTS else f"{reprlib.repr(name)} belongs in none")
        known = (*FORMATS, *OPAQUE)
        if parts["format"] not in known:
            raise ValueError(f"format {reprlib.repr(parts['format'])}; there are {', '.join(known)}")
        fields = tuple(map(Field.from_json, _rows_of(parts["fields"], "fields")))
        shards = tuple(_shards(parts["shards"], str(parts["format"])))
        _demand_unique("column", [field.name for field in fields])
        _demand_unique("file", [shard.file for shard in shards])
        _demand_countable(fields, shards)
        return cls(
            str(parts["format"]),
            _texts(parts["identity"], "identity"),
            _texts(parts["storage"], "storage"),
            fields,
            shards,
        )


def _shards(raw: object, kind: str) -> Iterator[Shard]:
    for place, shard in enumerate(_rows_of(raw, "shards")):
        for name in {"file", "groups", "bytes", "digest"}.symmetric_difference(shard):
            raise ValueError(f"shard {place}: {reprlib.repr(name)} is missing, or belongs in none")
        file, digest = shard["file"], shard["digest"]
        # A plain name: with a path in it, files of others would be read, overwritten and removed.
        if not (isinstance(file, str) and re.fullmatch(rf"\w[\w.-]{{0,200}}\.{kind}", file, re.ASCII)):
            raise ValueError(f"shard {place}: file {reprlib.repr(file)} is no plain file name that ends in .{kind}")
        if not (isinstance(digest, str) and re.fullmatch("[0-9a-f]{32}", digest)):
            raise ValueError(f"{file}: digest {reprlib.repr(digest)} is not 32 hexadecimal digits")
        groups = tuple(_count(rows, f"{file}: a group's rows") for rows in _listed(shard["groups"], f"{file}: groups"))
        if not sum(groups):
            raise ValueError(f"{file}: no rows")
        yield Shard(file, groups, _count(shard["bytes"], f"{file}: bytes"), digest)


def _demand_countable(fields: tuple[Field, ...], shards: tuple[Shard, ...]) -> None:
    rows = sum(shard.rows for shard in shards)
    size = max(sum(shard.bytes for shard in shards), rows * max(1, math.fsum(field.row_bytes for field in fields)))
    if size > _MOST:
        raise ValueError(f"{reprlib.repr(rows)} rows: more than int64 counts the bytes of")


def _demand_unique(what: str, names: list[str]) -> None:
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise ValueError(f"{what} {name!r} stands there twice")


def _mapping(raw: object, what: str) -> Mapping[str, object]:
    if not isinstance(raw, dict):
        raise ValueError(f"{what} is {reprlib.repr(raw)} instead of an object")
    return raw


def _listed(raw: object, what: str) -> list[object]:
    if not (isinstance(raw, list) and raw):
        raise ValueError(f"{what}: {reprlib.repr(raw)} instead of a list of at least one")
    return raw


def _rows_of(raw: object, what: str) -> list[Mapping[str, object]]:
    return [_mapping(entry, f"an entry of {what}") for entry in _listed(raw, what)]


def _texts(raw: object, what: str) -> dict[str, str]:
    texts = {}
    for key, value in _mapping(raw, what).items():
        if not (isinstance(value, str) and value.isprintable() and key.isprintable()):
            raise ValueError(f"{what}: {reprlib.repr(key)} is {reprlib.repr(value)} instead of a line of text")
        texts[key] = value
    return texts


def _count(raw: object, what: str) -> int:
    if type(raw) is not int or not 0 <= raw <= _MOST:
        raise ValueError(f"{what}: {reprlib.repr(raw)} instead of a whole number from 0 to 2^63 - 1")
    return raw
