"""The published site: what it says of our numbers, in a real browser, through plain commands and without a network."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from feedrate.asv.site import excused, needs_network, stand_alone
from feedrate.asv.site_assets import FILES, fetched
from feedrate.asv.texts import SINKS, shown_as_text
from feedrate.errors import DataError, UnavailableError
from tests.support.asv_project import Project
from tests.support.browser import opened

asv = pytest.importorskip("asv", reason="the site is asv's, which is not installed; `pip install feedrate[asv]`")
pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]

WATCHED = ("--bench", "track_time_per_sample")
HOSTILE = "<img src=x onerror=\"document.title='mine'\">\u202e\x1b[31m'&\""
"""What a description of a machine, a tag or a title may hold."""
AS_TEXT = HOSTILE.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make wheels` puts into wheels/site."""
    folder = tmp_path_factory.mktemp("packages")
    try:
        # As `make wheels` names its folder.
        fetched(Path(os.path.relpath(folder)))
    except UnavailableError as error:
        pytest.skip(f"the files of asv's page cannot be fetched: {error}")
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two commits, the newer with one loader more; the older was measured before that one existed."""
    project = Project.make(tmp_path_factory.mktemp("site"))
    machines = project.home / ".asv-machine.json"
    found = json.loads(machines.read_text())
    found["box-gpu"] |= {"cpu": HOSTILE}
    machines.write_text(json.dumps(found))
    project.commit({"inline": 1e-5}, ["inline"])
    project.run("HEAD^!", *WATCHED)
    project.commit({"inline": 2e-5, "late": 3e-5}, ["inline", "late"])
    project.git("tag", "<b>tag</b>")
    project.run("HEAD^!", *WATCHED)
    return project


@pytest.fixture(scope="module")
def closed(project: Project) -> dict[str, str]:
    """Variables of a machine without npm, and so without a way to the files."""
    programs = project.home / "bin"
    programs.mkdir()
    (programs / "git").symlink_to(str(shutil.which("git")))
    return {"PATH": str(programs), "XDG_CACHE_HOME": str(project.home / "cache")}


@pytest.fixture(scope="module")
def without_files(project: Project, closed: dict[str, str]) -> str:
    """What `asv publish` prints where the files are not to be had."""
    return project.asv("publish", **closed)


@pytest.fixture(scope="module")
def html(project: Project, closed: dict[str, str], without_files: str, packages: Path) -> Path:
    """The site published without a network, where the files were carried."""
    del without_files
    shutil.copytree(packages, project.folder / "wheels/site")
    retitle(project.folder / "results/benchmarks.json")
    printed = project.asv("publish", **closed)
    assert "is self-contained: 10 files" in printed
    return project.folder / ".asv/html"


def retitle(file: Path) -> None:
    """Give a benchmark a title that no matrix lets through; a file of results may have it all the same."""
    found = json.loads(file.read_text())
    found["feed.toy.track_first_batch"] = found["feed.toy.track_time_per_sample"] | {
        "name": "feed.toy.track_first_batch", "pretty_name": HOSTILE
    }  # fmt: skip
    file.write_text(json.dumps(found))


@pytest.fixture(scope="module")
def address(project: Project, html: Path) -> Iterator[str]:
    """The site as `asv preview` serves it."""
    del html
    command = [sys.executable, "-u", "-m", "asv", "preview"]
    with subprocess.Popen(
        command, cwd=project.folder, env={**os.environ, "PYTHONPATH": str(Path("src").resolve())},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as server:  # fmt: skip
        assert server.stdout is not None
        found = next(filter(None, (re.search(r"http://\S+(?=/)", line) for line in server.stdout)))
        yield found[0]
        server.terminate()


def test_where_the_files_cannot_be_had_publish_says_so_in_one_line(without_files: str) -> None:
    (line,) = (line for line in without_files.splitlines() if "needs the network to be read" in line)

    assert all(part in line for part in ("'wheels/site'", "npm is not installed", "`make wheels`"))
    assert "Traceback" not in without_files


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


def test_the_browser_shows_titles_and_tags_as_text(address: str) -> None:
    grid, graph = opened(f"{address}/#/"), opened(f"{address}/#feed.toy.track_time_per_sample")

    assert f">{AS_TEXT}</div>" in grid
    assert f">{AS_TEXT}<" in graph
    assert ">&lt;b&gt;tag&lt;/b&gt;</div>" in graph


@pytest.mark.parametrize("view", ["summarylist", "feed.toy.track_time_per_sample"])
def test_the_browser_shows_descriptions_as_text(address: str, html: Path, view: str) -> None:
    show = "() => { $('[role=button]').tooltip('show'); $.asv.ui.make_panel($('body'), '<b>heading</b>') }"
    page = (html / "index.html").read_text()
    (html / "hover.html").write_text(page.replace("</body>", f"<script>setTimeout({show}, 5000)</script></body>"))
    shown = opened(f"{address}/hover.html#{'/' if view == 'summarylist' else ''}{view}")

    assert f"cpu: {AS_TEXT}<br>" in shown
    assert ">&lt;b&gt;heading&lt;/b&gt;</div>" in shown
    assert "<title>mine" not in shown


def test_without_a_network_the_browser_says_what_is_missing(project: Project, without_files: str) -> None:
    del without_files
    folder = page_of_asv(project.home / "page")
    excused(folder, "no <network>")
    shown = opened(f"file://{folder}/index.html")

    assert "swallow" not in shown
    assert "index.html needs the network to be read: no &lt;network&gt;" in shown


def test_every_file_of_asvs_own_page_has_a_local_copy(packages: Path, tmp_path: Path) -> None:
    pages = page_of_asv(tmp_path)
    assert needs_network(pages)

    assert "10 files" in stand_alone(pages, [packages], no_fetch)
    assert not needs_network(pages)
    assert "https://c" not in (pages / "index.html").read_text().partition("<body>")[0]


def test_a_torn_package_is_fetched_again(packages: Path, tmp_path: Path) -> None:
    cache = Path(shutil.copytree(packages, tmp_path / "cache"))
    for archive in cache.iterdir():
        archive.write_bytes(archive.read_bytes()[:1000])

    def fetch(folder: Path) -> None:
        shutil.copytree(packages, folder, dirs_exist_ok=True)

    assert "is self-contained" in stand_alone(page_of_asv(tmp_path), [tmp_path / "nowhere", cache], fetch)


def test_a_page_whose_files_cannot_be_had_stays_as_it_was(tmp_path: Path) -> None:
    pages = page_of_asv(tmp_path)
    before = (pages / "index.html").read_text()

    with pytest.raises(UnavailableError, match="and npm cannot fetch them; `make wheels`"):
        stand_alone(pages, [tmp_path], no_fetch)
    assert (pages / "index.html").read_text() == before


def test_a_file_with_the_wrong_hash_is_refused(packages: Path, tmp_path: Path) -> None:
    other = packages / FILES["md5.min.js"].archive

    def fetch(folder: Path) -> None:
        for wanted in FILES.values():
            shutil.copy(other, folder / wanted.archive)

    with pytest.raises(DataError, match="is not the file it should be"):
        stand_alone(page_of_asv(tmp_path), [tmp_path], fetch)
    assert not (tmp_path / "html/vendor").exists()


def test_without_npm_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(UnavailableError, match="npm is not installed"):
        fetched(tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "npm").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(UnavailableError, match="cannot keep them"):
        fetched(tmp_path / "file" / "site")


def test_a_script_that_is_not_the_pinned_asvs_is_refused(tmp_path: Path) -> None:
    pages = page_of_asv(tmp_path)
    (pages / SINKS[0][0]).write_text("")

    with pytest.raises(DataError, match="another way than the asv that is pinned"):
        shown_as_text(pages)


def no_fetch(folder: Path) -> None:
    raise UnavailableError("npm cannot fetch them")


def page_of_asv(folder: Path) -> Path:
    return Path(shutil.copytree(Path(asv.__file__).parent / "www", folder / "html"))
