"""Write a batch of any nesting into a slot of memory, and read it again without a copy."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data._utils.collate import collate_tensor_fn, default_collate, default_collate_fn_map

from feedrate.errors import FeedrateError, UnavailableError, one_line
from feedrate.metering.script.batches import mapped

__all__ = ["SlotWriter", "batch_in", "used_bytes"]

_ALIGN = 64
"""Bytes: a cache line, and what vector loads like."""
_NUMBERS = (bool, int, float, complex, np.number, np.bool_, type(None))
"""What stands in a batch beside tensors and arrays, and is no larger than a tensor's place."""


@dataclass(frozen=True)
class _Place:
    """Where a tensor or an array of a batch lies in its slot."""

    at: int
    nbytes: int
    dtype: torch.dtype | np.dtype[Any]
    shape: tuple[int, ...]
    stride: tuple[int, ...] = ()
    """Of a tensor, in elements."""


class SlotWriter:
    """Writes batches into slots, one after the other: two numbers, the tensors, then how they are nested."""

    def __init__(self, spec: str) -> None:
        """`spec` names the loader in complaints."""
        self._spec = spec
        self._slot = torch.empty(0, dtype=torch.uint8)
        self._used = 0

    def begin(self, slot: Tensor) -> None:
        """Begin a batch in a slot, uint8 (bytes,)."""
        self._slot, self._used = slot, _ALIGN

    def collated(self, collate: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Give a collate function that does the same; torch's usual one then stacks samples right into the slot.

        In a worker it would take new shared memory for each tensor, whatever else calls it.
        """
        into_slot = collate is default_collate

        def stacked(samples: Sequence[Tensor], *, collate_fn_map: Any = None) -> Tensor:
            first = samples[0]
            if not _is_plain(first):
                usual: Tensor = collate_tensor_fn(samples, collate_fn_map=collate_fn_map)
                return usual
            shape = (len(samples), *first.shape)
            return torch.stack(list(samples), 0, out=self._room(first.dtype, shape) if into_slot else None)

        default_collate_fn_map[torch.Tensor] = stacked
        return collate

    def write(self, batch: Any) -> None:
        """Write the batch, whose tensors may lie in the slot already.

        Raises:
            UnavailableError: a slot cannot hold it.
        """
        try:
            structure = pickle.dumps(mapped(batch, self._placed))
        except FeedrateError:
            raise
        # A container of the script's may take nothing but what it was made for.
        except Exception as error:
            raise UnavailableError(
                f"{self._spec}: the containers of a batch cannot be taken to pieces, as a slot of the ring needs it:"
                f" {one_line(error)}: use dataloader[num_workers=N]"
            ) from None
        at = self._used
        self._take(len(structure))[:] = torch.frombuffer(bytearray(structure), dtype=torch.uint8)
        self._slot[:16].view(torch.int64)[:] = torch.tensor([at + len(structure), at])

    def _take(self, nbytes: int) -> Tensor:
        """The next so many bytes of the slot."""
        at, size = self._used, self._slot.numel()
        if at + nbytes > size:
            raise UnavailableError(
                f"{self._spec}: a slot of the ring holds {size / 1e9:.2f} GB, and a batch has {nbytes / 1e9:.2f} GB and"
                " more: use dataloader[num_workers=N]"
            )
        self._used += -(-nbytes // _ALIGN) * _ALIGN
        return self._slot[at : at + nbytes]

    def _room(self, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
        """A tensor that lies in the slot."""
        room = self._take(int(np.prod(shape, dtype=np.int64)) * dtype.itemsize)
        return room.view(dtype).view(shape)

    def _placed(self, leaf: Any) -> Any:
        if isinstance(leaf, _NUMBERS):
            return leaf
        if isinstance(leaf, Tensor) and _is_plain(leaf):
            return self._placed_tensor(leaf)
        if type(leaf) is np.ndarray and not leaf.dtype.hasobject:
            place, room = _Place(self._used, leaf.nbytes, leaf.dtype, leaf.shape), self._take(leaf.nbytes)
            np.copyto(np.ndarray(leaf.shape, leaf.dtype, room.numpy()), leaf)
            return place
        raise UnavailableError(
            f"{self._spec}: the batch holds a {type(leaf).__name__}, and a slot of the ring takes only dense tensors of"
            " the CPU, arrays and numbers: leave it out, or use dataloader[num_workers=N]"
        )

    def _placed_tensor(self, tensor: Tensor) -> _Place:
        nbytes, stride = tensor.numel() * tensor.itemsize, _dense_stride(tensor)
        offset = tensor.data_ptr() - self._slot.data_ptr()
        if nbytes and tensor.is_contiguous() and 0 <= offset < self._slot.numel():
            return _Place(offset, nbytes, tensor.dtype, tuple(tensor.shape), stride)
        at, room = self._used, self._take(nbytes)
        room.view(tensor.dtype).as_strided(tensor.shape, stride).copy_(tensor.detach())
        return _Place(at, nbytes, tensor.dtype, tuple(tensor.shape), stride)


def used_bytes(slot: Tensor) -> int:
    """Count the bytes of the batch that lies in a slot."""
    return int(slot[:8].view(torch.int64))


def batch_in(memory: Tensor) -> Any:
    """Give the batch that was written into `memory`, uint8 (bytes,), whose tensors and arrays refer to it.

    Each has a storage of its own: what changes one in place has changed no other, for autograd.
    """
    total, at = memory[:16].view(torch.int64).tolist()
    array = memory.numpy()

    def restored(leaf: Any) -> Any:
        if not isinstance(leaf, _Place):
            return leaf
        if not isinstance(leaf.dtype, torch.dtype):
            return np.ndarray(leaf.shape, leaf.dtype, array, leaf.at)
        piece = torch.from_numpy(array[leaf.at : leaf.at + leaf.nbytes])
        return torch.empty(0, dtype=leaf.dtype).set_(piece.untyped_storage(), 0, leaf.shape, leaf.stride)

    return mapped(pickle.loads(array[at:total].tobytes()), restored)


def _is_plain(tensor: Tensor) -> bool:
    """Whether a tensor is nothing but numbers in the host's memory."""
    return (
        type(tensor) is Tensor
        and tensor.device.type == "cpu"
        and tensor.layout is torch.strided
        and not (tensor.is_quantized or tensor.is_nested)
    )


def _dense_stride(tensor: Tensor) -> tuple[int, ...]:
    """The tensor's own stride, such as that of channels last, if it has neither gaps nor overlaps; else a plain one."""
    steps, span = sorted((stride, size) for size, stride in zip(tensor.shape, tensor.stride(), strict=True)), 1
    for stride, size in steps:
        if size != 1 and stride != span:
            return torch.empty(tensor.shape, device="meta").stride()
        span *= size
    return tensor.stride()
