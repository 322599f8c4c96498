"""Where strategies come from, and what is said of plugins that cannot be used."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from feedrate.errors import PluginError, UsageError
from feedrate.plugin.cell import Cell
from feedrate.plugin.registry import Registry

LOADER = """
from dataclasses import dataclass

from feedrate import Loader, hookimpl, knob


@dataclass(frozen=True)
class {cls}(Loader):
    \"\"\"Serve nothing.\"\"\"

    name = "{name}"
    depth: int = knob(2, 4)

    def stream(self, plan):
        yield from ()


@hookimpl
def loaders():
    return ({offered},)
"""


def loader_file(folder: Path, name: str, offered: str = "Nought") -> Path:
    path = folder / f"{name}_plugin.py"
    path.write_text(LOADER.format(cls="Nought", name=name, offered=offered))
    return path


@pytest.fixture(autouse=True)
def imports_forgotten() -> Iterator[None]:
    """A single file is imported under its own name: the next test's file may have the same one."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.endswith("_plugin"):
            del sys.modules[name]


def installed(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str) -> None:
    """Make `module` an installed plugin, as a distribution's metadata does."""
    info = folder / f"{name}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[feedrate]\n{name} = {module}\n")
    monkeypatch.syspath_prepend(str(folder))


def test_what_ships_comes_through_the_same_hooks(registry: Registry) -> None:
    assert registry.broken == ()
    own = {registry.origins[key] for key in ("loader/inline", "step/fp32", "workload/fxseq", "workload/known")}
    assert own == {"builtin", "calibration"}
    assert len(registry.origins) == len(registry.loaders) + len(registry.steps) + len(registry.workloads)
    assert registry.origins["loader/inline"] == "builtin"


def test_what_only_calibrates_is_hidden(registry: Registry) -> None:
    mine = {key.partition("/")[2] for key, origin in registry.origins.items() if origin == "calibration"}
    every = (*registry.loaders.values(), *registry.steps.values(), *registry.workloads.values())
    assert {one.name for one in every if one.hidden} == {*mine, "resident"}


def test_every_strategy_is_listed_by_its_own_name_at_its_defaults(registry: Registry) -> None:
    for known in (registry.loaders, registry.steps, registry.workloads):
        assert [str(strategy) for strategy in known.values()] == list(known)


def test_a_spec_is_a_strategy_with_its_knobs_turned(registry: Registry) -> None:
    assert str(registry.loader("workers[count=2]")) == "workers[count=2]"
    assert str(registry.step("fp32")) == "fp32"
    assert str(registry.workload("boardmoves[net=resnet]")) == "boardmoves[net=resnet]"


def test_an_unknown_name_is_refused_with_near_matches(registry: Registry) -> None:
    with pytest.raises(UsageError, match=r"^no loader 'wokers'; did you mean workers or ring_workers\?$"):
        registry.loader("wokers")


def test_a_single_file_offers_a_loader(tmp_path: Path) -> None:
    path = loader_file(tmp_path, "nought")
    registry = Registry.load([path])
    assert str(registry.loader("nought[depth=4]")) == "nought[depth=4]"
    assert registry.origins["loader/nought"] == str(path)


def test_an_installed_plugin_offers_a_loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loader_file(tmp_path, "nought")
    installed(tmp_path, monkeypatch, "stranger", "nought_plugin")
    assert Registry.load().origins["loader/nought"] == "stranger"


def test_an_installed_plugin_that_cannot_be_imported_is_named_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path, monkeypatch, "stranger", "missing_plugin")
    registry = Registry.load()
    assert registry.broken == (
        "plugin 'stranger' cannot be imported (ModuleNotFoundError: No module named 'missing_plugin');"
        " reinstall or remove it",
    )
    assert "inline" in registry.loaders


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="no such file"):
        Registry.load([tmp_path / "gone_plugin.py"])


def test_a_file_that_cannot_be_imported_is_refused_with_its_error(tmp_path: Path) -> None:
    path = tmp_path / "torn_plugin.py"
    path.write_text("import feedrate\nfeedrate.Laoder\n")
    with pytest.raises(PluginError, match=r"torn_plugin\.py: AttributeError: module 'feedrate' has no .* 'Laoder'"):
        Registry.load([path])


def test_two_plugins_with_one_name_are_refused(tmp_path: Path) -> None:
    path = loader_file(tmp_path, "inline")
    with pytest.raises(PluginError, match=r"both offer a loader 'inline'; rename one"):
        Registry.load([path])


def test_a_plugin_that_offers_something_else_is_refused_by_name(tmp_path: Path) -> None:
    path = loader_file(tmp_path, "odd", offered="dict")
    with pytest.raises(PluginError, match=r"its loaders\(\) offers \{\}, which is not a Loader"):
        Registry.load([path])


def test_a_cell_is_its_own_key(registry: Registry) -> None:
    key = "boardmoves[net=resnet]/tiny/workers[count=2]/bf16/cpu"
    assert str(Cell.parse(key, registry)) == key


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("boardmoves/tiny/inline/fp32", "a cell reads workload/size/loader/step/device"),
        ("boardmoves/tiny/inline/fp32/abacus", "no device 'abacus'; there are: cpu, cuda, simulated"),
        ("boardmoves/tyni/inline/fp32/cpu", r"no size 'tyni'; did you mean tiny\?"),
        ("inline/tiny/inline/fp32/cpu", r"no workload 'inline', which is a loader; there are: boardmoves, "),
        ("boardmoves/tiny/fp32/inline/cpu", r"no loader 'fp32', which is a step; "),
        ("boredmoves/tiny/inline/fp32/cpu", r"no workload 'boredmoves'; did you mean boardmoves\?"),
    ],
)
def test_what_is_no_cell_is_refused(key: str, text: str, registry: Registry) -> None:
    with pytest.raises(UsageError, match=text):
        Cell.parse(key, registry)


