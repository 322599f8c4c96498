from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import PathDistribution, version
from pathlib import Path

import pytest

from feedrate.asv.config import unknown_keys
from feedrate.asv.machine import write
from feedrate.asv.matrix import Matrix, Names
from feedrate.cli import main
from feedrate.errors import DataError
from feedrate.revisions.overlay import lay
from feedrate.revisions.wheels import Package, WheelCache, packages
from tests.support import ROOT


def test_asv_is_the_one_whose_undocumented_behaviour_is_tested() -> None:
    assert (version("asv"), version("asv_runner")) == ("0.6.6", "0.3.2")


def test_the_machine_file_holds_the_gpu_and_no_version_of_anything(tmp_path: Path) -> None:
    name = write(file=tmp_path / "machines.json")
    found = json.loads((tmp_path / "machines.json").read_text())[name]

    assert set(found) == {"machine", "os", "num_cpu", "arch", "cpu", "ram", "gpu"}


@pytest.mark.parametrize("name", ["", "../up", "a/b", "-x", ".", "<script>", "a b", "\x1b[31m", "\u202egpu", "x" * 300])
def test_a_name_that_is_no_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    status = main(["machine", f"--name={name}", "--file", str(tmp_path / "machines.json")])
    told = capsys.readouterr()

    assert (status, told.out, told.err.count("\n"), list(tmp_path.iterdir())) == (2, "", 1, [])
    assert "names no folder of results; use letters" in told.err
    assert told.err.strip().isprintable()


@pytest.mark.parametrize("text", ["", "[]", '{"version": 9}', '{"version": "1"}', '{"box"', "[" * 100_000])
def test_a_file_that_is_not_asvs_is_named_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    file = tmp_path / "machines.json"
    file.write_text(text)
    status = main(["machine", "--file", str(file)])
    told = capsys.readouterr()

    assert (status, told.out, told.err.count("\n"), file.read_text()) == (2, "", 1, text)
    assert "is no machine file of asv: mend it, or move it away" in told.err


def test_a_machine_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(DataError, match="cannot be written"):
        write(file=tmp_path / "file" / "machines.json")


@pytest.mark.parametrize("arguments", [("bench",), ("machine",)])
def test_without_asv_it_is_named_with_what_provides_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    _checkout(tmp_path)
    monkeypatch.chdir(tmp_path)
    # What find_spec answers for a package that is not installed.
    monkeypatch.setitem(sys.modules, "asv", None)
    status = main(arguments)
    told = capsys.readouterr()

    assert (status, told.out) == (2, "")
    assert told.err == "feedrate: asv is not installed; `pip install feedrate[asv]` provides it\n"


@pytest.mark.parametrize(
    ("lacks", "said"),
    [
        ("checkout", "run it at the root of a git checkout of feedrate"),
        ("commit", "git finds no commit here"),
        ("git", "git is not installed"),
    ],
)
def test_bench_without_what_it_stands_on_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], lacks: str, said: str
) -> None:
    if lacks != "checkout":
        _checkout(tmp_path)
    if lacks == "commit":
        (tmp_path / ".git/HEAD").write_text("ref: refs/heads/other\n")
    monkeypatch.chdir(tmp_path)
    if lacks == "git":
        monkeypatch.setenv("PATH", "")
    before = sorted(tmp_path.rglob("*"))
    status = main(["bench"])
    told = capsys.readouterr()

    assert (status, told.out, told.err.count("\n"), sorted(tmp_path.rglob("*"))) == (2, "", 1, before)
    assert said in told.err


def test_a_matrix_of_which_nothing_can_run_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _checkout(tmp_path)
    monkeypatch.chdir(tmp_path)
    status = main(["bench"])

    assert (status, "none can run here; see `feedrate list`" in capsys.readouterr().err) == (2, True)


def test_no_key_of_our_asv_configuration_is_unknown() -> None:
    assert unknown_keys(ROOT / "asv.conf.json") == ()


def test_a_misspelt_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "asv.conf.json").write_text(
        '{"version": 1, "repo": ".", "enviroment_type": "feedrate"} // typed in haste'
    )

    assert unknown_keys(tmp_path / "asv.conf.json") == ("enviroment_type",)


