"""Every strategy that built-ins, installed plugins and single files offer."""

from __future__ import annotations

import importlib
import reprlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

from feedrate.errors import PluginError, UsageError, one_line
from feedrate.plugin import hookspecs
from feedrate.plugin.loader import Loader
from feedrate.plugin.names import faults
from feedrate.plugin.step import Step
from feedrate.plugin.strategy import Strategy, near
from feedrate.plugin.workload import Workload
from feedrate.records.cell_key import split_spec

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["Registry"]

S = TypeVar("S", bound=Strategy)
T = TypeVar("T")


@dataclass(frozen=True)
class Registry:
    """The strategies by name, where each came from, and the plugins that could not be imported."""

    loaders: Mapping[str, Loader]
    """An instance with default knobs of each."""
    steps: Mapping[str, Step]
    workloads: Mapping[str, Workload]
    origins: Mapping[str, str] = field(default_factory=dict)
    """Plugin that offers each strategy, by `kind/name`."""
    broken: tuple[str, ...] = ()
    """One line for each plugin that failed, with its remedy."""

    @classmethod
    def load(cls, plugin_files: Iterable[Path] = ()) -> Registry:
        """Ask every installed plugin and every file; imports no torch unless a plugin does.

        Raises:
            PluginError: a file that was named cannot be imported, or offers what cannot be had. Of an installed plugin
                that is listed in `broken` instead.
        """
        manager = pluggy.PluginManager(hookspecs.PROJECT)
        manager.add_hookspecs(hookspecs)
        broken = tuple(filter(None, (_register(manager, found.name, found.load) for found in _installed())))
        # By what they are: a file may be named twice.
        files = {Path(path).resolve(): str(path) for path in reversed(tuple(plugin_files))}
        for name in reversed(files.values()):
            _register_file(manager, Path(name))
        return _collected(manager, broken, set(files.values()))

    def loader(self, spec: str) -> Loader:
        """The loader that `workers[count=2]` names.

        Raises:
            UsageError: no such loader or knob; the text lists near matches.
        """
        return _found("loader", self.loaders, spec)

    def step(self, spec: str) -> Step:
        """The step that `compiled[mode=default]` names; raises like `loader`."""
        return _found("step", self.steps, spec)

    def workload(self, spec: str) -> Workload:
        """The workload that `boardmoves[model=resnet]` names; raises like `loader`."""
        return _found("workload", self.workloads, spec)


def _installed() -> list[EntryPoint]:
    """Installed plugins by name, feedrate's own first; the metadata come in the order of some folder."""
    found = entry_points(group=hookspecs.PROJECT)
    return sorted(found, key=lambda one: (one.dist is None or one.dist.name != hookspecs.PROJECT, one.name))


def _found(kind: str, known: Mapping[str, S], spec: str) -> S:
    name, knobs = split_spec(spec)
    if name not in known:
        raise UsageError(f"no {kind} {name!r}; {near(name, known)}")
    return known[name].turned(knobs)


def _tried(theirs: Callable[[], T]) -> T:
    """What a stranger's code gives.

    Raises:
        PluginError: whatever it raises or ends with, in one line: it is named, and the other plugins go on.
    """
    try:
        return theirs()
    except (KeyboardInterrupt, PluginError):
        raise
    except BaseException as error:
        raise PluginError(one_line(error)) from error


def _register(manager: pluggy.PluginManager, name: str, load: Callable[[], object]) -> str:
    """Import and register one installed plugin; returns why it failed, or nothing."""
    try:
        _tried(lambda: manager.register(load(), name=name))
    except PluginError as error:
        return f"plugin {name!r} cannot be imported ({error}); reinstall or remove it"
    return ""


def _register_file(manager: pluggy.PluginManager, path: Path) -> None:
    if not path.is_file():
        raise PluginError(f"--plugin {path}: no such file")
    try:
        _tried(lambda: manager.register(_file_module(path), name=str(path)))
    except PluginError as error:
        raise PluginError(f"--plugin {path}: {error}") from error


def _file_module(path: Path) -> ModuleType:
    """Import a single file under its own name, so that its classes can be pickled to a spawned process."""
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    module = importlib.import_module(path.stem)
    if Path(str(module.__file__)).resolve() != path.resolve():
        raise PluginError(f"another module is called {path.stem!r} ({module.__file__}); rename the file")
    return module


def _collected(manager: pluggy.PluginManager, imported: tuple[str, ...], files: set[str]) -> Registry:
    broken, origins = list(imported), dict[str, str]()
    loaders, steps, workloads = dict[str, Loader](), dict[str, Step](), dict[str, Workload]()
    families: tuple[tuple[str, type[Strategy], dict[str, Any], pluggy.HookCaller], ...] = (
        ("loader", Loader, loaders, manager.hook.loaders),
        ("step", Step, steps, manager.hook.steps),
        ("workload", Workload, workloads, manager.hook.workloads),
    )
    for kind, base, known, hook in families:
        for plugin, strategy in _answers(hook, list if kind == "workload" else _made, broken):
            fault = _fault(kind, base, strategy, origins, plugin)
            if fault and plugin in files:
                raise PluginError(fault)
            if fault:
                broken.append(fault)
            else:
                known[strategy.name], origins[f"{kind}/{strategy.name}"] = strategy, plugin
    return Registry(loaders, steps, workloads, origins, (*broken, *_misspelt(manager)))


def _misspelt(manager: pluggy.PluginManager) -> Iterator[str]:
    """One line for each hook implementation that nobody will ever call."""
    for name, plugin in manager.list_name_plugin():
        for hook in manager.get_hookcallers(plugin) or ():
            if not hook.has_spec():
                yield f"plugin {name!r}: there is no hook {hook.name!r}; there are: loaders, steps, workloads"


def _made(classes: Iterable[Any]) -> list[Any]:
    return [make() for make in classes]


def _answers(
    hook: pluggy.HookCaller, strategies: Callable[[Iterable[Any]], list[Any]], broken: list[str]
) -> Iterator[tuple[str, Any]]:
    """Yield each plugin that answers with each of its strategies; one whose answer fails is noted in `broken`."""
    for impl in hook.get_hookimpls():
        try:
            answer = _tried(lambda impl=impl: strategies(impl.function()))  # type: ignore[misc]
        except PluginError as error:
            broken.append(f"plugin {impl.plugin_name!r}: its {hook.name}() fails ({error})")
            continue
        yield from ((impl.plugin_name, strategy) for strategy in answer)


def _fault(kind: str, base: type[Strategy], strategy: Any, origins: Mapping[str, str], plugin: str) -> str:
    """Why something that a plugin offers cannot be had, in one line; empty when it can."""
    offers = f"plugin {plugin!r}: its {kind}s() offers"
    if not isinstance(strategy, base):
        return f"{offers} {reprlib.repr(strategy)}, which is not a {base.__name__}"
    wrong = next(faults(strategy), "")
    if wrong:
        return f"{offers} a {kind} that cannot be named: {wrong}"
    other = origins.get(f"{kind}/{strategy.name}")
    return f"plugins {other!r} and {plugin!r} both offer a {kind} {strategy.name!r}; rename one" if other else ""
