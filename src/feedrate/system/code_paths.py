"""Tell a person's own code from that of libraries, by where its file lies, and where its loops stand."""

from __future__ import annotations

import ast
import re
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LoopLines", "for_lines", "is_library", "loops_of", "package_of"]

_STDLIB = sysconfig.get_paths()["stdlib"]


def is_library(path: str) -> bool:
    """Whether a file is of an installed package or of Python itself."""
    return "site-packages" in path or "dist-packages" in path or path.startswith("<") or _in_python(path)


def _in_python(path: str) -> bool:
    return path.startswith(_STDLIB) or re.search(r"/lib/python3\.\d+/", path) is not None


def package_of(path: str) -> str:
    """Name the package that a file belongs to."""
    match = re.search(r"(?:site-packages|dist-packages)/([^/]+)", path) or re.search(r"/python3\.\d+/([^/]+)", path)
    return match[1].removesuffix(".py") if match else Path(path).stem


@dataclass(frozen=True)
class LoopLines:
    """Lines of one loop of a file, counted from 1."""

    start: int
    """That of its `for` or `while`."""
    body: int
    """The first of its body."""
    end: int
    is_for: bool


def loops_of(path: Path) -> Sequence[LoopLines]:
    """List the loops of a file of Python; none where it cannot be read as one."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ()
    return [
        LoopLines(node.lineno, node.body[0].lineno, node.end_lineno or node.lineno, not isinstance(node, ast.While))
        for node in ast.walk(tree)
        if isinstance(node, ast.For | ast.AsyncFor | ast.While)
    ]


def for_lines(path: Path) -> Sequence[int]:
    """List the lines at which the `for` loops of a file stand."""
    return sorted(loop.start for loop in loops_of(path) if loop.is_for)
