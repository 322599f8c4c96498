"""A module imports only from its own layer and those below; core code names no strategy; numbers need no torch."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import feedrate

PACKAGE = Path(feedrate.__file__).parent

LAYERS: tuple[tuple[str, ...], ...] = (
    # Numbers and names.
    (
        *("errors", "decoding", "rawlines", "keeping", "conditions", "measurement", "validity", "statistics", "frame"),
        *("machine", "nvml", "environment", "knobs", "strategy"),
    ),
    # What a diagnosis is made of, and what follows from it; and what follows from pairs.
    ("evidence", "ladder", "phrases", "thresholds", "levelling", "weighing", "verdict", "comparison", "since"),
    # What lies on disk, what is asked for, what comes.
    (
        *("field", "draws", "manifest", "ownership", "scratch"),
        *("dataset", "writing", "parent", "formats", "plan", "batch"),
    ),
    # The three families, and the way to the device.
    (
        *("loader", "step", "workload", "transfer", "buffers", "processes", "served"),
        *("stopwatch", "memory", "surroundings", "stock", "switch"),
        *("log", "guard", "_guard"),
    ),
    # Who offers what, and what they promise.
    ("hookspecs", "names", "registry", "cell", "contract"),
    # Strategies that ship; a plugin may use all that a stranger's may.
    ("models", "loaders", "steps", "workloads", "builtin", "calibration"),
    # The loop, and the fresh interpreter it runs in.
    (
        *("device", "effort", "feed", "health", "marks", "loop", "meter"),
        *("prepared", "following", "beside", "cold", "trace", "inside", "visits", "probe"),
        *("nursery", "isolation", "_child", "_nursery", "schedule", "diagnosis", "answers"),
    ),
    ("blocks",),
    # Tables, pages, history.
    ("report", "asv", "doctor"),
    ("cli", "__main__"),
)
HEIGHT = {name: height for height, names in enumerate(LAYERS) for name in names}
STRATEGIES = {"models", "loaders", "steps", "workloads", "builtin", "calibration"}
INSTRUMENTS = {"meter": {"loaders.resident"}, "cli.calibrate": {"calibration.cases"}}
"""What the core may name: the null loader, which defines what the step costs alone, and a table of cells."""
NO_TORCH = {
    *(
        "errors",
        "measurement",
        "statistics",
        "evidence",
        "ladder",
        "levelling",
        "phrases",
        "thresholds",
        "weighing",
        "verdict",
        "diagnosis",
        "comparison",
        "since",
        "blocks",
    ),
    *("report", "asv", "registry", "cell", "hookspecs", "cli"),
}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def family(module: str) -> str:
    """First part of a module's name below the package: what the layers list."""
    return module.partition(".")[0]


class Imports(ast.NodeVisitor):
    """Names of the modules that a file imports when it runs, and of those it imports when it is imported."""

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
        assert node.level == 0, f"line {node.lineno}: imports stand with their full name"
        module = str(node.module)
        # `from feedrate import hookspecs` imports a module, too.
        self._add(*(f"{module}.{alias.name}" for alias in node.names) if module == "feedrate" else (module,))

    def _add(self, *names: str) -> None:
        self.sometimes.update(names)
        if not self._depth:
            self.at_once.update(names)


def imports(path: Path) -> Imports:
    return Imports(ast.parse(path.read_text()))


def ours(names: set[str]) -> Iterator[str]:
    """Of those names the ones below our package, without its name."""
    return (name.removeprefix("feedrate.") for name in names if name.startswith("feedrate."))


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_a_module_imports_nothing_from_above(path: Path) -> None:
    here = family(dotted(path))
    assert here in HEIGHT, f"{here} stands in no layer: give it one in {Path(__file__).name}"
    above = {name for name in ours(imports(path).sometimes) if HEIGHT[family(name)] > HEIGHT[here]}
    assert above == set()


@pytest.mark.parametrize("path", [path for path in modules() if family(dotted(path)) not in STRATEGIES], ids=dotted)
def test_the_core_names_no_strategy(path: Path) -> None:
    named = {name for name in ours(imports(path).sometimes) if family(name) in STRATEGIES}
    assert named <= INSTRUMENTS.get(dotted(path), set())


@pytest.mark.parametrize("path", [path for path in modules() if family(dotted(path)) in NO_TORCH], ids=dotted)
def test_what_only_handles_numbers_and_names_imports_no_torch(path: Path) -> None:
    assert "torch" not in {name.partition(".")[0] for name in imports(path).at_once}


def test_modules_import_one_another_in_no_circle() -> None:
    graph = {dotted(path): set(ours(imports(path).at_once)) for path in modules()}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")
