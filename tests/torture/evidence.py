"""What must hold after a kill: each function yields a line for everything that does not."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from feedrate.data.dataset import DataSet
from feedrate.errors import DataError

__all__ = ["cells", "kept", "lost", "told", "torn", "unwhole"]

_TOLD = re.compile(r"^(\S+(?:/\S+){4}): (?:[\d,.e+]+ samples/s|(failed|n/a))", re.MULTILINE)
_BETWEEN = re.compile(r"\.(partial|sample)-")
"""Folders of writers that are not done, or were killed."""

Files = Mapping[str, bytes]


def kept(folder: Path) -> Files:
    """The raw results as they stand, by file."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.jsonl"))}


def torn(before: Files, after: Files) -> Iterator[str]:
    """Lines that were whole before and are not there any more, and lines that say nothing.

    What a kill tore is at the end of the file, or, once more was added, the line before that.
    """
    for name in before.keys() | after.keys():
        old, new = _whole(before.get(name, b"")), after.get(name, b"")
        if not new.startswith(old):
            yield f"{name}: what stood there is not there any more"
            continue
        for number, line in enumerate(_whole(new)[len(old) :].splitlines()):
            if not (_parses(line) or (number == 0 and _tail(before.get(name, b"")))):
                yield f"{name}: a line that is no JSON: {line[:80]!r}"


def lost(before: Files, after: Files, printed: str) -> Iterator[str]:
    """Outcomes that were reported and are not in the raw results."""
    new = Counter(_outcomes(after))
    new.subtract(_outcomes(before))
    for outcome, count in told(printed).items():
        if new[outcome] < count:
            yield f"{outcome[0]}: reported as {outcome[1]} {count} times, kept {new[outcome]} times"


def told(printed: str) -> Counter[tuple[str, str]]:
    """Cells, and `measurement` or `failure`, as a command reported them on standard error."""
    return Counter((cell, "failure" if failed else "measurement") for cell, failed in _TOLD.findall(printed))


def unwhole(folder: Path) -> Iterator[str]:
    """Data sets that are neither whole nor absent."""
    for path in sorted(folder.glob("*")):
        if _BETWEEN.search(path.name):
            continue
        try:
            yield from (f"{path}: {fault}" for fault in DataSet.open(path).faults())
        except DataError as error:
            yield str(error)


def _whole(content: bytes) -> bytes:
    """Up to the end of the last line that has one."""
    return content[: content.rfind(b"\n") + 1]


def _tail(content: bytes) -> bytes:
    return content[len(_whole(content)) :]


def cells(before: Files, after: Files) -> int:
    """Of how many cells the raw results hold new outcomes."""
    new = Counter(cell for cell, _ in _outcomes(after))
    new.subtract(cell for cell, _ in _outcomes(before))
    return sum(count > 0 for count in new.values())


def _outcomes(files: Files) -> Iterator[tuple[str, str]]:
    for content in files.values():
        for line in filter(_parses, _whole(content).splitlines()):
            raw = json.loads(line)
            yield raw.get("cell", ""), raw.get("kind", "")


def _parses(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
