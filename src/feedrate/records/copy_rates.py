"""How quick single large copies to a device are."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CopyRates"]


@dataclass(frozen=True)
class CopyRates:
    """Bytes a second of single large copies from the host to its device: what no loader's own can exceed."""

    pageable: float
    """From memory that the driver copies once more on the way."""
    page_locked: float
