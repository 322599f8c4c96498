"""The documentation is built as `make docs` does it, in the environment that it makes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import feedrate
from feedrate.cli import COMMANDS
from scripts.docs import CONFIG, NAV_PAGE
from tests.support import ROOT
from tests.support.browser import opened_with_console

pytest.importorskip("zensical", reason="not in this environment; `make test-integrations` makes one")
pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

SEARCHED = """
const focused = () => {
  let element = document.activeElement
  while (element.shadowRoot) element = element.shadowRoot.activeElement
  return element
}
setTimeout(() => document.querySelector(".md-search__button").click(), 500)
setTimeout(() => {
  focused().value = "straggler"
  focused().dispatchEvent(new Event("input", { bubbles: true }))
}, 1500)
setTimeout(() => {
  document.title = [...focused().getRootNode().querySelectorAll("a")].map((link) => link.textContent).join(" | ")
}, 6000)
"""
"""A person who opens the search of a page and types a word; the title tells what comes."""


class Site(NamedTuple):
    """What was built, and what was said meanwhile."""

    folder: Path
    told: str

    def page(self, name: str) -> str:
        """The HTML of a page, by the name of its source."""
        return (self.folder / name.replace("README.md", "index.md")).with_suffix(".html").read_text()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("out") / "docs"
    command = [sys.executable, "-m", "scripts.docs", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Site(folder, done.stdout + done.stderr)


def test_it_is_built_without_a_warning(site: Site) -> None:
    assert not re.search("warning|error|[1-9][0-9]* issue", site.told, re.IGNORECASE), site.told


def test_every_link_of_the_site_was_followed(site: Site) -> None:
    listed = NAV_PAGE.findall((ROOT / CONFIG).read_text())
    told = re.search(r"^(\d+) pages, (\d+) links checked: ", site.told, re.MULTILINE)

    assert told is not None
    assert int(told[1]) == len(listed) >= 50
    assert int(told[2]) > 20 * len(listed)
    assert [name for name in listed if "<h1" not in site.page(name)] == []


def test_no_page_fetches_anything_from_another_host(site: Site) -> None:
    fetched = re.compile(r"<(?:script|link|img|source|iframe)\b[^>]*\b(?:src|href)=[\"']?(?:https?:)?//[^>]*>")
    assert [fetched.findall(page.read_text()) for page in site.folder.rglob("*.html") if page.name != "404.html"] == (
        [[]] * len(NAV_PAGE.findall((ROOT / CONFIG).read_text()))
    )


def test_commands_come_from_the_parsers_and_the_api_from_docstrings(site: Site) -> None:
    commands, api = site.page("commands.md"), site.page("api.md")

    assert [name for name in COMMANDS if f'id="feedrate-{name}"' not in commands] == []
    assert [name for name in feedrate.__all__ if f'id="feedrate.{name}"' not in api] == []
    assert "Measures cells in fresh processes, all of them under one run name" in re.sub(r"\s+", " ", api)


def test_included_examples_are_those_files(site: Site) -> None:
    page = re.sub(r"<[^>]+>", "", site.page("write-a-loader.md"))
    assert "class NextBlock(Loader):" in page
    assert "--8<" not in page
    assert "--8&lt;" not in page


def test_a_page_opens_from_the_disk_in_a_browser_without_a_network(site: Site) -> None:
    page = opened_with_console((site.folder / "reading-the-numbers.html").as_uri())

    assert page.console == ()
    assert "The feed map" in page.shown


def test_search_finds_a_word_where_the_site_is_opened_from_the_disk(site: Site) -> None:
    asks = site.folder / "asks.html"
    asks.write_text(site.page("index.md").replace("</body>", f"<script>{SEARCHED}</script></body>"))
    try:
        page = opened_with_console(asks.as_uri())
    finally:
        asks.unlink()

    (results,) = re.findall(r"<title>(.*?)</title>", page.shown, re.DOTALL)[:1]
    assert "Glossary" in results
    assert "straggler" in results
    assert page.console == ()
