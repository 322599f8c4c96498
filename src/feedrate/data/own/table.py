"""A user's own files as one table: rows of all of them one after the other, and the columns that can be tensors."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from feedrate.data.dataset import DataSet
from feedrate.data.field import ROW_ID, Field
from feedrate.data.manifest import Shard
from feedrate.data.own.columns import FileColumns
from feedrate.data.own.look import looked_into
from feedrate.errors import DataError

__all__ = ["OwnTable"]

_WAY_OUT = "--columns names those to read"
_LONGEST = 40
"""Characters of a file's name in the table's."""


@dataclass(frozen=True)
class OwnTable:
    """Files of one format and schema, which are read where they lie; nothing is ever written beside them."""

    folder: Path
    """The deepest that holds all of them."""
    format: str
    compression: str
    shards: tuple[Shard, ...]
    """The files, by their paths below `folder`; without digests, for nobody knows what they were when written."""
    fields: tuple[Field, ...]
    """The columns, without any row id."""
    left_out: tuple[str, ...] = ()
    """Each column that cannot be a tensor, with the reason."""

    @classmethod
    def of(cls, paths: Sequence[Path], columns: Sequence[str] = (), *, look_for_nulls: bool = True) -> OwnTable:
        """Look into the files, whose rows come in that order; `columns`: those to read, all that can be where none is.

        Raises:
            DataError: a file cannot be read, is another kind of file than the first, or a column is not the same.
        """
        looks = [looked_into(path, columns, look_for_nulls=look_for_nulls) for path in paths]
        left_out = _left_out(looks)
        _demand_columns(looks, columns)
        for look in looks[1:]:
            _demand_like(looks[0], look, left_out)
        fields = tuple(field for field in looks[0].fields if field.name not in left_out)
        reasons = tuple(f"{name!r} ({reason})" for name, reason in left_out.items())
        if not fields:
            raise DataError(f"{paths[0]}: no column can be a tensor: {_listed(reasons)}")
        folder = Path(os.path.commonpath([path.parent for path in paths]))
        shards = tuple(
            Shard(str(look.path.relative_to(folder)), look.groups, look.path.stat().st_size, "") for look in looks
        )
        codec = next((look.compression for look in looks if look.compression != "none"), "none")
        return cls(folder, looks[0].format, codec, shards, fields, reasons)

    @property
    def name(self) -> str:
        """Name it after its folder, or its only file, and by a digest of what it holds: other files, another name."""
        place = Path(self.shards[0].file).stem if len(self.shards) == 1 else self.folder.name
        word = re.sub(r"[^A-Za-z0-9_.-]+", "-", place)[:_LONGEST].strip("-.")
        content = repr((self.format, self.shards, self.fields)).encode()
        digest = hashlib.blake2b(content, digest_size=3).hexdigest()
        return "-".join(filter(None, ("files", word, digest)))

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where the files lie, in the order of their rows."""
        return tuple(self.folder / shard.file for shard in self.shards)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(field.name for field in self.fields)

    @property
    def description(self) -> str:
        """Which files they are, in one line however many there are."""
        first, last, count = self.shards[0].file, self.shards[-1].file, len(self.shards)
        names = first if count == 1 else f"{first} to {last} ({count:,} files)"
        return (
            f"{self.folder}: {names}, {sum(shard.rows for shard in self.shards):,} rows, {len(self.fields):,} columns"
        )

    @property
    def remark(self) -> str:
        """Which columns are not read and why, in one line; empty: all are."""
        return f"{self.folder}: not read: {_listed(self.left_out)}; {_WAY_OUT}" if self.left_out else ""

    @property
    def data_set(self) -> DataSet:
        """The files as a data set whose rows are numbered through all of them."""
        storage = {"compression": self.compression, "axes": "lists"}
        fields = (Field(ROW_ID, "int64", "int64"), *self.fields)
        return DataSet(self.folder, self.format, {}, storage, fields, self.shards, stores_ids=False)

    def demand_unchanged(self) -> None:
        """Look whether the files are as long as they were.

        Raises:
            DataError: one is not, or is gone.
        """
        for path, shard in zip(self.paths, self.shards, strict=True):
            if not path.is_file() or path.stat().st_size != shard.bytes:
                raise DataError(f"{path}: was changed meanwhile; run again")


def _left_out(looks: Sequence[FileColumns]) -> dict[str, str]:
    """Columns that some file holds in a way that no tensor can, with the reason, and the file if others differ."""
    reasons: dict[str, str] = {}
    for look in looks:
        for name, reason in look.left_out:
            same = all((name, reason) in other.left_out for other in looks)
            reasons.setdefault(name, reason if same else f"{reason} in {look.path.name}")
    return reasons


def _listed(reasons: Sequence[str]) -> str:
    return ", ".join(reasons[:8]) + (f" and {len(reasons) - 8} more" if len(reasons) > 8 else "")


def _demand_columns(looks: Sequence[FileColumns], columns: Sequence[str]) -> None:
    """Refuse columns that were asked for and cannot be had."""
    for look in looks:
        left_out, held = dict(look.left_out), {field.name for field in look.fields}
        for name in columns:
            if name in left_out:
                raise DataError(f"{look.path}: column {name!r} cannot be a tensor: {left_out[name]}; leave it away")
            if name not in held:
                raise DataError(f"{look.path}: no column {name!r}; --columns names columns, with commas between them")


def _demand_like(first: FileColumns, other: FileColumns, left_out: dict[str, str]) -> None:
    """Refuse files that are no parts of one table."""
    if first.format != other.format:
        raise DataError(f"{other.path}: is {other.format}, and {first.path.name} is {first.format}; name one kind")
    ours, theirs = ({field.name: field for field in look.fields} for look in (first, other))
    for name in (*ours, *theirs):
        if name not in left_out and ours.get(name) != theirs.get(name):
            forms = [f"{_form(of.get(name))} in {look.path.name}" for of, look in ((theirs, other), (ours, first))]
            raise DataError(f"{other.path}: column {name!r} is {forms[0]} and {forms[1]}; {_WAY_OUT}")


def _form(field: Field | None) -> str:
    if field is None:
        return "missing"
    return f"{field.stored} {field.shape}" if field.shape else field.stored
