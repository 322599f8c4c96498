"""Put feedrate's iterator in the place of a loader's own, in the process that trains, and see epochs set."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from typing import Any

from feedrate.system.stopwatch import since_start_s

__all__ = ["patch", "patch_sampler", "sets_epochs"]

_SET = "_feedrate_sets_epochs"
"""Attribute of a sampler whose script says which epoch it is."""


def patch(loader_class: type[Any]) -> None:
    """Have the iterators of a class of loaders, and of its subclasses, go through this process's session."""
    usual, owner, import_s = loader_class.__iter__, os.getpid(), since_start_s()

    @functools.wraps(usual)
    def iterate(loader: Any) -> Iterator[Any]:
        # A worker that was forked has all this, and trains nothing.
        if os.getpid() != owner:
            own: Iterator[Any] = usual(loader)
            return own
        from feedrate.metering.script.session import session

        return session(import_s).iterator(loader, lambda: usual(loader))

    loader_class.__iter__ = iterate


def patch_sampler(sampler_class: type[Any]) -> None:
    """Have samplers of a class remember that somebody told them which epoch it is."""
    usual = sampler_class.set_epoch

    @functools.wraps(usual)
    def set_epoch(sampler: Any, epoch: int) -> None:
        setattr(sampler, _SET, True)
        usual(sampler, epoch)

    sampler_class.set_epoch = set_epoch


def sets_epochs(sampler: Any) -> bool:
    """Whether somebody told a sampler which epoch it is."""
    return hasattr(sampler, _SET)
