"""Agree when memory is sampled, between a measured process and its watcher, by files in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["SamplingFlags"]


@dataclass(frozen=True)
class SamplingFlags:
    """Two files: `busy` while a sample would disturb, `sample` while the measured process waits for one."""

    folder: Path

    def set_busy(self, now: bool, /) -> None:
        """Say that a stretch begins, or has ended, that must not be disturbed."""
        self._busy.touch() if now else self._busy.unlink(missing_ok=True)

    @property
    def is_busy(self) -> bool:
        """Whether such a stretch goes on."""
        return self._busy.exists()

    def request_sample(self) -> None:
        """Ask the watcher for a sample."""
        self._sample.touch()

    @property
    def sample_requested(self) -> bool:
        """Whether a sample is asked for that the watcher has not taken."""
        return self._sample.exists()

    def sample_taken(self) -> None:
        """Say that the sample is taken."""
        self._sample.unlink(missing_ok=True)

    @property
    def _busy(self) -> Path:
        return self.folder / "busy"

    @property
    def _sample(self) -> Path:
        return self.folder / "sample"
