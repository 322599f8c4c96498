"""What the pages tell a reader to do works as it stands: commands, links, included files, pictures."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

import feedrate
from feedrate.cli import COMMANDS, _parsers
from feedrate.plugin.registry import Registry
from scripts.command_reference import page as command_reference
from scripts.docs import COMMANDS as COMMANDS_PAGE
from scripts.docs import CONFIG, unlisted
from tests.support import ROOT
from tests.support.command_lines import parsed, shown, unknown

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "examples/README.md", *sorted(DOCS.rglob("*.md"))]
LINES = [
    (page, line) for page in PAGES if page.parent.name != "decisions" for line in dict.fromkeys(shown(page.read_text()))
]
LINK = re.compile(r"\]\(([^)#\s:]*)(?:#([\w-]+))?\)|^\[\w+\]: ([^\s:]+)$", re.MULTILINE)
INCLUDED = re.compile(r'^--8<-- "(.+)"$', re.MULTILINE)
QUESTIONS = 20


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def places(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\s-]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("page", "line"), LINES, ids=[f"{named(page)}: {line}" for page, line in LINES])
def test_a_command_of_a_page_is_one(page: Path, line: str, registry: Registry) -> None:
    assert unknown(parsed(line), registry) == []


def test_there_are_twenty_questions_each_answered_with_a_command() -> None:
    _, *sections = re.split(r"^## ", (DOCS / "faq.md").read_text(), flags=re.MULTILINE)

    assert len(sections) == QUESTIONS
    assert [section for section in sections if not section.partition("\n")[0].endswith("?")] == []
    assert [section for section in sections if not shown(section)] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_each_link_of_a_page_leads_to_a_file_and_a_heading(page: Path) -> None:
    lost = []
    for path, place, defined in LINK.findall(page.read_text()):
        target = (page.parent / (path or defined)).resolve() if path or defined else page
        if not target.exists() or (place and place not in places(target)):
            lost.append(f"{path or defined}#{place}")
    assert lost == []


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=named)
def test_the_documentation_links_to_nothing_that_the_site_lacks(page: Path) -> None:
    targets = [(page.parent / path).resolve() for path, _, _ in LINK.findall(page.read_text()) if path]
    assert [str(target) for target in targets if not target.is_relative_to(DOCS)] == []


@pytest.mark.parametrize("name", ["loader", "step", "workload"])
def test_a_page_on_writing_includes_the_tested_example(name: str) -> None:
    included = INCLUDED.findall((DOCS / f"write-a-{name}.md").read_text())

    assert [path for path in included if not (ROOT / path).is_file()] == []
    example, test = map(Path, included)
    assert (test.parent, test.name) == (example.parent, f"test_{example.name}")


def test_every_page_is_in_the_navigation(tmp_path: Path) -> None:
    for page in DOCS.rglob("*.md"):
        copy = tmp_path / page.relative_to(DOCS)
        copy.parent.mkdir(exist_ok=True)
        copy.touch()
    config = (ROOT / CONFIG).read_text()

    assert unlisted(config, tmp_path) == [f"{COMMANDS_PAGE}: in the navigation of {CONFIG}, and not there"]
    (tmp_path / COMMANDS_PAGE).touch()
    assert unlisted(config, tmp_path) == []
    (tmp_path / "forgotten.md").touch()
    assert unlisted(config, tmp_path) == [f"forgotten.md: not in the navigation of {CONFIG}"]


def test_the_page_on_the_api_has_every_public_name_once() -> None:
    names = re.findall(r"^::: feedrate\.(\w+)$", (DOCS / "api.md").read_text(), re.MULTILINE)
    assert sorted(names) == sorted(feedrate.__all__)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_reference_has_every_option(command: str) -> None:
    (section,) = re.findall(rf"^## feedrate {command}\n(.*?)(?=^## |\Z)", command_reference(), re.MULTILINE | re.DOTALL)
    _, parser = _parsers(command)
    options = [option for action in parser._actions for option in action.option_strings]

    assert [option for option in options if not re.search(rf"`{option}[` ]", section)] == []
    # Each row of a table has its two cells: what a help says may hold a bar.
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    assert [row for row in rows if len(re.findall(r"(?<!\\)\|", row)) != 3] == []


def test_the_pictures_are_those_of_the_figures_on_the_page() -> None:
    drawn = runpy.run_path(str(ROOT / "scripts/pictures.py"))["pictures"]()

    assert {path.name: path.read_text() for path in (DOCS / "pictures").iterdir()} == drawn
    assert len(re.findall(r": T_L [\d.]+ ms<", drawn["feed-map.svg"])) == 6 * 4
