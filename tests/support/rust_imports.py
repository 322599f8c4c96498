"""Find which modules of a Rust crate use which others: `use` lines and paths in the code, tests inside a file too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["crates", "module_graph"]

ROOT = Path(__file__).parents[2]

_COMMENT = re.compile(r'//[^\n]*|"(?:[^"\\\n]|\\.)*"')
_USE = re.compile(r"\buse\s+([^;]+);")
_PATH = re.compile(r"(?<![\w:])(?:\w+::)+\w+")
_INLINE = re.compile(r"\bmod\s+\w+\s*\{")


def crates() -> list[Path]:
    """Folders of the crates in this repository."""
    return [manifest.parent for manifest in sorted(ROOT.glob("plugins/*/Cargo.toml"))]


def module_graph(source: Path) -> dict[str, set[str]]:
    """For each module below `source`, as `formats::arrow`, the other modules that it names; the root is left out."""
    files = {_name(path.relative_to(source)): path for path in sorted(source.rglob("*.rs"))}
    files.pop("", None)
    return {
        name: set(_used(name, path.read_text(encoding="utf-8"), set(files))) - {name} for name, path in files.items()
    }


def _name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return "::".join(parts[:-1] if parts[-1] in ("mod", "lib") else parts)


def _used(module: str, text: str, known: set[str]) -> Iterator[str]:
    plain = _COMMENT.sub("", text)
    inside = _inline_spans(plain)
    for used in _USE.finditer(plain):
        for path in _expanded(re.sub(r"\s+", "", used[1].partition(" as ")[0] if "{" not in used[1] else used[1])):
            yield from _resolved(module, path, known, inline=_is_in(used.start(), inside))
    for named in _PATH.finditer(_USE.sub("", plain)):
        yield from _resolved(module, named[0], known, inline=False)


def _inline_spans(text: str) -> list[tuple[int, int]]:
    """Where modules inside the file begin and end: `super` there is the file itself."""
    spans = []
    for opened in _INLINE.finditer(text):
        depth, at = 1, opened.end()
        while depth and at < len(text):
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
        spans.append((opened.start(), at))
    return spans


def _is_in(at: int, spans: list[tuple[int, int]]) -> bool:
    return any(start < at < stop for start, stop in spans)


def _expanded(tree: str) -> Iterator[str]:
    """Yield each path of a `use` tree, such as `a::{b, c::{d, e}}`."""
    head, brace, rest = tree.partition("{")
    if not brace:
        yield tree
        return
    depth, start = 0, 0
    body = rest[: rest.rindex("}")] + ","
    for at, sign in enumerate(body):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if sign == "," and not depth:
            if body[start:at]:
                yield from (head + path for path in _expanded(body[start:at]))
            start = at + 1


def _resolved(module: str, path: str, known: set[str], *, inline: bool) -> Iterator[str]:
    """Yield the module that a path leads to, if it is one of the crate's."""
    parts = path.split("::")
    here = module.split("::")
    if parts[0] == "crate":
        parts = parts[1:]
    elif parts[0] == "super":
        parts = (here if inline else here[:-1]) + parts[1:]
    else:
        # A child module, named from where it is declared.
        parts = here + parts[parts[0] == "self" :]
    for length in range(len(parts), 0, -1):
        if "::".join(parts[:length]) in known:
            yield "::".join(parts[:length])
            return
