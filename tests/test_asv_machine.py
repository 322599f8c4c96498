from __future__ import annotations

import json
import subprocess
from importlib.metadata import PathDistribution, version
from pathlib import Path

import pytest

from feedrate.asv.config import unknown_keys
from feedrate.asv.machine import write
from feedrate.asv.overlay import lay
from feedrate.asv.wheels import Package, Shelf, packages

ROOT = Path(__file__).parents[1]


def test_asv_is_the_one_whose_undocumented_behaviour_is_tested() -> None:
    assert (version("asv"), version("asv_runner")) == ("0.6.6", "0.3.2")


def test_the_machine_file_holds_the_gpu_and_no_version_of_anything(tmp_path: Path) -> None:
    name = write(file=tmp_path / "machines.json")
    found = json.loads((tmp_path / "machines.json").read_text())[name]

    assert set(found) == {"machine", "os", "num_cpu", "arch", "cpu", "ram", "gpu"}


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
    shelf = Shelf(tmp_path / "shelf", build)
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
        Shelf(tmp_path / "shelf", fail).wheel(Package(tmp_path, "."))
    assert list((tmp_path / "shelf").iterdir()) == []


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
