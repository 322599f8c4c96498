"""What a measured process and the one that watches it from outside tell each other, as files in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["SamplingFlags"]


@dataclass(frozen=True)
class SamplingFlags:
    """Two files: `timing` while nobody may disturb, `look` while the measured process waits for a look at it."""

    folder: Path

    def timing(self, now: bool, /) -> None:
        """Say that a stretch begins, or has ended, that must not be disturbed."""
        self._timing.touch() if now else self._timing.unlink(missing_ok=True)

    @property
    def is_timing(self) -> bool:
        """Whether such a stretch goes on."""
        return self._timing.exists()

    def ask(self) -> None:
        """Ask for a look."""
        self._look.touch()

    @property
    def is_asked(self) -> bool:
        """Whether a look is asked for that nobody has taken."""
        return self._look.exists()

    def answer(self) -> None:
        """Say that the look is taken."""
        self._look.unlink(missing_ok=True)

    @property
    def _timing(self) -> Path:
        return self.folder / "timing"

    @property
    def _look(self) -> Path:
        return self.folder / "look"
