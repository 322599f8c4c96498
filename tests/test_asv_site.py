"""The published site: what it says of our numbers, in a real browser."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import asv
import pytest
from asv_project import Project

from feedrate.asv.site import self_contained
from feedrate.asv.vendored import Vendored, packed
from feedrate.errors import UnavailableError

pytestmark = pytest.mark.timeout(180)

WATCHED = ("--bench", "track_time_per_sample")


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of two commits, the newer with one loader more; the older was measured before that one existed."""
    project = Project.make(tmp_path_factory.mktemp("site"))
    project.commit({"inline": 1e-5}, ["inline"])
    project.run("HEAD^!", *WATCHED)
    project.commit({"inline": 2e-5, "late": 3e-5}, ["inline", "late"])
    project.run("HEAD^!", *WATCHED)
    project.asv("publish")
    return project.folder / ".asv/html"


@pytest.fixture(scope="module")
def address(html: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The site made self-contained and served, as it must be: a browser opens no such page from a file."""
    said = self_contained(html, tmp_path_factory.mktemp("packages"))
    if "self-contained" not in said:
        pytest.skip(said)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(html))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    """Serves without a word."""

    def log_message(self, format: str, *arguments: object) -> None: ...


def test_a_loader_added_later_keeps_the_older_history(html: Path) -> None:
    named = html.rglob("feed.toy.track_time_per_sample.json")
    (graph,) = (file for file in named if "summary" not in file.parts)
    (_, older), (_, newer) = json.loads(graph.read_text())

    assert older == [pytest.approx(1.005e-5), None]
    assert newer == pytest.approx([2.01e-5, 3.015e-5])


def test_the_gpu_of_the_machine_file_splits_histories(html: Path) -> None:
    params = json.loads((html / "index.json").read_text())["params"]

    assert len(params["gpu"]) == 1
    assert params["env-FEEDRATE_SIZE"] == ["small"]


def test_the_browser_shows_the_grid(address: str) -> None:
    page = opened(f"{address}/#/")

    assert "toy: time_per_sample" in page


def test_the_browser_shows_our_numbers(address: str) -> None:
    page = opened(f"{address}/#/summarylist")

    assert all(number in page for number in ("20.100μs", "+100.0%", "30.150μs"))


def test_the_browser_draws_a_graph_of_our_numbers(address: str) -> None:
    page = opened(f"{address}/#feed.toy.track_time_per_sample")

    assert all(text in page for text in ("flot-overlay", "loader-inline", "loader-late", ">30.0<"))


def test_every_file_of_asvs_own_page_has_a_local_copy(tmp_path: Path) -> None:
    said = self_contained(page_of_asv(tmp_path), tmp_path / "packages")
    if "needs the network" in said:
        pytest.skip(said)

    assert "10 files" in said
    assert "https://c" not in (tmp_path / "html/index.html").read_text().partition("<body>")[0]


def test_a_page_whose_files_cannot_be_had_stays_as_it_was(tmp_path: Path) -> None:
    html = page_of_asv(tmp_path)
    before = (html / "index.html").read_text()

    def offline(wanted: Vendored, cache: Path) -> bytes:
        raise UnavailableError(f"npm cannot fetch {wanted.package!r}")

    assert "needs the network to be read: npm cannot fetch 'jquery@3.3.1'" in self_contained(html, tmp_path, offline)
    assert (html / "index.html").read_text() == before


def test_a_file_with_the_wrong_hash_is_refused(tmp_path: Path) -> None:
    said = self_contained(page_of_asv(tmp_path), tmp_path, lambda wanted, cache: b"alert('mine')")

    assert "is not the file it should be" in said
    assert not (tmp_path / "html/vendor").exists()


def test_without_npm_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(UnavailableError, match="npm is not installed"):
        packed(Vendored("jquery@3.3.1", "dist/jquery.min.js"), tmp_path)


def page_of_asv(folder: Path) -> Path:
    return Path(shutil.copytree(Path(asv.__file__).parent / "www", folder / "html"))


def opened(address: str) -> str:
    """What a browser shows once its scripts have run."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
    command = [chromium, *flags, "--virtual-time-budget=10000", "--dump-dom", address]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
