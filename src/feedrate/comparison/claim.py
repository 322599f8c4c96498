"""Read what somebody claims that a change gains, and hold what was measured against it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from feedrate.errors import UsageError

__all__ = ["FORMS", "Claim"]

FORMS = "+10 %, +10-30 %, -5 %, x2, x1.5-2 or none"
_NUMBER = r"(\d+(?:\.\d+)?)"
_RANGE = rf"{_NUMBER}(?:\s*(?:-|to)\s*{_NUMBER})?"
_SHARE = re.compile(rf"([+-])\s*{_RANGE}\s*%")
_FACTOR = re.compile(rf"(?:x\s*{_RANGE}|{_RANGE}\s*x)")
_NONE = ("none", "no effect")


@dataclass(frozen=True)
class Claim:
    """Hold how many times as fast a change is said to make a training, from the least to the most."""

    text: str
    """As it was written."""
    low: float
    high: float

    @classmethod
    def parse(cls, text: str) -> Claim:
        """Read a claim on speed, such as `+10-30 %` or `x2`.

        Raises:
            UsageError: it is not of one of the forms, or claims that nothing is left.
        """
        plain = text.strip().lower()
        if plain in _NONE:
            return cls(text, 1.0, 1.0)
        share, times = _SHARE.fullmatch(plain), _FACTOR.fullmatch(plain)
        if share is not None:
            sign = 1 if share[1] == "+" else -1
            ends = sorted(1 + sign * float(number or share[2]) / 100 for number in share.groups()[1:])
        elif times is not None:
            first, *others = (float(number) for number in times.groups() if number)
            ends = sorted((first, *(others or (first,))))
        else:
            raise UsageError(f"{text!r} is no claim; it reads {FORMS}")
        if ends[0] <= 0:
            raise UsageError(f"{text!r} claims that no speed is left; it reads {FORMS}")
        return cls(text, ends[0], ends[1])

    def beside(self, low: float, high: float) -> str:
        """Say how an interval around what was measured lies to it: `as claimed`, `less than claimed` or `more ...`."""
        if high < self.low:
            return "less than claimed"
        return "more than claimed" if low > self.high else "as claimed"
