"""The text that names a cell, such as `boardmoves/small/workers[count=2]/bf16/cuda`, taken apart."""

from __future__ import annotations

import re

from feedrate.errors import UsageError

__all__ = ["split_spec"]

_SPEC = re.compile(r"(?P<name>[\w.-]+)(?:\[(?P<knobs>[^\[\]]*)\])?")


def split_spec(text: str) -> tuple[str, dict[str, str]]:
    """`workers[count=2,cast=host]` as a name and the texts of its knobs.

    Raises:
        UsageError: it is not of that form.
    """
    # What is no line of text would make its error none either.
    match = _SPEC.fullmatch(text.strip()) if text.strip().isprintable() else None
    pairs = [pair.partition("=") for pair in (match["knobs"] or "").split(",") if pair] if match else []
    if match is None or any(not equals or not value for _, equals, value in pairs):
        raise UsageError(f"{text!r} is not of the form name or name[knob=value,...]")
    return match["name"], {key.strip(): value.strip() for key, _, value in pairs}
