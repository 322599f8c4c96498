"""The published site, made self-contained: asv's page asks the network for ten files and is blank without them."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

from feedrate.asv.vendored import FILES, Vendored, packed
from feedrate.errors import DataError, UnavailableError

__all__ = ["self_contained"]

_TAG = re.compile(
    r'(?P<kind>src|href)="https?://[^"]+/(?P<file>[^"/]+)" integrity="(?P<integrity>[^"]+)"'
    r'(?: (?:crossorigin|referrerpolicy)="[^"]*")*'
)

Fetch = Callable[[Vendored, Path], bytes]


def self_contained(html: Path, cache: Path, fetch: Fetch = packed) -> str:
    """Put local copies of all files the page asks the network for beside it; give one line that says how it went.

    The page is changed only when every copy is there and has the right hash; otherwise it stays as asv wrote it.

    Args:
        html: what `asv publish` wrote.
        cache: a folder of the user's, outside the project, that keeps the packages.
        fetch: reads a file out of its package.
    """
    index = html / "index.html"
    page = index.read_text()
    try:
        copies = {tag["file"]: _copy(tag["file"], tag["integrity"], cache, fetch) for tag in _TAG.finditer(page)}
    except (UnavailableError, DataError) as error:
        return f"{index} needs the network to be read: {error}"
    (html / "vendor").mkdir(exist_ok=True)
    for name, content in copies.items():
        (html / "vendor" / name).write_bytes(content)
    index.write_text(_TAG.sub(lambda tag: _local(tag, copies[tag["file"]]), page))
    return f"{index} is self-contained: {len(copies)} files are in {str(html / 'vendor')!r}"


def _copy(name: str, integrity: str, cache: Path, fetch: Fetch) -> bytes:
    wanted = FILES.get(name)
    if wanted is None:
        raise DataError(f"asv's page asks for {name!r}, which is not in feedrate.asv.vendored.FILES")
    content = fetch(wanted, cache)
    expected = wanted.integrity or integrity
    if _integrity(content, expected.partition("-")[0]) != expected:
        raise DataError(f"{wanted.member!r} of {wanted.package!r} is not the file it should be: delete {str(cache)!r}")
    return content


def _integrity(content: bytes, algorithm: str) -> str:
    return f"{algorithm}-{b64encode(hashlib.new(algorithm, content).digest()).decode()}"


def _local(tag: re.Match[str], content: bytes) -> str:
    return f'{tag["kind"]}="vendor/{tag["file"]}" integrity="{_integrity(content, "sha256")}"'
