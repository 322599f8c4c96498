"""Show what people wrote as text: asv's scripts put names, tags and machines' descriptions into the page as HTML."""

from __future__ import annotations

from pathlib import Path

from feedrate.errors import DataError

__all__ = ["SINKS", "shown_as_text"]


SINKS = (
    ("summarygrid.js", """<div class="benchmark-text">' + display_name + '""", "display_name"),
    ("graphdisplay.js", """'">' + name + '</li>'""", "name"),
    ("graphdisplay.js", 'font-size:smaller;\'>" + tag + "', "tag"),
    ("graphdisplay.js", "details.push(key + ': ' + val)", "key + ': ' + val"),
    ("summarylist.js", "details.push(key + ': ' + val)", "key + ': ' + val"),
    ("asv_ui.js", """<div class="panel-heading">' + heading + '""", "heading"),
)
"""(script, piece of it, what that piece ends by taking for HTML) of asv 0.6.6: titles of benchmarks, tags of git, keys
and values of a machine file, names of what splits histories. Whatever else a user writes it shows as text by itself."""


def shown_as_text(pages: Path) -> None:
    """Have the scripts of the page in `pages` escape what they did not.

    Raises:
        DataError: a script is not that of the asv that is pinned; it stays as it is.
    """
    for name, piece, value in SINKS:
        script = pages / name
        source = script.read_text(encoding="utf-8")
        if source.count(piece) != 1:
            raise DataError(f"{name} shows {value!r} in another way than the asv that is pinned: install that one")
        before, _, after = piece.rpartition(value)
        escaped = f"{before}$('<i/>').text({value}).html(){after}"
        script.write_text(source.replace(piece, escaped), encoding="utf-8")
