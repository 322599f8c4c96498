"""Every strategy that built-ins, installed plugins and single files offer."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pluggy

from feedrate import hookspecs
from feedrate.errors import PluginError, UsageError
from feedrate.loader import Loader
from feedrate.step import Step
from feedrate.strategy import Strategy, near, split_spec
from feedrate.workload import Workload

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["Registry"]

S = TypeVar("S", bound=Strategy)


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
            PluginError: a file that was named cannot be imported, or two plugins offer one name. An installed plugin
                that fails is listed in `broken` instead.
        """
        manager = pluggy.PluginManager(hookspecs.PROJECT)
        manager.add_hookspecs(hookspecs)
        broken = tuple(filter(None, (_register(manager, found.name, found.load) for found in _installed())))
        for path in plugin_files:
            manager.register(_file_module(Path(path)), name=str(path))
        return _collected(manager, broken)

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


def _register(manager: pluggy.PluginManager, name: str, load: Callable[[], object]) -> str:
    """Import and register one installed plugin; returns why it failed, or nothing."""
    try:
        plugin = load()
    # A stranger's module may raise anything at import; it is named, and the other plugins go on.
    except Exception as error:
        return f"plugin {name!r} cannot be imported ({type(error).__name__}: {error}); reinstall or remove it"
    manager.register(plugin, name=name)
    return ""


def _file_module(path: Path) -> ModuleType:
    """Import a single file under its own name, so that its classes can be pickled to a spawned process."""
    if not path.is_file():
        raise PluginError(f"--plugin {path}: no such file")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        module = importlib.import_module(path.stem)
    # Whatever a user's file raises is theirs to mend: say what and where.
    except Exception as error:
        raise PluginError(f"--plugin {path}: {type(error).__name__}: {error}") from error
    if Path(str(module.__file__)).resolve() != path.resolve():
        raise PluginError(
            f"--plugin {path}: another module is called {path.stem!r} ({module.__file__}); rename the file"
        )
    return module


def _collected(manager: pluggy.PluginManager, imported: tuple[str, ...]) -> Registry:
    broken = list(imported)
    origins: dict[str, str] = {}
    loaders: dict[str, Loader] = {}
    steps: dict[str, Step] = {}
    workloads: dict[str, Workload] = {}
    for plugin, answer in _answers(manager.hook.loaders, _made, broken):
        _add("loader", Loader, answer, loaders, origins, plugin)
    for plugin, answer in _answers(manager.hook.steps, _made, broken):
        _add("step", Step, answer, steps, origins, plugin)
    for plugin, answer in _answers(manager.hook.workloads, list, broken):
        _add("workload", Workload, answer, workloads, origins, plugin)
    broken += _misspelt(manager)
    return Registry(loaders, steps, workloads, origins, tuple(broken))


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
) -> Iterator[tuple[str, list[Any]]]:
    """Yield each plugin that answers, and its strategies; one whose answer fails is noted in `broken`."""
    for impl in hook.get_hookimpls():
        try:
            answer = strategies(cast("Iterable[Any]", impl.function()))
        # A stranger's code again: it is named, and the other plugins go on.
        except Exception as error:
            broken.append(f"plugin {impl.plugin_name!r}: its {hook.name}() fails ({type(error).__name__}: {error})")
            continue
        yield impl.plugin_name, answer


def _add(
    kind: str, base: type[Any], found: Iterable[Any], into: dict[str, S], origins: dict[str, str], plugin: str
) -> None:
    for strategy in found:
        if not isinstance(strategy, base):
            raise PluginError(f"plugin {plugin!r}: its {kind}s() offers {strategy!r}, which is not a {base.__name__}")
        key = f"{kind}/{strategy.name}"
        if key in origins:
            raise PluginError(
                f"plugins {origins[key]!r} and {plugin!r} both offer a {kind} {strategy.name!r}; rename one"
            )
        into[strategy.name], origins[key] = strategy, plugin
