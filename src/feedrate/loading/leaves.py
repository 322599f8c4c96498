"""Name the tensors of a nested batch by their paths, and nest them again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from feedrate.errors import UnavailableError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["leaves", "nested"]

_WHOLE = "batch"
"""Name of the tensor where a batch is nothing but one."""


def leaves(batch: object, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield (path, tensor) of each leaf: keys of mappings and places in sequences, with dots between them.

    Arrays become tensors that share their memory, numbers tensors without axes; None is left out.

    Raises:
        UnavailableError: a leaf is something else, which no step can take.
    """
    import numpy as np
    import torch

    if isinstance(batch, torch.Tensor):
        yield path or _WHOLE, batch
    elif isinstance(batch, Mapping):
        for key, value in batch.items():
            yield from leaves(value, _below(path, key))
    elif isinstance(batch, tuple) and hasattr(batch, "_fields"):
        yield from leaves(dict(zip(batch._fields, batch, strict=True)), path)
    elif isinstance(batch, (list, tuple)):
        for place, value in enumerate(batch):
            yield from leaves(value, _below(path, place))
    elif isinstance(batch, np.ndarray) and batch.dtype.kind in "biufc":
        yield path or _WHOLE, torch.from_numpy(batch)
    elif isinstance(batch, (bool, int, float, np.number, np.bool_)):
        yield path or _WHOLE, torch.as_tensor(batch)
    elif batch is not None:
        raise UnavailableError(
            f"needs batches of tensors: {path or _WHOLE!r} is of type {type(batch).__name__};"
            " have `collate` leave it out, or make a tensor of it"
        )


def nested(tensors: Mapping[str, Tensor]) -> Any:
    """Give the batch as it was collated, from its tensors by path: dicts, and lists for sequences of any kind."""
    if set(tensors) == {_WHOLE}:
        return tensors[_WHOLE]
    below: dict[str, dict[str, Tensor]] = {}
    for path, tensor in tensors.items():
        key, _, rest = path.partition(".")
        below.setdefault(key, {})[rest] = tensor
    values = {key: held[""] if "" in held else nested(held) for key, held in below.items()}
    return list(values.values()) if all(key.isdecimal() for key in values) else values


def _below(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)