def test_a_plugin_whose_answer_fails_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    path = tmp_path / "abstract_plugin.py"
    path.write_text(LOADER.format(cls="Nought", name="abstract", offered="Loader"))
    found = Registry.load([path])
    assert "inline" in found.loaders
    (line,) = found.broken
    assert str(path) in line
    assert "its loaders() fails (TypeError" in line


def test_a_misspelt_hook_is_named_and_the_rest_of_its_plugin_goes_on(tmp_path: Path) -> None:
    file = loader_file(tmp_path, "nought")
    file.write_text(file.read_text() + "\n\n@hookimpl\ndef step():\n    return ()\n")

    found = Registry.load([file])

    assert "nought" in found.loaders
    assert found.broken == (f"plugin {str(file)!r}: there is no hook 'step'; there are: loaders, steps, workloads",)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        *(("5", "5"), ("None", "None"), ("''", "''"), ("'../../x'", "'../../x'"), ("'<script>'", "'<script>'")),
        *(("'a b'", "'a b'"), ("'caf\\u00e9'", "'caf\u00e9'"), ("'a\\n'", r"'a\n'"), ("'[red]'", "'[red]'")),
        ("'x' * 300", "'xxxxxxxxxxxx...xxxxxxxxxxxxx'"),
    ],
)
@pytest.mark.parametrize("kind", ["loader", "step", "workload"])
def test_a_name_that_cannot_stand_in_a_cell_is_one_line_that_names_the_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str, shown: str
) -> None:
    rule = "it must be 1 to 64 of A-Z a-z 0-9 _ . -"
    line = f"its {kind}s() offers a {kind} that cannot be named: Odd has the name {shown}; {rule}"
    (tmp_path / "odd_plugin.py").write_text(ODD[kind].format(name=name))

    with pytest.raises(PluginError) as refused:
        Registry.load([tmp_path / "odd_plugin.py"])
    installed(tmp_path, monkeypatch, "stranger", "odd_plugin")
    found = Registry.load()

    assert str(refused.value) == f"plugin {str(tmp_path / 'odd_plugin.py')!r}: {line}"
    assert found.broken == (f"plugin 'stranger': {line}",)
    assert {"inline"} < set(found.loaders)


ODD = {
    "loader": """
from dataclasses import dataclass
from feedrate import hookimpl, knob
from feedrate.builtin.loaders.inline import Inline

@dataclass(frozen=True)
class Odd(Inline):
    name = {name}
    codec: str = knob("fast", "slow")

@hookimpl
def loaders():
    return (Odd,)
""",
    "step": """
from dataclasses import dataclass
from feedrate import hookimpl
from feedrate.builtin.steps.fp32 import Fp32

@dataclass(frozen=True)
class Odd(Fp32):
    name = {name}

@hookimpl
def steps():
    return (Odd,)
""",
    "workload": """
from dataclasses import dataclass
from feedrate import hookimpl
from feedrate.builtin.workloads.fxseq import FxSeq

@dataclass(frozen=True)
class Odd(FxSeq):
    name = {name}

@hookimpl
def workloads():
    return (Odd(),)
""",
}
"""A strategy of each kind whose name is to be filled in."""


@pytest.mark.parametrize("word", ["a/b", "a[b", "a,b", "a=b", "", "a b"])
def test_a_word_that_would_break_a_cells_name_is_refused_where_it_is_offered(tmp_path: Path, word: str) -> None:
    path = tmp_path / "odd_plugin.py"
    path.write_text(ODD["loader"].format(name="'odd'").replace('"slow"', repr(word)))

    with pytest.raises(PluginError) as refused:
        Registry.load([path])

    assert str(refused.value).endswith(f"odd has codec={word!r}; it must be 1 to 64 of A-Z a-z 0-9 _ . -")


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("raise RuntimeError('two\\nlines')", "RuntimeError: two lines"),
        ("raise BaseException('odd')", "BaseException: odd"),
        ("raise OSError('x' * 1000)", f"OSError: {'x' * 291} ..."),
        (
            "class Mute(Exception):\n    def __str__(self):\n        raise ValueError\nraise Mute",
            "Mute: no message",
        ),
    ],
)
def test_whatever_an_installed_plugin_does_when_imported_is_one_line_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, line: str
) -> None:
    (tmp_path / "rash_plugin.py").write_text(source)
    installed(tmp_path, monkeypatch, "stranger", "rash_plugin")

    found = Registry.load()

    assert found.broken == (f"plugin 'stranger' cannot be imported ({line}); reinstall or remove it",)
    assert "inline" in found.loaders


def test_an_installed_plugin_with_a_name_that_is_taken_is_named_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader_file(tmp_path, "inline")
    installed(tmp_path, monkeypatch, "stranger", "inline_plugin")

    found = Registry.load()

    assert found.origins["loader/inline"] == "builtin"
    assert found.broken == ("plugins 'builtin' and 'stranger' both offer a loader 'inline'; rename one",)


def test_a_file_that_is_named_twice_is_one_plugin(tmp_path: Path) -> None:
    path = loader_file(tmp_path, "nought")

    found = Registry.load([path, tmp_path / "." / path.name, path.parent / ".." / tmp_path.name / path.name])

    assert found.origins["loader/nought"] == str(path)


def test_a_hook_with_other_arguments_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "argued_plugin.py"
    path.write_text("from feedrate import hookimpl\n\n@hookimpl\ndef loaders(mine):\n    return ()\n")

    with pytest.raises(PluginError, match=r"argued_plugin\.py: PluginValidationError: .*'mine'") as refused:
        Registry.load([path])

    assert "\n" not in str(refused.value)
