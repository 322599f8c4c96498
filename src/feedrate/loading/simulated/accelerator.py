"""An `Accelerator` whose memory is the host's, and whose work is done when it is least convenient."""

from __future__ import annotations

import math
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from threading import local
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from feedrate.errors import UnavailableError
from feedrate.loading.copied_bytes import CopiedBytes
from feedrate.loading.simulated.arena import Arena, Block
from feedrate.loading.simulated.calls import Called
from feedrate.loading.simulated.graph import CapturingStream, SimulatedGraph
from feedrate.loading.simulated.stream import Mark, Schedule, Scheduler, SimulatedEvent, SimulatedStream, at_the_last
from feedrate.system.synthetic_load import burn_cpu

__all__ = ["SimulatedAccelerator"]

_ATEN = torch.ops.aten
_UNTOLD = (_ATEN.mkldnn_rnn_layer.default,)
"""Operators of which torch's meta device does not know what they make: the workspace is as large as oneDNN likes."""


@dataclass(frozen=True)
class _Locked:
    """Memory of the host that somebody page-locked."""

    memory: Tensor
    copies: list[Mark] = field(default_factory=list)
    """Of copies from it."""

    def place(self, tensor: Tensor) -> int | None:
        """Where a tensor begins in it; None: it lies elsewhere."""
        at = tensor.data_ptr() - self.memory.data_ptr()
        return at if 0 <= at < self.memory.nbytes else None

    def alias(self, tensor: Tensor, at: int) -> Tensor:
        """Give the same bytes as a tensor that keeps only the whole memory alive."""
        last = sum((length - 1) * stride for length, stride in zip(tensor.shape, tensor.stride(), strict=True))
        flat = self.memory.view(-1)[at : at + (last + 1) * tensor.itemsize].view(tensor.dtype)
        return flat.as_strided(tensor.shape, tensor.stride())


