"""Import single files as plugins; one that bears the name of a library leaves that to be imported by its name.

A file's module has the file's name, and its folder is put on the path of modules: those beside it are imported by their
names. Only where its name is a library's the file becomes a module inside this one, which a spawned process finds as
well: classes that are defined there can be sent to it.
"""

from __future__ import annotations

import ast
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from feedrate.errors import PluginError

__all__ = ["file_module", "library_path", "offers_something"]

_HOOKS = ("loaders", "steps", "workloads")
"""By which a plugin offers something."""
__path__: list[str] = []
"""Makes modules inside this one possible; where they are, the finder below says."""


def file_module(path: Path) -> ModuleType:
    """Import a file, under its own name unless a library has that; whatever the file raises comes through.

    Raises:
        PluginError: beside it is a package of the same name.
    """
    file = path.resolve()
    hidden = _hidden_names(file)
    _make_importable(file.parent, hidden)
    if file.stem in hidden:
        return import_module(f"{__name__}.{file.stem}_{_digest(file)}")
    module = import_module(file.stem)
    if not _is_at(module.__file__, file):
        raise PluginError(f"another module is called {file.stem!r} ({module.__file__}); rename the file")
    return module


def offers_something(file: Path) -> bool:
    """Tell by its text, without importing it, whether a file of Python offers loaders, steps or workloads.

    One that is no Python does: whoever imports it is told what is wrong.
    """
    return _contents(file).offers


def library_path() -> list[str]:
    """Give the path of modules without the folders of plugin files that bear the names of libraries."""
    return [entry for entry in sys.path if not isinstance(sys.path_importer_cache.get(entry), _HidingFinder)]


@dataclass(frozen=True)
class _Contents:
    """What the text of a file says."""

    offers: bool
    wanted: frozenset[str] = frozenset()
    """Names of modules that it imports, or needs as packages; of those with dots what stands before the first."""


def _contents(file: Path) -> _Contents:
    try:
        state = file.stat()
        return _parsed(file, state.st_mtime_ns, state.st_size)
    except OSError:
        return _Contents(offers=False)


@cache
def _parsed(file: Path, changed_ns: int, size: int) -> _Contents:
    del changed_ns, size
    text = file.read_bytes()
    # Nobody offers anything without our name, and parsing is slow.
    if b"feedrate" not in text:
        return _Contents(offers=False)
    try:
        with warnings.catch_warnings():
            # Whoever imports it hears them.
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return _Contents(offers=True)
    wanted = (name.partition(".")[0] for node in ast.walk(tree) for name in _wanted(node))
    return _Contents(any(map(_is_offer, tree.body)), frozenset(wanted))


def _is_offer(node: ast.stmt) -> bool:
    """Whether a statement of a module may define a hook."""
    match node:
        case ast.FunctionDef(name=name, decorator_list=[_, *_] as decorators):
            return name in _HOOKS or any(_last_word(each) == "hookimpl" for each in decorators)
        case ast.Assign(targets=targets):
            return any(_last_word(each) in _HOOKS for each in targets)
        case ast.ImportFrom(names=names):
            return any((each.asname or each.name) in _HOOKS for each in names)
    return False


def _last_word(node: ast.expr) -> str:
    match node:
        case ast.Name(id=word) | ast.Attribute(attr=word):
            return word
        case ast.Call(func=called):
            return _last_word(called)
    return ""


def _wanted(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (each.name for each in names)
        case ast.ImportFrom(module=str(module), level=0):
            yield module
        case ast.Call(func=called, args=[ast.Constant(value=str(module)), *_]) if _last_word(called) == "package":
            yield module


def _hidden_names(named: Path) -> frozenset[str]:
    """Names of the plugin files in the folder of one that are libraries', its own among them if it is one."""
    others = (file for file in sorted(named.parent.glob("*.py")) if file != named and offers_something(file))
    return frozenset(file.stem for file in (named, *others) if _is_called_like_a_library(file))


def _is_called_like_a_library(file: Path) -> bool:
    # What imports, or needs, a module of its own name means another one, though that may be absent here.
    return file.stem in _contents(file).wanted or _is_elsewhere(file)


def _is_elsewhere(file: Path) -> bool:
    """Whether the name of a file is imported from another place than its folder."""
    loaded = sys.modules.get(file.stem)
    if loaded is not None:
        return not _is_at(getattr(loaded, "__file__", None), file)
    path = [entry for entry in sys.path if os.path.realpath(entry) != str(file.parent)]
    specs = (_spec(finder, file.stem, path) for finder in sys.meta_path)
    # A folder that holds no module of Python may be called like anything.
    return any(spec.origin is not None and not _is_at(spec.origin, file) for spec in specs if spec is not None)


def _spec(finder: Any, name: str, path: Sequence[str]) -> ModuleSpec | None:
    spec: ModuleSpec | None = finder.find_spec(name, path if finder is PathFinder else None)
    return spec


def _is_at(place: str | None, file: Path) -> bool:
    return place is not None and os.path.realpath(place) == str(file)


def _make_importable(folder: Path, hidden: frozenset[str]) -> None:
    """Put a folder on the path of modules, without these names."""
    entry = str(folder)
    finder = sys.path_importer_cache.get(entry)
    if isinstance(finder, _HidingFinder):
        finder.hidden |= hidden
    elif hidden:
        # Last: a process that is spawned gets the path, and hears of what is hidden when it imports from this module.
        sys.path[:] = [*(other for other in sys.path if os.path.realpath(other) != entry), entry]
        sys.path_importer_cache[entry] = _HidingFinder(entry, hidden)
    elif entry not in sys.path:
        sys.path.insert(0, entry)


class _HidingFinder(FileFinder):
    """Finds the modules of a folder but for some names."""

    hidden: frozenset[str]

    def __init__(self, folder: str, hidden: frozenset[str]) -> None:
        super().__init__(
            folder,
            (ExtensionFileLoader, EXTENSION_SUFFIXES),
            (SourceFileLoader, SOURCE_SUFFIXES),
            (SourcelessFileLoader, BYTECODE_SUFFIXES),
        )
        self.hidden = hidden

    def find_spec(self, fullname: str, target: ModuleType | None = None) -> ModuleSpec | None:
        """See `PathEntryFinder`."""
        return None if fullname in self.hidden else super().find_spec(fullname, target)


def _digest(file: Path) -> str:
    return blake2b(str(file).encode(), digest_size=4).hexdigest()


class _InnerFinder(MetaPathFinder):
    """Finds the modules inside this one: a file of that name, in a folder on the path, whose place has that digest."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See `MetaPathFinder`."""
        parent, _, inner = fullname.rpartition(".")
        stem, _, digest = inner.rpartition("_")
        if parent != __name__:
            return None
        files = (Path(os.path.realpath(entry), f"{stem}.py") for entry in sys.path)
        file = next((file for file in files if _digest(file) == digest and file.is_file()), None)
        if file is None:
            return None
        _make_importable(file.parent, _hidden_names(file))
        return spec_from_file_location(fullname, file)


# In a process that is spawned nobody but the import of this module, as that of what lies in it, can do so.
sys.meta_path.append(_InnerFinder())
