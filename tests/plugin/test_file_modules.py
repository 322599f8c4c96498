"""A plugin file may bear the name of a library: both are there, in this process and in those that it starts."""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module, invalidate_caches
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from feedrate.errors import PluginError
from feedrate.plugin.registry import Registry
from feedrate.runner.forkserver import FORK_SERVER
from tests.support.commands import feedrate

LIBRARY = '''
"""A library that halves."""


def halved(value):
    return value / 2
'''
PLUGIN = '''
"""Has the name of the library that it is made of."""

from dataclasses import dataclass

from helping_widget import COUNT

from feedrate import DatasetWorkload, hookimpl, package
from feedrate.builtin.loaders.inline import Inline


class HalfNumbers:
    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        import torch
        import widget

        return {"x": torch.full((6,), widget.halved(index % 7)), "y": torch.tensor(float(index % 5))}


@dataclass(frozen=True)
class Halves(DatasetWorkload):
    """Guess the rest of numbers from their halves."""

    name = "halves"
    needs = (package("widget"),)

    def dataset(self, size, folder):
        return HalfNumbers()

    def model(self, size):
        from helping_widget_model import Guess

        return Guess()

    def loss(self, outputs, tensors):
        return ((outputs - tensors["y"]) ** 2).mean()

    def optimizer(self, parameters):
        from torch.optim import SGD

        return SGD(parameters, lr=0.01)


@dataclass(frozen=True)
class Widgets(Inline):
    """Halve something first."""

    name = "widgets"
    needs = (package("widget"),)

    def stream(self, plan):
        import widget

        assert widget.halved(4) == 2
        yield from super().stream(plan)


@hookimpl
def loaders():
    return (Widgets,)


@hookimpl
def workloads():
    return (Halves(),)
'''
MODEL = """
from torch import nn


class Guess(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(6, 1)

    def forward(self, tensors):
        return self.inner(tensors["x"]).squeeze(1)
"""
OFFERS_NOTHING = "from feedrate import hookimpl\n\n\n@hookimpl\ndef loaders():\n    return ()\n"


@pytest.fixture(autouse=True)
def imports_forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    modules, finders = set(sys.modules), set(sys.path_importer_cache)
    yield
    for name in set(sys.modules) - modules:
        if "widget" in name or name.startswith("feedrate.plugin.file_modules."):
            del sys.modules[name]
    for entry in set(sys.path_importer_cache) - finders:
        del sys.path_importer_cache[entry]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """The folder that a library lies in."""
    (tmp_path / "library/widget").mkdir(parents=True)
    (tmp_path / "library/widget/__init__.py").write_text(LIBRARY)
    return tmp_path / "library"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A plugin of its name, with a module that helps it."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "helping_widget.py").write_text("COUNT = 203\n")
    (folder / "helping_widget_model.py").write_text(MODEL)
    (folder / "widget.py").write_text(PLUGIN)
    return folder / "widget.py"


def unmet(registry: Registry) -> list[str]:
    return [need.reason for need in registry.loader("widgets").unmet_needs()]


def test_the_library_is_imported_by_its_name_and_the_plugin_by_another(file: Path, library: Path) -> None:
    sys.path.insert(0, str(library))

    registry = Registry.load([file])

    assert import_module("widget").halved(3) == 1.5
    assert unmet(registry) == []
    assert type(registry.loader("widgets")).__module__.startswith("feedrate.plugin.file_modules.widget_")
    assert import_module("helping_widget").COUNT == 203


def test_a_folder_that_is_on_the_path_already_shadows_no_library(file: Path, library: Path) -> None:
    sys.path[:0] = [str(file.parent), str(library)]

    Registry.load([file])

    assert import_module("widget").halved(3) == 1.5


def test_where_the_library_is_absent_the_plugin_does_not_pass_for_it(file: Path) -> None:
    registry = Registry.load([file])

    assert unmet(registry) == ["needs the package 'widget': `pip install widget` provides it"]
    assert find_spec("widget") is None
    with pytest.raises(ModuleNotFoundError, match="No module named 'widget'"):
        import_module("widget")
    assert find_spec("helping_widget") is not None


def test_a_library_that_is_not_found_on_the_path_is_not_shadowed_either(file: Path, library: Path) -> None:
    class Editable(MetaPathFinder):
        """As an editable install has one."""

        def find_spec(
            self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
        ) -> ModuleSpec | None:
            if fullname != "widget":
                return None
            return spec_from_file_location("widget", library / "widget/__init__.py")

    sys.meta_path.append(Editable())

    assert unmet(Registry.load([file])) == []
    assert import_module("widget").halved(3) == 1.5


def test_a_class_of_such_a_file_is_pickled(file: Path, library: Path) -> None:
    sys.path.insert(0, str(library))
    loader = Registry.load([file]).loader("widgets")

    assert pickle.loads(pickle.dumps(loader)) == loader


def test_another_plugin_of_its_folder_leaves_the_library_alone(file: Path, library: Path) -> None:
    sys.path.insert(0, str(library))
    (file.parent / "other_widget.py").write_text(f"import widget\n\nwidget.halved(2)\n{OFFERS_NOTHING}")

    Registry.load([file.parent / "other_widget.py"])

    assert import_module("other_widget").widget.halved(3) == 1.5


def test_two_files_of_one_name_are_two_plugins(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other/helping_widget.py"
    other.parent.mkdir()
    other.write_text(OFFERS_NOTHING)
    invalidate_caches()

    Registry.load([file, other])

    assert import_module("helping_widget").COUNT == 203


def test_a_file_may_have_the_name_of_a_module_of_python(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text(PLUGIN.replace("from helping_widget import COUNT", "COUNT = 3"))

    assert "widgets" in Registry.load([tmp_path / "json.py"]).loaders
    assert import_module("json") is json


def test_a_file_beside_a_package_of_its_name_is_refused(file: Path) -> None:
    (file.parent / "boxed_widget").mkdir()
    (file.parent / "boxed_widget/__init__.py").write_text("")
    (file.parent / "boxed_widget.py").write_text(OFFERS_NOTHING)

    with pytest.raises(PluginError, match="another module is called 'boxed_widget'"):
        Registry.load([file.parent / "boxed_widget.py"])


@pytest.mark.process
def test_measured_processes_and_their_workers_have_both(file: Path, library: Path) -> None:
    path = os.pathsep.join([str(library), os.environ.get("PYTHONPATH", "")])
    how = ("--step", "none", "--device", "cpu", "--seconds", "0.05", "--once", "--json", "--order", "named")

    # Where it stands, so that its folder comes first of all.
    run = ("run", "halves", "--loader", "widgets", "--loader", "workers[count=1]", *how, "--plugin", file.name)
    # A fork server that is there already has another path.
    done = feedrate(file.parent, *run, PYTHONPATH=path, **{FORK_SERVER: ""})

    assert [(each["kind"], each["cell"]) for each in json.loads(done.stdout)] == [
        ("measurement", "halves/own/widgets/none/cpu"),
        ("measurement", "halves/own/workers[count=1]/none/cpu"),
    ], done.stdout + done.stderr


@pytest.mark.process
def test_the_kit_sends_it_to_a_process_that_is_spawned(file: Path, library: Path) -> None:
    path = os.pathsep.join([str(library), os.environ.get("PYTHONPATH", "")])

    done = feedrate(
        file.parent, "check", "widgets", "--workload", "halves", "--plugin", file.name, "--json", PYTHONPATH=path
    )

    verdicts = {each["promise"]: each["broken"] for each in json.loads(done.stdout)}
    assert verdicts["streams in a spawned process"] == ""
    assert set(verdicts.values()) == {""}
