"""Other libraries that feed a model, as loaders of feedrate."""

from __future__ import annotations

from collections.abc import Iterable

from feedrate import Loader, hookimpl
from feedrate_peers.hf_datasets import HfDatasets
from feedrate_peers.nodes import Nodes
from feedrate_peers.webdataset import WebDataset

__all__ = ["loaders"]


@hookimpl
def loaders() -> Iterable[type[Loader]]:
    """Give one loader for each library."""
    return Nodes, HfDatasets, WebDataset
