"""Cut the digits of a number that nothing stands behind."""

from __future__ import annotations

__all__ = ["microseconds", "significant"]


def significant(value: float, digits: int) -> float:
    """Round to so many digits from the first that is not 0."""
    return float(f"{value:.{digits}g}")


def microseconds(seconds: float) -> float:
    """Round seconds to millionths."""
    return round(seconds, 6)
