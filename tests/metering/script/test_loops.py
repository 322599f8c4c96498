"""A loop is named by the line of its `for`, whoever stands between it and the loader."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from feedrate.errors import UsageError
from feedrate.metering.script.loops import LoopPlace, loop_places
from feedrate.runner.script_command import ScriptCommand

SCRIPT = """\
for batch in loader:
    pass


def one_epoch(batches):
    for batch in (
        batches
    ):
        pass


for epoch in range(1):
    one_epoch(loader)
while True:
    for number, batch in enumerate(loader):
        pass
    break
iterator = iter(loader)
"""


class Loader:
    """Notes where it is iterated."""

    def __init__(self) -> None:
        self.places: list[tuple[LoopPlace, ...]] = []

    def __iter__(self) -> Iterator[Any]:
        self.places.append(loop_places())
        return iter(range(2))


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    return path


def test_each_loop_is_named_by_its_for_and_told_whether_it_comes_again(script: Path) -> None:
    loader = Loader()
    runpy.run_path(str(script), {"loader": loader})
    innermost = [[place for place in places if place.path == str(script)] for places in loader.places]

    assert [(places[0].line, places[0].is_repeated) for places in innermost] == [
        (1, False),
        (6, True),
        (15, True),
        (18, False),
    ]
    assert [place.line for place in innermost[1]] == [6, 13], "and the line that calls it"
    assert innermost[0][0].name == "train.py:1"


def test_a_loop_is_asked_for_by_file_and_line(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(script.parent)
    assert ScriptCommand(("python",)).with_loop("train.py:6").loop == f"{script}:6"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("train.py:7", "no `for` stands there; there is train.py:1, train.py:6, train.py:12, train.py:15"),
        ("other.py:7", "there is no file 'other.py' here"),
        ("train.py", "'train.py' names no loop"),
        ("empty.py:1", "no `for` stands there; there is none in empty.py"),
    ],
)
def test_what_names_no_loop_is_told_those_that_there_are(
    text: str, complaint: str, script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(script.parent)
    (script.parent / "empty.py").touch()
    with pytest.raises(UsageError) as caught:
        ScriptCommand(("python",)).with_loop(text)
    assert complaint in str(caught.value)
