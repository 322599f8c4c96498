"""Print feedrate's packages in their order, and every import that goes up: `python -m tests.support.imports`."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import feedrate

__all__ = ["LAYERS", "NO_TORCH", "Module", "below", "circle", "modules", "upward"]

PACKAGE = Path(feedrate.__file__).parent

LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors", "formatting"),
    ("records",),
    ("system",),
    ("data",),
    ("loading",),
    ("plugin",),
    ("contract",),
    ("builtin",),
    ("metering", "runner"),
    ("comparison",),
    ("diagnosis",),
    ("calibration", "revisions"),
    ("report", "asv"),
    ("api",),
    ("cli",),
    ("__main__",),
)
"""Packages and the modules at the root, from the ground up; a package imports only from those below its layer."""
NO_TORCH = frozenset({"errors", "formatting", "records", "system", "plugin", "runner", "comparison", "diagnosis"}) | {
    "revisions",
    "report",
    "asv",
    "api",
    "cli",
    "__main__",
}
"""Packages whose import brings no torch into a process: all that the parent of a measurement is made of."""
STRATEGIES = ("builtin", "calibration.strategies")
"""What entry points name, and nobody else."""


@dataclass(frozen=True)
class Module:
    """One file of the package, and what it imports of it."""

    name: str
    """Dotted, below `feedrate`."""
    path: Path
    sometimes: frozenset[str]
    """Dotted names that it imports when it runs."""
    at_once: frozenset[str]
    """Those of them that it imports when it is imported."""

    def __str__(self) -> str:
        return self.name

    @property
    def package(self) -> str:
        """Its room: the first part of its name."""
        return self.name.partition(".")[0]

    @property
    def is_strategy(self) -> bool:
        """Whether it is offered through a hook; the hook modules themselves are, too."""
        return is_strategy(self.name)


def is_strategy(name: str) -> bool:
    """Whether a module below `feedrate` belongs to what entry points name."""
    return name == "calibration" or any(name == root or name.startswith(f"{root}.") for root in STRATEGIES)


class _Imports(ast.NodeVisitor):
    def __init__(self, tree: ast.AST) -> None:
        self.sometimes: set[str] = set()
        self.at_once: set[str] = set()
        self._depth = 0
        self.visit(tree)

    def visit_If(self, node: ast.If) -> None:
        if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    def visit_Import(self, node: ast.Import) -> None:
        self._add(*(alias.name for alias in node.names))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level:
            raise ValueError(f"line {node.lineno}: imports stand with their full name")
        module = str(node.module)
        names = [f"{module}.{alias.name}" for alias in node.names]
        # `from feedrate.system import nvml` imports a module, too.
        self._add(*(name if _is_module(name) else module for name in names))

    def _add(self, *names: str) -> None:
        self.sometimes.update(names)
        if not self._depth:
            self.at_once.update(names)


def _is_module(name: str) -> bool:
    place = PACKAGE.parent.joinpath(*name.split("."))
    return name.startswith("feedrate.") and (place.with_suffix(".py").is_file() or (place / "__init__.py").is_file())


def modules() -> Iterator[Module]:
    """Yield every module below the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path == PACKAGE / "__init__.py":
            continue
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        imports = _Imports(ast.parse(path.read_text()))
        yield Module(name, path, frozenset(imports.sometimes), frozenset(imports.at_once))


def below(names: frozenset[str]) -> Iterator[str]:
    """Of those names the ones below our package, without its name."""
    return (name.removeprefix("feedrate.") for name in names if name.startswith("feedrate."))


def upward(found: Iterable[Module] | None = None) -> Iterator[str]:
    """Yield `importer -> imported` for each import from a layer above, or beside in another package."""
    height = {name: height for height, names in enumerate(LAYERS) for name in names}
    for module in modules() if found is None else found:
        for name in sorted(below(module.sometimes)):
            there = name.partition(".")[0]
            if there != module.package and height[there] >= height[module.package]:
                yield f"{module.name} -> {name}"
            elif is_strategy(name) and not module.is_strategy:
                yield f"{module.name} -> {name} (a strategy)"


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Names that import one another in turn; empty where there is no circle."""
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return list(map(str, error.args[1]))
    return []


def main() -> int:
    """Print the rooms and what is wrong with their doors: 0 where nothing is."""
    found = list(modules())
    for names in LAYERS:
        for name in names:
            print(f"{name:12} {sum(module.package == name for module in found):3} modules")
    arrows = list(upward())
    around = circle({module.name: set(below(module.at_once)) for module in found})
    print(f"arrows up: {len(arrows)}", *arrows, sep="\n  ")
    print(f"circles: {int(bool(around))}", *([" -> ".join(around)] if around else []), sep="\n  ")
    return int(bool(arrows or around))


if __name__ == "__main__":
    sys.exit(main())
