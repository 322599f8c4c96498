"""Look at the gradient of each parameter in one update, sum it up by module, and name modules that get none."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from feedrate.records.digits import significant
from feedrate.records.training_health import ModuleGradient

__all__ = ["GradientNorms", "gradient_norms"]

_DIGITS = 4


class GradientNorms:
    """The Euclidean norm of each trainable parameter's gradient; of one that was left out there is none."""

    def __init__(self, trainable: tuple[str, ...], norms: Mapping[str, float]) -> None:
        """`trainable` names all parameters that should have one."""
        self._trainable, self._norms = trainable, norms

    @property
    def total(self) -> float | None:
        """All of them together; None: no parameter has one, or not all are finite."""
        return _together(self._norms.values()) if self._norms else None

    @property
    def by_module(self) -> tuple[ModuleGradient, ...]:
        """By the part of a model, in its order; empty where `total` is None."""
        if self.total is None:
            return ()
        parts: dict[str, list[float]] = defaultdict(list)
        for name in self._trainable:
            parts[_part(name)].append(self._norms.get(name, 0.0))
        return tuple(ModuleGradient(part, _together(norms) or 0.0) for part, norms in parts.items())

    @property
    def without(self) -> tuple[str, ...]:
        """Modules no parameter of which has a gradient other than 0, and parameters that were left out beside others.

        Empty where no parameter at all has one: then gradients are not where this looks for them.
        """
        if not any(self._norms.values()):
            return ()
        named = (self._silent(name) for name in self._trainable)
        return tuple(dict.fromkeys(name for name in named if name))

    def _silent(self, name: str) -> str:
        """The outermost module around a parameter that is silent as a whole, or the parameter itself; or nothing."""
        if self._norms.get(name):
            return ""
        parts = name.split(".")
        for depth in range(1, len(parts)):
            module = ".".join(parts[:depth])
            if not any(self._norms.get(other) for other in self._trainable if other.startswith(f"{module}.")):
                return module
        return "" if name in self._norms else name


@contextmanager
def gradient_norms(model: nn.Module, scale: float = 1.0) -> Iterator[Callable[[], GradientNorms]]:
    """Look at gradients as they come inside the block, before an optimizer clips, unscales or drops them.

    What is yielded gives those of the last backward pass, added up as it adds them; `scale`: of the loss.
    """
    kept: dict[str, Tensor] = {}
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    hooks = [p.register_post_accumulate_grad_hook(_keeper(kept, name)) for name, p in trainable.items()]
    try:
        yield lambda: GradientNorms(tuple(trainable), {name: float(kept[name]) / scale for name in kept})
    finally:
        for hook in hooks:
            hook.remove()


def _keeper(kept: dict[str, Tensor], name: str) -> Callable[[Tensor], None]:
    def keep(parameter: Tensor) -> None:
        if parameter.grad is not None:
            kept[name] = torch.linalg.vector_norm(parameter.grad.detach().float())

    return keep


def _together(norms: Iterable[float]) -> float | None:
    total = math.hypot(*norms)
    return significant(total, _DIGITS) if math.isfinite(total) else None


def _part(name: str) -> str:
    """The first part of a parameter's name; of a list of modules the number, too."""
    first, *others = name.split(".")
    return f"{first}.{others[0]}" if len(others) > 1 and others[0].isdigit() else first
