"""A process has one session, whoever asks for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from feedrate.metering.script import session as sessions
from feedrate.records.codec import encoded
from feedrate.records.request import SCRIPT_REQUEST, ScriptRequest


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    request = tmp_path / "request.json"
    request.write_text(json.dumps(encoded(ScriptRequest(tmp_path, 0.1))))
    monkeypatch.setenv(SCRIPT_REQUEST, str(request))
    # Nothing of the test's own process is to be counted, or told at its end.
    monkeypatch.setattr(sessions.ScriptSession, "begin", lambda _: None)
    sessions._session.cache_clear()
    yield tmp_path
    sessions._session.cache_clear()


def test_loaders_of_two_libraries_and_taps_share_the_session_of_whoever_came_first(asked: Path) -> None:
    first = sessions.session(1.5)
    assert sessions.session(2.5) is first
    assert first.import_s == 1.5
    assert first.request.scratch == asked
