"""Say in one line what a soak saw by owner, whether or not it is a symptom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feedrate.formatting import share

if TYPE_CHECKING:
    from feedrate.records.soak import Holdings, Soak

__all__ = ["describe_soak"]

_OWNERS = {
    "trainer_bytes": "this process",
    "trainer_file_bytes": "its pages of files (page cache)",
    "workers_bytes": "its processes",
    "workers_file_bytes": "their pages of files (page cache)",
    "shared_bytes": "shared memory",
    "pinned_bytes": "page-locked memory",
}
"""Fields of `Holdings`, and whose they are."""
_LEAST_BYTES = 100_000
"""Less is not worth a word."""


def describe_soak(soak: Soak) -> str:
    """Say what was added in how many batches, by owner, and the garbage collector's share of the time."""
    added = _added(soak.begin, soak.stretches[-1].held)
    both = soak.of("both")
    share_s = sum(stretch.collecting_s for stretch in both) / sum(stretch.pace.s for stretch in both)
    return f"in {soak.batches:,} batches {added}; the garbage collector took {share(share_s)} of the time"


def _added(begin: Holdings, end: Holdings) -> str:
    grown = {owner: getattr(end, name) - getattr(begin, name) for name, owner in _OWNERS.items()}
    texts = [f"{owner} {count / 1e6:+.1f} MB" for owner, count in grown.items() if abs(count) >= _LEAST_BYTES]
    counts = {"descriptors": end.descriptors - begin.descriptors, "threads": end.threads - begin.threads}
    texts += [f"{count:+,} {name}" for name, count in counts.items() if count]
    return ", ".join(texts) or "nothing was added"
