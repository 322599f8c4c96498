"""A feedrate loader whose threads are Rust's: they read, decode, gather and widen into a ring of reused buffers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from feedrate import hookimpl
from feedrate_rust_prefetch.loader import RustPrefetch

if TYPE_CHECKING:
    from feedrate import Loader

__all__ = ["RustPrefetch"]


@hookimpl
def loaders() -> Iterable[type[Loader]]:
    """The one loader of this plugin."""
    return (RustPrefetch,)
