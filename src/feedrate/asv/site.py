"""Make the published site stand alone: asv's page asks the network for ten files and is an error without them."""

from __future__ import annotations

import hashlib
import html
import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from pathlib import Path

from feedrate.asv.site_assets import FILES, Vendored, fetched, unpacked
from feedrate.errors import DataError, UnavailableError

__all__ = ["excused", "needs_network", "stand_alone"]

_TAG = re.compile(
    r'(?P<kind>src|href)="https?://[^"]+/(?P<file>[^"/]+)" integrity="(?P<integrity>[^"]+)"'
    r'(?: (?:crossorigin|referrerpolicy)="[^"]*")*'
)
_WAY = "`make wheels`, where npm and a network are, puts them into wheels/site; carry that folder and publish again"
_ERROR_PAGE = """<!doctype html>
<meta charset="utf-8">
<title>feedrate: files of this page are missing</title>
<p>{}</p>
"""


def stand_alone(pages: Path, places: Sequence[Path], fetch: Callable[[Path], None] = fetched) -> str:
    """Put local copies of all files the page asks the network for beside it; give one line that says so.

    The page is changed only when every copy is there and has the right hash; otherwise it stays as asv wrote it.

    Args:
        pages: what `asv publish` wrote.
        places: folders that may hold the packages, asked in this order; what none has is fetched into the last.
        fetch: fills a folder with all packages.

    Raises:
        UnavailableError: a file is nowhere to be had; the text names the way out.
        DataError: the page asks for a file that nobody knows, so it is another asv's.
    """
    index = pages / "index.html"
    page = index.read_text(encoding="utf-8")
    copies = _copies([(tag["file"], tag["integrity"]) for tag in _TAG.finditer(page)], places, fetch)
    (pages / "vendor").mkdir(exist_ok=True)
    for name, content in copies.items():
        (pages / "vendor" / name).write_bytes(content)
    index.write_text(_TAG.sub(lambda tag: _local(tag, copies[tag["file"]]), page), encoding="utf-8")
    return f"{index} is self-contained: {len(copies)} files are in {str(pages / 'vendor')!r}"


def needs_network(pages: Path) -> bool:
    """Tell whether the page still asks the network for files."""
    return _TAG.search((pages / "index.html").read_text(encoding="utf-8")) is not None


def excused(pages: Path, reason: str) -> str:
    """Put why the page needs the network where it sends a browser that lacks one; give the line."""
    line = f"{pages / 'index.html'} needs the network to be read: {reason}"
    (pages / "error.html").write_text(_ERROR_PAGE.format(html.escape(line)), encoding="utf-8")
    return line


def _copies(
    asked: Sequence[tuple[str, str]], places: Sequence[Path], fetch: Callable[[Path], None]
) -> dict[str, bytes]:
    kept = {name: _copy(name, integrity, places) for name, integrity in asked}
    if None in kept.values():
        try:
            fetch(places[-1])
        except UnavailableError as error:
            looked = " nor ".join(repr(str(place)) for place in places)
            raise UnavailableError(f"its files are neither in {looked}, and {error}; {_WAY}") from error
        kept = {name: _copy(name, integrity, places) for name, integrity in asked}
    wrong = [FILES[name] for name, content in kept.items() if content is None]
    if wrong:
        raise DataError(
            f"{wrong[0].member!r} of {wrong[0].package!r} is not the file it should be: delete {str(places[-1])!r}"
        )
    return {name: content for name, content in kept.items() if content is not None}


def _copy(name: str, integrity: str, places: Sequence[Path]) -> bytes | None:
    """Find the right bytes of a file, in the first place that has them."""
    wanted = FILES.get(name)
    if wanted is None:
        raise DataError(
            f"it asks for {name!r}, which feedrate.asv.site_assets.FILES lacks; install the asv that is pinned"
        )
    return next(
        (content for place in places if (content := unpacked(wanted, place)) and _right(content, wanted, integrity)),
        None,
    )


def _right(content: bytes, wanted: Vendored, integrity: str) -> bool:
    expected = wanted.integrity or integrity
    return _integrity(content, expected.partition("-")[0]) == expected


def _integrity(content: bytes, algorithm: str) -> str:
    return f"{algorithm}-{b64encode(hashlib.new(algorithm, content).digest()).decode()}"


def _local(tag: re.Match[str], content: bytes) -> str:
    return f'{tag["kind"]}="vendor/{tag["file"]}" integrity="{_integrity(content, "sha256")}"'
