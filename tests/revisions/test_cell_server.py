"""One process of a commit measures cell after cell, and whatever becomes of it is an answer."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.records.measurement import Failure
from feedrate.records.raw_results import read
from feedrate.revisions.call import PATIENCE_S, Invocation
from feedrate.revisions.cell_server import CellServer, CellServers

pytestmark = pytest.mark.process

SERVES = """
import json, os, sys, time
print("ready", flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    if "/ends/" in asked["cell"]:
        sys.exit("it had enough")
    if "/hangs/" in asked["cell"]:
        time.sleep(1000)
    with open(asked["out"], "w") as file:
        json.dump({"metrics": {"pid": os.getpid(), "replicate": asked["replicate"]}}, file)
    print(0, flush=True)
"""
REFUSES = """
import sys
open("asked", "a").write("once ")
sys.exit("feedrate: unrecognized arguments: --serve")
"""


@pytest.fixture
def invocation(tmp_path: Path) -> Invocation:
    """Calls a feedrate that serves, and answers at once."""
    return of_commit(tmp_path, SERVES)


def of_commit(folder: Path, main: str, commit: str = "first") -> Invocation:
    package = folder / commit / "feedrate"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(main)
    variables = {"PYTHONPATH": str(package.parent)}
    return Invocation(commit, package.parent, "test", folder / "raw", folder / "logs", 60, variables=variables)


@pytest.fixture
def servers() -> Iterator[CellServers]:
    held = CellServers()
    yield held
    held.close()


def ready(servers: CellServers, invocation: Invocation) -> CellServer:
    server = servers.server(invocation, invocation.raw.parent / "serve.log")
    assert server is not None
    return server


def measured(servers: CellServers, invocation: Invocation, cell: str, replicate: int = 0) -> dict[str, object]:
    return ready(servers, invocation).measure(cell, replicate, invocation.raw.parent)


def test_all_cells_are_measured_by_one_process(servers: CellServers, invocation: Invocation) -> None:
    first, second = (measured(servers, invocation, "cell", replicate)["metrics"] for replicate in range(2))

    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert (first["pid"], first["replicate"], second["replicate"]) == (second["pid"], 0, 1)


@pytest.mark.parametrize("refusal", [REFUSES, REFUSES.replace("sys.exit", "print('usage', flush=True)\nsys.exit")])
def test_a_commit_that_cannot_serve_is_asked_once(tmp_path: Path, servers: CellServers, refusal: str) -> None:
    older = of_commit(tmp_path, refusal)

    assert [servers.server(older, tmp_path / "serve.log") for _ in range(3)] == [None, None, None]
    assert (older.checkout / "asked").read_text() == "once "


@pytest.mark.parametrize(("loader", "deadline_s"), [("ends", 60), ("hangs", 1 - PATIENCE_S)])
def test_one_that_ends_or_hangs_is_a_failed_cell_and_the_next_cell_has_another(
    servers: CellServers, invocation: Invocation, loader: str, deadline_s: int
) -> None:
    cell, invocation = f"toy/tiny/{loader}/none/cpu", replace(invocation, deadline_s=deadline_s)
    failure = measured(servers, invocation, cell)["failure"]
    (kept,) = read(invocation.raw / "test.jsonl")

    assert isinstance(failure, dict)
    assert isinstance(kept, Failure)
    assert (kept.cell, failure["kind"], failure["reason"]) == (cell, "exception", kept.reason)
    assert ("it had enough" in kept.reason) == (loader == "ends")
    ready(servers, replace(invocation, deadline_s=60))


def test_the_server_of_the_commit_before_is_gone_when_the_next_is_measured(
    tmp_path: Path, servers: CellServers, invocation: Invocation
) -> None:
    before = ready(servers, invocation)
    ready(servers, of_commit(tmp_path, SERVES, "second"))

    assert not before.is_alive


def test_what_is_closed_is_ended_with_all_that_guards_it(servers: CellServers, invocation: Invocation) -> None:
    metrics = measured(servers, invocation, "cell")["metrics"]
    assert isinstance(metrics, dict)
    servers.close()
    until = time.monotonic() + 30
    while Path(f"/proc/{metrics['pid']}").exists():
        assert time.monotonic() < until, f"process {metrics['pid']} of {os.getpid()} is still there"
        time.sleep(0.05)


def test_a_server_stays_where_it_was_started(servers: CellServers, invocation: Invocation) -> None:
    server = ready(servers, invocation)
    pickle.loads(pickle.dumps(servers)).close()

    assert server.is_alive
