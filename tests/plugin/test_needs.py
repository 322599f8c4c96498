"""What a package must be for a need of it to be met, and that one which fails as it is imported harms nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import invalidate_caches
from pathlib import Path

import pytest

from feedrate import Need, Strategy, package
from feedrate.plugin.needs import lacking
from feedrate.system.trial_import import import_fault


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path of modules, and nothing known of imports that were tried."""
    monkeypatch.syspath_prepend(str(tmp_path))
    # Set and then removed, so that what a test leaves there goes with it.
    monkeypatch.setenv("FEEDRATE_TRIED_IMPORTS", "")
    return tmp_path


def written(folder: Path, source: str, version: str = "", name: str = "widget") -> None:
    """A package whose file is `source`, and whose distribution says that version."""
    (folder / "widget").mkdir()
    (folder / "widget/__init__.py").write_text(source)
    if version:
        info = folder / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "top_level.txt").write_text("widget\n")
    invalidate_caches()


def reason(need: Need) -> str:
    unmet = lacking(need)
    return "" if unmet is None else unmet.reason


def test_what_is_not_tried_is_not_imported(folder: Path) -> None:
    written(folder, "raise OSError('imported')", "1.3")

    assert reason(package("widget")) == ""
    assert reason(package("widget", version=">=1.2,<2")) == ""
    assert "widget" not in sys.modules


@pytest.mark.parametrize("version", ["1.10", "1.2.1", "1.2", "2.0rc1", "1.2+cu121"])
def test_versions_are_compared_as_versions(folder: Path, version: str) -> None:
    written(folder, "", version)

    assert reason(package("widget", version=">=1.2")) == ""


def test_a_package_that_is_too_old_is_an_unmet_need_that_says_its_version(folder: Path) -> None:
    written(folder, "", "1.1.9")

    assert reason(package("widget", version=">=1.2")) == (
        "needs the package 'widget' >=1.2: version 1.1.9 is here; `pip install 'widget>=1.2'` provides it"
    )


def test_the_version_is_that_of_the_distribution_which_holds_the_module(folder: Path) -> None:
    written(folder, "", "3.1", name="acme_widgets")

    assert reason(package("widget", version=">=3")) == ""
    assert "version 3.1 is here; `pip install 'acme-widgets>=4'`" in reason(
        package("widget", "acme-widgets", version=">=4")
    )
    assert "version 3.1 is here; `pip install 'acme[gpu]>=4'`" in reason(
        package("widget", "'acme[gpu]'", version=">=4")
    )


def test_a_package_that_nobody_knows_the_version_of_is_an_unmet_need(folder: Path) -> None:
    written(folder, "__version__ = '7'")

    assert "it is here, and nothing says in which version; " in reason(package("widget", version=">=1"))


def test_a_version_that_is_none_is_refused_where_the_need_is_declared() -> None:
    with pytest.raises(ValueError, match="1\\.2"):
        package("widget", version="1.2 or newer")


def test_the_hint_may_be_any_command() -> None:
    assert reason(package("widget", command="conda install -c acme widget")) == (
        "needs the package 'widget': `conda install -c acme widget` provides it"
    )
    assert reason(Need("luck", lambda: False, "try again")) == "needs luck: try again"


FAILING = {
    "raises": ("raise ImportError('libwidget.so.3: cannot open shared object file')", "ImportError: libwidget.so.3"),
    "aborts": (
        "import os, sys\nprint('no such instruction', file=sys.stderr, flush=True)\nos.abort()",
        "no such instruction; its process was ended by SIGABRT",
    ),
    "aborts silently": ("import os\nos.abort()", "(its process was ended by SIGABRT)"),
    "exits": ("import sys\nsys.exit(0)", "(its process ended with status 0)"),
    "speaks in lines": ("raise RuntimeError('first\\n\\nand   last\\n\\n')", "(and last)"),
}


@pytest.mark.process
@pytest.mark.parametrize("source", FAILING)
def test_a_package_that_cannot_be_imported_is_an_unmet_need_with_its_last_line(
    folder: Path, capfd: pytest.CaptureFixture[str], source: str
) -> None:
    code, line = FAILING[source]
    written(folder, code)

    told = reason(package("widget", is_tried=True))

    assert told.startswith("needs the package 'widget': it is here, and importing it fails (")
    assert told.endswith("; `pip install widget` provides it")
    assert line in told
    assert "\n" not in told
    assert capfd.readouterr() == ("", "")


@pytest.mark.process
def test_what_a_package_prints_as_it_is_imported_is_not_heard(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    written(folder, "import sys\nprint('hello')\nprint('hello', file=sys.stderr)", "1.2")

    assert reason(package("widget", version=">=1.2", is_tried=True)) == ""
    assert capfd.readouterr() == ("", "")
    assert "widget" not in sys.modules


@pytest.mark.process
def test_a_package_of_many_is_tried_without_importing_what_is_above_it(folder: Path) -> None:
    written(folder, "import os\nos.abort()")
    (folder / "widget/inner.py").write_text("")

    assert "was ended by SIGABRT" in reason(package("widget.inner", is_tried=True))
    assert "No module named 'json.inner'" in reason(package("json.inner", is_tried=True))


@pytest.mark.process
def test_an_import_is_tried_once_by_a_process_and_all_that_it_starts(folder: Path) -> None:
    tried = folder / "tried"
    written(folder, f"open({str(tried)!r}, 'a').write('once ')\nraise ValueError('no luck')")

    class Needy(Strategy):
        name = "needy"
        needs = (package("widget", is_tried=True),)

    faults = {need.reason for _ in range(3) for need in Needy.unmet_needs()}
    code = "import sys; from feedrate.system.trial_import import import_fault as f; print(f('widget', sys.path))"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)

    assert len(faults) == 1
    assert import_fault("widget", sys.path) == child.stdout.strip() == "ValueError: no luck"
    assert tried.read_text() == "once "
