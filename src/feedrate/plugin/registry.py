"""Collect every strategy that built-ins, installed plugins and single files offer."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import pluggy

from feedrate.errors import PluginError, UsageError, one_line
from feedrate.plugin import hookspecs
from feedrate.plugin.file_modules import file_module
from feedrate.plugin.loader import Loader
from feedrate.plugin.names import faults
from feedrate.plugin.plugin_files import chosen_files
from feedrate.plugin.step import Step
from feedrate.plugin.strategy import Strategy, near
from feedrate.plugin.workload import Workload
from feedrate.records.cell_key import split_spec

__all__ = ["Registry"]

S = TypeVar("S", bound=Strategy)
T = TypeVar("T")
_Instances: TypeAlias = "Callable[[Iterable[Any]], list[Any]]"
"""What a hook answers with -> strategies."""


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
        """Ask every installed plugin and every file, also those of folders and patterns; no torch unless a plugin does.

        Raises:
            PluginError: a file that was named cannot be imported, or offers what cannot be had. Of an installed plugin
                that is listed in `broken` instead.
            UsageError: see `chosen_files`.
        """
        manager = pluggy.PluginManager(hookspecs.PROJECT)
        manager.add_hookspecs(hookspecs)
        broken = tuple(filter(None, (_register(manager, point.name, point.load) for point in _installed())))
        # By what they are: a file may be named twice.
        names = {path.resolve(): str(path) for path in reversed(chosen_files(plugin_files))}
        for name in reversed(names.values()):
            _register_file(manager, Path(name))
        collector = _Collector(manager, names.values())
        loaders, steps, workloads = collector.loaders(), collector.steps(), collector.workloads()
        broken = (*broken, *collector.broken, *_misspelt(manager))
        return cls(loaders, steps, workloads, collector.origins, broken)

    def offering(self, workload: Workload) -> Registry:
        """Give the same strategies, and a workload that no plugin offers."""
        return replace(self, workloads={**self.workloads, workload.name: workload})

    def loader(self, spec: str) -> Loader:
        """Give the loader that `workers[count=2]` names.

        Raises:
            UsageError: no such loader or knob; the text lists near matches.
        """
        return self._named("loader", self.loaders, spec)

    def step(self, spec: str) -> Step:
        """Give the step that `compiled[mode=default]` names; raises like `loader`."""
        return self._named("step", self.steps, spec)

    def workload(self, spec: str) -> Workload:
        """Give the workload that `boardmoves[model=resnet]` names; raises like `loader`."""
        return self._named("workload", self.workloads, spec)

    def _named(self, kind: str, known: Mapping[str, S], spec: str) -> S:
        name, knobs = split_spec(spec)
        if name not in known:
            families = {"loader": self.loaders, "step": self.steps, "workload": self.workloads}
            other = next((f", which is a {family}" for family, names in families.items() if name in names), "")
            raise UsageError(f"no {kind} {name!r}{other}; {near(name, known)}")
        return known[name].with_knobs(knobs)


def _installed() -> list[EntryPoint]:
    """Installed plugins by name, feedrate's own first; the metadata come in the order of some folder."""
    points = entry_points(group=hookspecs.PROJECT)
    return sorted(points, key=lambda point: (point.dist is None or point.dist.name != hookspecs.PROJECT, point.name))


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
        _tried(lambda: manager.register(file_module(path), name=str(path)))
    except PluginError as error:
        raise PluginError(f"--plugin {path}: {error}") from error


class _Collector:
    """Gathers the strategies that plugins offer, and a line for each thing that cannot be had."""

    def __init__(self, manager: pluggy.PluginManager, files: Collection[str]) -> None:
        self._manager = manager
        self._files = files
        """Plugins that were named as files: what is wrong with one of them is an error."""
        self.origins: dict[str, str] = {}
        """Plugin that offers each strategy, by `kind/name`."""
        self.broken: list[str] = []

    def loaders(self) -> dict[str, Loader]:
        """Give the loaders by name, at their defaults."""
        return self._gathered("loader", Loader, self._manager.hook.loaders, _instances)

    def steps(self) -> dict[str, Step]:
        """Give the steps by name, at their defaults."""
        return self._gathered("step", Step, self._manager.hook.steps, _instances)

    def workloads(self) -> dict[str, Workload]:
        """Give the workloads by name, as they are offered."""
        return self._gathered("workload", Workload, self._manager.hook.workloads, list)

    def _gathered(self, kind: str, base: type[Any], hook: pluggy.HookCaller, instances: _Instances) -> dict[str, Any]:
        """Every strategy of a kind that plugins answer with and that can be had.

        Raises:
            PluginError: one that a file offers cannot.
        """
        known: dict[str, Strategy] = {}
        for plugin, strategy in self._answers(hook, instances):
            fault = self._fault(kind, base, strategy, plugin)
            if not fault:
                known[strategy.name], self.origins[f"{kind}/{strategy.name}"] = strategy, plugin
            elif plugin in self._files:
                raise PluginError(fault)
            else:
                self.broken.append(fault)
        return known

    def _answers(self, hook: pluggy.HookCaller, instances: _Instances) -> Iterator[tuple[str, Any]]:
        """Yield each plugin that answers with each of its strategies; a line is kept of one whose answer fails."""
        for impl in hook.get_hookimpls():
            try:
                answer = _tried(partial(_answer, impl.function, instances))
            except PluginError as error:
                self.broken.append(f"plugin {impl.plugin_name!r}: its {hook.name}() fails ({error})")
                continue
            yield from ((impl.plugin_name, strategy) for strategy in answer)

    def _fault(self, kind: str, base: type[Any], strategy: Any, plugin: str) -> str:
        """Why something that a plugin offers cannot be had, in one line; empty when it can."""
        offers = f"plugin {plugin!r}: its {kind}s() offers"
        if not isinstance(strategy, base):
            return f"{offers} {reprlib.repr(strategy)}, which is not a {base.__name__}"
        fault = next(faults(strategy), "")
        if fault:
            return f"{offers} a {kind} that cannot be named: {fault}"
        other = self.origins.get(f"{kind}/{strategy.name}")
        return f"plugins {other!r} and {plugin!r} both offer a {kind} {strategy.name!r}; rename one" if other else ""


def _answer(function: Callable[..., Any], instances: _Instances) -> list[Any]:
    return instances(function())


def _instances(classes: Iterable[Any]) -> list[Any]:
    return [strategy() for strategy in classes]


def _misspelt(manager: pluggy.PluginManager) -> Iterator[str]:
    """One line for each hook implementation that nobody will ever call."""
    for name, plugin in manager.list_name_plugin():
        for hook in manager.get_hookcallers(plugin) or ():
            if not hook.has_spec():
                yield f"plugin {name!r}: there is no hook {hook.name!r}; there are: loaders, steps, workloads"
