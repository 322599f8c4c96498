"""Look at a built site: does each link lead somewhere, and does any page fetch something from another host?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHED = {"img", "script", "link", "source", "iframe", "video", "audio", "embed", "object", "use", "image"}
"""Elements whose address a browser fetches by itself."""
FOREIGN = re.compile(r"""(?:url\(\s*['"]?|@import\s+['"])((?:https?:)?//[^'")\s]+)""")
"""What a style fetches from another host."""
NOT_FOUND = "404.html"
"""It is served at any address, so that its own links are from the root of the host."""


@dataclass
class Page(HTMLParser):
    """The names that may be linked to, and the addresses, of one page."""

    names: set[str] = field(default_factory=set)
    links: list[tuple[str, str]] = field(default_factory=list)
    """Element and address."""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element is called and where it leads."""
        for name, content in attrs:
            if name in ("id", "name") and content:
                self.names.add(content)
            elif name in ("href", "src", "data", "poster") and content:
                self.links.append((tag, content))
            elif name == "style" and content:
                self.links += (("link", address) for address in FOREIGN.findall(content))


@dataclass(frozen=True)
class Checked:
    """What a look at a site came to."""

    pages: int
    links: int
    complaints: tuple[str, ...]


def checked(site: Path) -> Checked:
    """Read every page and style of the site."""
    site = site.resolve()
    pages = {path: read(path) for path in sorted(site.rglob("*.html")) if path.name != NOT_FOUND}
    links = [(path, tag, address) for path, page in pages.items() for tag, address in page.links]
    complaints = [words for style in sorted(site.rglob("*.css")) for words in foreign(site, style)]
    for path, tag, address in links:
        if reason := wrong(site, pages, path, tag, address):
            complaints.append(f"{path.relative_to(site)}: {address}: {reason}")
    return Checked(len(pages), len(links), tuple(complaints))


def foreign(site: Path, style: Path) -> Iterator[str]:
    """Yield a complaint for each thing that a style fetches from another host."""
    for address in FOREIGN.findall(style.read_text(encoding="utf-8")):
        yield f"{style.relative_to(site)}: {address}: fetched from another host"


def wrong(site: Path, pages: Mapping[Path, Page], page: Path, tag: str, address: str) -> str:
    """Say what is wrong with an address of a page; nothing: it is right, or leads to another host."""
    parts = urlsplit(address)
    if parts.scheme in ("data", "mailto", "javascript"):
        return ""
    if parts.scheme or parts.netloc:
        return "fetched from another host" if tag in FETCHED else ""
    target = page if not parts.path else (page.parent / unquote(parts.path)).resolve()
    if target.is_dir():
        target /= "index.html"
    if not target.is_relative_to(site) or not target.is_file():
        return "leads nowhere"
    if parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].names:
        return "no such place on that page"
    return ""


def read(page: Path) -> Page:
    """Parse a page."""
    parsed = Page()
    parsed.feed(page.read_text(encoding="utf-8"))
    return parsed
