"""Loaders of `plugins/peers`, with the libraries themselves: the contract kit, and a cell of each in a process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sums import Sums

from feedrate import Loader, Registry
from feedrate.cli import main
from feedrate.contract import check, written

pytest.importorskip("feedrate_peers", reason="needs plugins/peers")

PEERS = ("nodes", "nodes[count=4,depth=4]", "hf_datasets", "hf_datasets[shuffle=own]", "webdataset[shard=50]")
WORKLOADS = ("boardmoves", "daywindows", "daywindows[batch=fixed]", "fxseq", "fxseq[form=multi_base]")

pytestmark = [pytest.mark.process, pytest.mark.timeout(170)]


def peer(spec: str) -> Loader:
    return Registry.load().loader(spec)


@pytest.mark.parametrize("spec", PEERS)
def test_a_peer_keeps_its_promises(spec: str, tmp_path: Path) -> None:
    broken = [(promise, str(error)) for promise, error in check(peer(spec), written(Sums(), tmp_path)) if error]
    assert broken == []


@pytest.mark.parametrize("name", WORKLOADS)
@pytest.mark.parametrize("spec", PEERS)
def test_a_peer_serves_every_workload_of_columns(
    spec: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("run", name, "--loader", spec, "--step", "none", "--size", "tiny", "--seconds", "0.05", "--once")

    assert main([*words, "--json"]) == 0

    (cell,) = json.loads(capsys.readouterr().out)
    assert cell["metrics"]["samples_per_s"] > 0
    assert cell["observed"]["serves"] == ("rows" if "own" in spec or "web" in spec else "order")
    assert (cell["own_copy"] is None) == spec.startswith("nodes")