def test_the_overlay_shows_the_host_without_what_the_checkout_builds(tmp_path: Path) -> None:
    host, checkout = tmp_path / "site-packages", tmp_path / "checkout"
    (checkout / "plugins/fast").mkdir(parents=True)
    (checkout / "plugins/fast/pyproject.toml").write_text('[project]\nname = "Fast_Read"\n')
    _install(host, "torch", "")
    _install(host, "feedrate", "")
    for name in ("fast_read", "stranger", "removed", "moving"):
        _install(host, name, f"[feedrate]\n{name} = {name}\n")
    _note(host / "removed-1.dist-info", checkout / "plugins/removed")
    _note(host / "moving-1.dist-info", tmp_path / "elsewhere", editable=True)
    (host / "feedrate.pth").write_text("/somewhere/src\n")
    (line,) = lay((host,), tmp_path / "host", checkout)

    shown = {"torch", "torch-1.dist-info", "stranger", "stranger-1.dist-info"}
    assert {entry.name for entry in (tmp_path / "host").iterdir()} == shown
    assert line.startswith("plugin 'moving' is an editable install")


@pytest.mark.parametrize("noted", ["[]", "{", '{"url": 3}', '{"url": "file:///nowhere", "dir_info": "x"}'])
def test_a_note_that_pip_did_not_write_hides_nothing(tmp_path: Path, noted: str) -> None:
    _install(tmp_path / "site-packages", "stranger", "[feedrate]\nstranger = stranger\n")
    (tmp_path / "site-packages/stranger-1.dist-info/direct_url.json").write_text(noted)

    assert lay((tmp_path / "site-packages",), tmp_path / "host", tmp_path / "checkout") == ()
    assert (tmp_path / "host/stranger").exists()


def test_a_wheel_is_built_once_per_tree(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    built: list[str] = []

    def build(source: Path, target: Path) -> None:
        built.append(source.name)
        (target / "a-1-py3-none-any.whl").write_text("")

    for name in ("pyproject.toml", "src/feedrate/core.py", "plugins/fastread/pyproject.toml"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("")
    shelf = WheelCache(tmp_path / "shelf", build)
    for change in ("first", "notes"):
        (checkout / "notes").write_text(change)
        _commit(checkout)
        wheels = [shelf.wheel(package) for package in packages(checkout)]

    assert [package.name for package in packages(checkout)] == ["feedrate", "fastread"]
    assert (built, all(wheel.is_file() for wheel in wheels)) == (["checkout", "fastread"], True)


def test_a_build_that_fails_leaves_no_wheel(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    _commit(tmp_path)

    def fail(source: Path, target: Path) -> None:
        raise OSError(f"no compiler for {source}")

    with pytest.raises(OSError, match="no compiler"):
        WheelCache(tmp_path / "shelf", fail).wheel(Package(tmp_path, "."))
    assert list((tmp_path / "shelf").iterdir()) == []


def _checkout(folder: Path) -> None:
    """What `feedrate bench` asks of the folder it runs in, with nothing to measure."""
    Matrix(Names(), ()).save(folder / "benchmarks/matrix.json")
    for name in ("asv.conf.json", "pyproject.toml"):
        (folder / name).write_text("")
    _commit(folder)


def _install(host: Path, name: str, entry_points: str) -> None:
    (host / name).mkdir(parents=True)
    (host / name / "__init__.py").write_text("")
    info = host / f"{name}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(entry_points)
    (info / "RECORD").write_text(f"{name}/__init__.py,,\n{info.name}/METADATA,,\n")
    assert PathDistribution(info).name == name


def _note(info: Path, source: Path, *, editable: bool = False) -> None:
    """What pip notes of a distribution that it installed from a folder."""
    noted = {"url": source.as_uri(), "dir_info": {"editable": True} if editable else {}}
    (info / "direct_url.json").write_text(json.dumps(noted))


def _commit(folder: Path) -> None:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    for command in (("init", "--quiet"), ("add", "--all"), (*identity, "commit", "--quiet", "--message", "change")):
        subprocess.run(["git", *command], cwd=folder, check=True, timeout=60)
