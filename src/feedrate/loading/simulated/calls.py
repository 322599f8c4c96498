"""What programs ask of a device by name, where its tensors are the host's in all that torch knows of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from feedrate.loading.simulated.accelerator import SimulatedAccelerator

__all__ = ["Called"]

_HERE = torch.device("cpu", 0)
"""What tensors of the device say of where they are; those of the host say `cpu`, and torch computes with both."""
_DEVICE_OF = Tensor.device.__get__
_GIVEN = (torch.tensor, torch.as_tensor, torch.asarray)
"""What makes tensors of values that the host gives; all else that makes some is work of the device."""


class Called(TorchFunctionMode):
    """Tells the device's tensors from the host's where a program looks, makes new ones, or moves them."""

    def __init__(self, device: SimulatedAccelerator) -> None:
        super().__init__()
        self._device = device

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """See `TorchFunctionMode`.

        Raises:
            TypeError: numpy is to look at the device's memory.
        """
        del types
        named = kwargs or {}
        first = args[0] if args else None
        if isinstance(first, Tensor):
            if func is Tensor.to:
                return self._moved(first, args[1:], named)
            if self._device.holds(first):
                return self._of_ours(func, first, args, named)
        made = func(*args, **named)
        if not (_is_here(named.get("device")) and isinstance(made, Tensor)):
            return made
        return self._device.moved(made) if func in _GIVEN else self._device.computed(made)

    def _of_ours(self, func: Any, first: Tensor, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if func == _DEVICE_OF:
            return _HERE
        if func is Tensor.numpy:
            raise TypeError("can't convert a tensor of the simulated device to numpy; copy it to the host with .cpu()")
        if func is Tensor.cpu:
            return self._device.download(first)
        if func is Tensor.tolist:
            return self._device.download(first).tolist()
        made = func(*args, **named)
        # Of its options, but written by the host.
        return self._device.moved(made) if func is Tensor.new_tensor else made

    def _moved(self, tensor: Tensor, args: tuple[Any, ...], named: dict[str, Any]) -> Tensor:
        """Give a tensor where, and in the dtype in which, it is asked for."""
        asked = next((value for value in (*args[:1], named.get("device")) if _is_device(value)), None)
        if asked is None:
            return tensor.to(*args, **named)
        rest = tuple(value for value in args if value is not asked)
        others = {name: value for name, value in named.items() if name != "device"}
        # The norm of gradients, which torch groups by what it knows of their device: no graph could wait for it.
        grouped = self._device.captures and self._device.holds(tensor) and not tensor.ndim
        stays = _is_here(asked) or (grouped and isinstance(asked, torch.device))
        moved = self._device.moved(tensor) if stays else self._on_host(tensor)
        return moved.to(*rest, **others) if rest or others else moved

    def _on_host(self, tensor: Tensor) -> Tensor:
        return self._device.download(tensor) if self._device.holds(tensor) else tensor


def _is_device(value: object) -> bool:
    return isinstance(value, str | torch.device)


def _is_here(value: object) -> bool:
    return _is_device(value) and str(value) == str(_HERE)
