"""Numbers as people read them: three digits that matter, and `-` for what was not measured."""

from __future__ import annotations

import math

__all__ = [
    "ABSENT",
    "bare_ms",
    "byte_size",
    "clock",
    "factor",
    "factor_interval",
    "megabytes",
    "ms",
    "number",
    "share",
    "signed_ms",
]

ABSENT = "-"


def number(value: float | None, digits: int = 3) -> str:
    """`value` to that many significant digits, thousands apart, never with an exponent."""
    if value is None or not math.isfinite(value):
        return ABSENT
    # Of the rounded value: 99.96 to three digits is 100, not 100.0.
    rounded = abs(float(f"{value:.{digits}g}"))
    whole = math.floor(math.log10(rounded)) + 1 if rounded else 1
    return f"{value:,.{max(0, min(digits - whole, 6))}f}"


def factor(value: float | None) -> str:
    """A gain, such as `x1.53`; beyond a hundred the exact figure says nothing."""
    if value is None:
        return ABSENT
    return "x>99" if value > 99 else f"x{value:.2f}" if value < 9.995 else f"x{value:.0f}"


def factor_interval(value: float, low: float | None, high: float | None) -> str:
    """A factor with its interval, such as `x1.53 (1.44 to 1.62)`; alone where there is none."""
    return factor(value) if low is None or high is None else f"{factor(value)} ({number(low)} to {number(high)})"


def share(value: float | None) -> str:
    """A ratio in per cent, such as `1.2%`."""
    if value is None:
        return ABSENT
    return f"{100 * value:.1f}%" if abs(value) < 0.0995 else f"{100 * value:.0f}%"


def ms(seconds: float) -> str:
    """Milliseconds, or seconds where there are many."""
    return f"{1e3 * seconds:.3g} ms" if abs(seconds) < 1 else f"{seconds:.3g} s"


def signed_ms(seconds: float) -> str:
    """Milliseconds without the unit; a rounded zero has no sign, so that it does not read as minus nothing."""
    text = number(1e3 * seconds)
    return text.removeprefix("-") if not text.strip("-0.,") else text


def clock(seconds: float | None) -> str:
    """A stretch of time as people say it, two units at most: `9.27 s`, `3 min 17 s`, `3 h 05 min`, `2 d 04 h`."""
    if seconds is None or not math.isfinite(seconds):
        return ABSENT
    # Of what is printed: 59.996 s are 1 min 00 s.
    if float(f"{seconds:.3g}") < 60:
        return f"{number(seconds)} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24:02d} h"


def bare_ms(seconds: float | None) -> str:
    """Milliseconds without the unit."""
    return number(None if seconds is None else 1e3 * seconds)


def megabytes(count: float | None) -> str:
    """Bytes in units of 10**6."""
    return ABSENT if count is None else number(count / 1e6)


def byte_size(count: float | None) -> str:
    """Bytes in the largest unit of powers of 1,000 that leaves at least one, unit included, such as `102 MB`."""
    if count is None:
        return ABSENT
    # Of what is printed: 999,999 bytes are 1.00 MB, not 1,000 kB.
    printed = float(f"{count:.3g}")
    unit, name = next(((unit, name) for unit, name in _BYTE_UNITS if abs(printed) >= unit), (1.0, "bytes"))
    return f"{number(count / unit)} {name}" if unit > 1 else f"{count:.0f} {name}"


_BYTE_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
