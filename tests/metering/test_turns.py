"""A process's own side of measuring by turns."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from feedrate.metering.turns import Turns
from feedrate.system.sampling_flags import SamplingFlags


@pytest.mark.parametrize("busy", [False, True])
def test_whoever_waits_is_not_looked_at_and_then_as_before(busy: bool, tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    marks = SamplingFlags(tmp_path)
    marks.set_busy(busy)
    theirs.sendall(b"g")

    assert Turns(ours, marks).wait()

    assert theirs.recv(1) == b"w"
    assert marks.is_busy == busy
    theirs.close()
    ours.close()


def test_when_nobody_listens_any_more_it_is_alone(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    turns = Turns(ours, SamplingFlags(tmp_path))

    assert turns.wait()
    assert not turns.are_taken
    assert not turns.wait()


def test_alone_it_goes_on_at_once(tmp_path: Path) -> None:
    turns = Turns.joined(None, SamplingFlags(tmp_path))

    assert not turns.are_taken
    assert not turns.wait()
    turns.leave()
