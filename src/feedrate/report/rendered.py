"""Render what is printed on a console as a text, and as HTML for a notebook."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from rich.console import Console

from feedrate.report.console import Screen, console

__all__ = ["as_html", "as_text"]

_WIDTH = 140
"""Characters of a line in a notebook: all columns of the widest table."""
_STYLE = "font-family:ui-monospace,Menlo,Consolas,monospace;line-height:1.25;white-space:pre;overflow-x:auto"


def as_text(show: Callable[[Console], None]) -> str:
    """Collect what `show` prints into a pipe: without colours, no line cut or wrapped."""
    file = io.StringIO()
    show(console(file))
    return file.getvalue().rstrip("\n")


def as_html(show: Callable[[Console], None]) -> str:
    """Collect what `show` prints on a terminal, as one element with its colours; all text is escaped."""
    page = _Page(io.StringIO())
    show(page)
    return page.export_html(inline_styles=True, code_format=f'<pre style="{_STYLE}">{{code}}</pre>')


class _Page(Screen):
    """Stands for a terminal that nobody sits at; it wraps sentences, whose end a cell of a notebook would hide."""

    def __init__(self, file: io.StringIO) -> None:
        super().__init__(file, record=True, force_terminal=True, color_system="truecolor", width=_WIDTH)

    def print(self, *objects: Any, **how: Any) -> None:
        """Print as a terminal does, but wrapped."""
        super().print(*objects, **{key: value for key, value in how.items() if key != "soft_wrap"})