class SimulatedAccelerator:
    """A device without hardware; see `feedrate.loading.accelerator.Accelerator`.

    Work is queued by stream, with nothing but addresses, and done when somebody waits for it or `schedule` says so:
    copies read what their source holds then. Memory that was dropped goes back to its stream at once, poisoned in
    between. Both kinds of memory are bounded. Inside `using`, torch's operations on its tensors are such work.
    """

    torch_pins = False
    torch_device = "cpu"
    uuid = ""

    def __init__(
        self,
        memory_bytes: int = 8 << 20,
        pinned_bytes: int = 8 << 20,
        schedule: Schedule = at_the_last,
        refuses: int | None = None,
    ) -> None:
        """Hold so many bytes on the device, and so many page-locked ones on the host.

        `refuses`: the number of the allocation, from 0, that finds no room on the device however much there is.
        """
        self._sizes = memory_bytes, pinned_bytes
        self._scheduler = Scheduler(schedule)
        self._dropped: deque[tuple[Arena, Block]] = deque()
        self._memory = Arena(memory_bytes, lambda block: self._dropped.append((self._memory, block)))
        self._pinned = Arena(pinned_bytes, lambda block: self._dropped.append((self._pinned, block)))
        self._late: list[tuple[Arena, Block, list[Mark]]] = []
        """Dropped blocks that streams still use."""
        self._copies: dict[Block, list[Mark]] = {}
        """From page-locked blocks."""
        self._locked: list[_Locked] = []
        self._ended: deque[CapturingStream] = deque()
        """Of graphs that are gone."""
        self._default = self._scheduler.stream()
        self._here = local()
        self._peak = 0
        self._refuses = refuses
        self.allocations = 0
        """Of the device's memory, so far."""
        self.names: list[str] = []
        """What `named` was given, in order."""
        self.is_traced = False
        self._counted = CopiedBytes()

    def __reduce__(self) -> tuple[type[SimulatedAccelerator], tuple[int, int]]:
        """Give another process a device of its own, of the same size."""
        return SimulatedAccelerator, self._sizes

    # --- streams

    def stream(self) -> SimulatedStream:
        """See `Accelerator`."""
        return self._scheduler.stream()

    def current_stream(self) -> SimulatedStream:
        """See `Accelerator`."""
        streams = self._streams_here
        return streams[-1] if streams else self._default

    @property
    def _streams_here(self) -> list[SimulatedStream]:
        if not hasattr(self._here, "streams"):
            self._here.streams = []
        streams: list[SimulatedStream] = self._here.streams
        return streams

    def using(self, stream: Any) -> AbstractContextManager[object]:
        """See `Accelerator`."""
        return self._used(self.current_stream() if stream is None else stream)

    @contextmanager
    def _used(self, stream: SimulatedStream) -> Iterator[None]:
        streams = self._streams_here
        streams.append(stream)
        try:
            if len(streams) > 1:
                yield
                return
            with _Dispatched(self), Called(self):
                yield
        finally:
            streams.pop()

    def event(self) -> SimulatedEvent:
        """See `Accelerator`."""
        return SimulatedEvent(self.current_stream, self._scheduler)

    def record_stream(self, tensor: Tensor, stream: Any) -> None:
        """See `Accelerator`."""
        block = self._memory.block_of(tensor)
        if block is not None:
            block.users.add(stream)

    def synchronize(self) -> None:
        """See `Accelerator`.

        Raises:
            RuntimeError: a graph is captured.
        """
        here = self.current_stream()
        if isinstance(here, CapturingStream):
            here.refuse()
        self._scheduler.synchronize()

    def delay(self, seconds: float) -> None:
        """See `Accelerator`."""
        self.current_stream().give(lambda: burn_cpu(seconds))

    # --- graphs

    @contextmanager
    def capture(self) -> Iterator[SimulatedGraph]:
        """See `Accelerator`."""
        self.synchronize()
        stream = CapturingStream(self._scheduler)
        graph = SimulatedGraph(self.current_stream, stream.noted)
        self._memory.reserve(stream)
        weakref.finalize(graph, self._ended.append, stream).atexit = False
        try:
            with self._used(stream):
                yield graph
        finally:
            stream.close()

    @property
    def captures(self) -> bool:
        """Whether this thread's operations are noted in a graph."""
        return isinstance(self.current_stream(), CapturingStream)

    def make_capturable(self, optimizer: torch.optim.Optimizer) -> None:
        """See `Accelerator`: torch refuses `capturable` where it sees a CPU, and what is `fused` counts there, too.

        Raises:
            UnavailableError: the optimizer can count on the host alone.
        """
        for group in optimizer.param_groups:
            if "capturable" in group and "fused" not in group:
                raise UnavailableError(
                    f"{type(optimizer).__name__} counts its steps on the host where torch sees a CPU, as it does on the"
                    " simulated device; take cuda, or an optimizer that can be fused"
                )
            if "capturable" in group:
                group["fused"] = True

    # --- memory of the device

    def holds(self, tensor: Tensor) -> bool:
        """See `Accelerator`."""
        return self._memory.holds(tensor)

    def place(self, model: nn.Module) -> nn.Module:
        """See `Accelerator`."""
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.data = self.moved(tensor.data)
        return model

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """See `Accelerator`."""
        with self._scheduler.lock, self._scheduler.really():
            return self._allocated(math.prod(shape) * dtype.itemsize).view(dtype).view(shape)

    def _allocated(self, nbytes: int) -> Tensor:
        number, self.allocations = self.allocations, self.allocations + 1
        self._settle()
        memory = None if number == self._refuses else self._memory.allocate(nbytes, self.current_stream())
        if memory is None and number != self._refuses:
            # As torch's allocator does before it gives up.
            self._scheduler.synchronize()
            self._settle()
            self._scheduler.synchronize()
            self._memory.reclaim()
            memory = self._memory.allocate(nbytes, self.current_stream())
        if memory is None:
            raise torch.OutOfMemoryError(
                f"simulated device out of memory. Tried to allocate {nbytes} bytes,"
                f" {self._memory.nbytes - self._memory.held} of {self._memory.nbytes} are free"
            )
        self._peak = max(self._peak, self._memory.held)
        return memory

    def _settle(self) -> None:
        """Take back what was dropped, as far as nobody uses it any more."""
        while self._ended:
            self._memory.release(self._ended.popleft())
        while self._dropped:
            arena, block = self._dropped.popleft()
            marks = self._copies.pop(block, [])
            marks += [stream.mark() for stream in block.users if stream is not block.owner]
            self._late.append((arena, block, marks))
        late, self._late = self._late, []
        for arena, block, marks in late:
            if not all(mark.done for mark in marks):
                self._late.append((arena, block, marks))
                continue
            if block.owner is None:
                arena.poison(block)
            else:
                # Whatever its stream was given before comes first.
                block.owner.give(lambda arena=arena, block=block: arena.poison(block))
            arena.free(block)

    def total_bytes(self) -> int:
        """See `Accelerator`."""
        return self._memory.nbytes

    def free_bytes(self) -> int:
        """See `Accelerator`."""
        return self._memory.nbytes - self.allocated_bytes()

    def allocated_bytes(self) -> int:
        """See `Accelerator`."""
        with self._scheduler.lock:
            self._settle()
            return self._memory.held

    def reserved_bytes(self) -> int:
        """See `Accelerator`."""
        return self.allocated_bytes()

    def peak_bytes(self) -> tuple[int, int]:
        """See `Accelerator`."""
        return self._peak, self._peak

    def empty_cache(self) -> None:
        """See `Accelerator`: nothing is held in reserve here."""
        self.synchronize()

    def reset_peaks(self) -> None:
        """See `Accelerator`."""
        self._peak = self.allocated_bytes()

    # --- page-locked memory

    def page_locked(self, nbytes: int) -> Tensor:
        """See `Accelerator`.

        Raises:
            RuntimeError: there is no room.
        """
        with self._scheduler.lock, self._scheduler.really():
            self._settle()
            memory = self._pinned.allocate(nbytes, None)
            if memory is None:
                self._scheduler.synchronize()
                self._settle()
                self._pinned.reclaim()
                memory = self._pinned.allocate(nbytes, None)
            if memory is None:
                raise RuntimeError(f"no room for {nbytes} bytes of page-locked memory in {self._pinned.nbytes}")
            return memory

    def pin_memory(self, tensor: Tensor) -> Tensor:
        """See `Accelerator`."""
        if self._pinned.holds(tensor) or any(locked.place(tensor) is not None for locked in self._locked):
            return tensor
        pinned = self.page_locked(tensor.numel() * tensor.itemsize).view(tensor.dtype).view(tensor.shape)
        return pinned.copy_(tensor)

    def lock_pages(self, memory: Tensor) -> bool:
        """See `Accelerator`."""
        self._locked.append(_Locked(memory))
        return True

    def unlock_pages(self, memory: Tensor) -> None:
        """See `Accelerator`.

        Raises:
            RuntimeError: a copy from it is not done yet.
        """
        locked = next(each for each in self._locked if each.memory.data_ptr() == memory.data_ptr())
        self._locked.remove(locked)
        if not all(mark.done for mark in locked.copies):
            raise RuntimeError("memory was unlocked while it was still copied from")

    def pinned_bytes(self) -> int:
        """See `Accelerator`."""
        with self._scheduler.lock:
            self._settle()
            return self._pinned.held

    @contextmanager
    def named(self, name: str) -> Iterator[None]:
        """See `Accelerator`."""
        self.names.append(name)
        yield

    def libraries(self) -> dict[str, str]:
        """See `Accelerator`: none."""
        return {}

    # --- copies

    def to_device(self, tensor: Tensor) -> Tensor:
        """See `Accelerator`."""
        if not self.holds(tensor):
            self._counted.add(tensor.nbytes, pinned=self._is_page_locked(tensor))
        return self.moved(tensor)

    def moved(self, tensor: Tensor) -> Tensor:
        """Do the same for torch, whose own copies nobody counts."""
        if not self.holds(tensor):
            self._demand_capturable(tensor)
        return self.computed(tensor)

    def computed(self, tensor: Tensor) -> Tensor:
        """Give a tensor that a device would make by itself, without a copy; a graph makes the same at each replay."""
        if self.holds(tensor):
            return tensor
        with self._scheduler.lock, self._scheduler.really():
            copy = self.empty(tuple(tensor.shape), tensor.dtype)
            self._upload(copy, tensor)
            return copy

    def copy(self, target: Tensor, source: Tensor) -> None:
        """See `Accelerator`."""
        self._counted.add(source.nbytes, pinned=self._is_page_locked(source))
        target.copy_(source, non_blocking=True)

    def copied_bytes(self) -> tuple[int, int]:
        """See `Accelerator`."""
        return self._counted.so_far

    def _is_page_locked(self, tensor: Tensor) -> bool:
        in_arena = self._pinned.block_of(tensor) is not None
        return in_arena or any(locked.place(tensor) is not None for locked in self._locked)

    def _demand_capturable(self, tensor: Tensor) -> None:
        """Refuse a copy that a graph cannot hold.

        Raises:
            RuntimeError: a graph is captured, and the tensor is in memory of the host that is not page-locked.
        """
        if self.captures and tensor.numel() and not self._is_page_locked(tensor):
            raise RuntimeError("cannot copy from memory that is not page-locked while a graph is captured")

    def _upload(self, target: Tensor, source: Tensor) -> Mark:
        """Copy from the host to the device in the current stream; gives the copy's end."""
        stream, there, origin, copies = self.current_stream(), self._memory.alias(target), source, list[Mark]()
        block = self._pinned.block_of(source)
        locked = next((each for each in self._locked if each.place(source) is not None), None)
        if block is not None:
            origin, copies = self._pinned.alias(source), self._copies.setdefault(block, [])
        elif locked is not None:
            origin, copies = locked.alias(source, locked.place(source) or 0), locked.copies
        else:
            # What is not page-locked is copied into a buffer of the driver's before the call returns.
            origin = source.clone()
        stream.give(lambda: there.copy_(origin))
        mark = stream.mark()
        copies.append(mark)
        return mark

    def download(self, tensor: Tensor) -> Tensor:
        """Copy a tensor of the device to the host, after all that the current stream was given before."""
        with self._scheduler.lock, self._scheduler.really():
            self.current_stream().synchronize()
            return self._memory.alias(tensor).clone()

    # --- torch's operations

    def operate(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Do what torch was asked for: at once on the host, in the current stream where a tensor is the device's.

        Raises:
            RuntimeError: it mixes tensors of both.
        """
        tensors = [*_tensors(args), *_tensors(kwargs.values())]
        if not any(map(self.holds, tensors)):
            return function(*args, **kwargs)
        with self._scheduler.lock:
            if _is_view(function) or function.overloadpacket is _ATEN.set_:
                return function(*args, **kwargs)
            if function is _ATEN.copy_.default:
                return self._copied(*args, **kwargs)
            for tensor in tensors:
                if not self.holds(tensor) and tensor.ndim and tensor.numel():
                    raise RuntimeError(
                        f"{function}: expected all tensors to be on the same device, found one of the host"
                    )
            if function._schema.is_mutable:
                return self._changed(function, args, kwargs)
            return self._made(function, args, kwargs)

    def _copied(self, target: Tensor, source: Tensor, non_blocking: bool = False) -> Tensor:  # torch's own form
        if not self.holds(target):
            target.copy_(self.download(source))
            return target
        if self.holds(source):
            self._changed(_ATEN.copy_.default, (target, source), {})
            return target
        self._demand_capturable(source)
        mark = self._upload(target, source)
        if not non_blocking:
            mark.force()
        return target

    def _changed(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Queue what writes to a tensor that is there; gives that one."""
        aliases, named = self._aliases(args, kwargs)
        self.current_stream().give(_careful(lambda: function(*aliases, **named)))
        if not function._schema.returns:
            return None
        return kwargs["out"] if "out" in kwargs else args[0]

    def _made(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Queue what makes new tensors; what hangs on values is done at once, after all that was given before."""
        here = {name: value for name, value in kwargs.items() if name not in ("device", "pin_memory")}
        shaped, form = pytree.tree_flatten(_shaped(function, args, here))
        aliases, named = self._aliases(args, here)
        if not any(isinstance(leaf, Tensor) for leaf in shaped):
            self.current_stream().synchronize()
            value = function(*aliases, **named)
            return pytree.tree_map(lambda leaf: self.moved(leaf) if isinstance(leaf, Tensor) else leaf, value)
        made = [self._like(leaf) if isinstance(leaf, Tensor) else leaf for leaf in shaped]
        targets, gradients = (
            [self._memory.alias(leaf) for leaf in made if isinstance(leaf, Tensor)],
            torch.is_grad_enabled(),
        )

        def run() -> None:
            # oneDNN makes a workspace for the way back, or none.
            with torch.set_grad_enabled(gradients):
                result = function(*aliases, **named)
            values = [leaf for leaf in pytree.tree_leaves(result) if isinstance(leaf, Tensor)]
            if [value.shape for value in values] != [target.shape for target in targets]:
                raise AssertionError(f"{function} makes other tensors than torch's meta device says")
            for target, value in zip(targets, values, strict=True):
                target.copy_(value)

        self.current_stream().give(_careful(run))
        return pytree.tree_unflatten(made, form)

    def _like(self, shaped: Tensor) -> Tensor:
        return self.empty((_extent(shaped),), shaped.dtype).as_strided(shaped.shape, shaped.stride())

    def _aliases(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Give the arguments as a device knows them: addresses, and numbers as they are now."""

        def alias(leaf: object) -> object:
            if not isinstance(leaf, Tensor):
                return leaf
            return self._memory.alias(leaf) if self.holds(leaf) else leaf.clone()

        return pytree.tree_map(alias, args), pytree.tree_map(alias, kwargs)


class _Dispatched(TorchDispatchMode):
    """Sends torch's operations of this thread to a device."""

    def __init__(self, device: SimulatedAccelerator) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._device = device

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """See `TorchDispatchMode`."""
        del types
        return self._device.operate(func, args, kwargs or {})


def _tensors(values: Iterable[object]) -> Iterator[Tensor]:
    """Yield the tensors among arguments, which may be lists of some."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


@cache
def _is_view(function: Any) -> bool:
    """Whether an operation gives another tensor of the same memory."""
    aliased = [argument.alias_info for argument in function._schema.arguments if argument.alias_info is not None]
    return bool(aliased) and not any(info.is_write for info in aliased)


def _shaped(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Give the result without its values; None: it hangs on those of the arguments."""
    try:
        if function in _UNTOLD:
            return function(*pytree.tree_map(_of_zeros, args), **pytree.tree_map(_of_zeros, kwargs))
        shaped = function(*pytree.tree_map(_on_meta, args), **pytree.tree_map(_on_meta, kwargs))
    except (NotImplementedError, RuntimeError):
        return None
    whole = all(leaf is None or isinstance(leaf, Tensor) for leaf in pytree.tree_leaves(shaped))
    return shaped if whole else None


def _on_meta(leaf: object) -> object:
    """A tensor of the same form without memory."""
    if not isinstance(leaf, Tensor):
        return leaf
    return torch.empty_strided(leaf.shape, leaf.stride(), dtype=leaf.dtype, device="meta")


def _of_zeros(leaf: object) -> object:
    """A tensor of the same form that holds nothing but zeros."""
    return torch.zeros(leaf.shape, dtype=leaf.dtype) if isinstance(leaf, Tensor) else leaf


def _extent(tensor: Tensor) -> int:
    """Count the elements between the first and the last of a tensor, both included."""
    if not tensor.numel():
        return 0
    return 1 + sum((length - 1) * stride for length, stride in zip(tensor.shape, tensor.stride(), strict=True))


def _careful(run: Callable[[], object]) -> Callable[[], None]:
    """Do work that may meet nonsense, such as positions read from poisoned memory: its result is nonsense, too."""

    def go() -> None:
        try:
            run()
        except (IndexError, RuntimeError):
            return

    return go
