"""Wait in a process of a person's training until torch's loader is imported, and take its place in the loop then."""

from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.util import find_spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["wait_for_torch"]

_LOADERS = {
    "torch.utils.data.dataloader": "DataLoader",
    "torchdata.stateful_dataloader.stateful_dataloader": "StatefulDataLoader",
}
"""Modules, and the class in each that has an `__iter__` of its own."""


def wait_for_torch() -> None:
    """Watch imports for the modules that define loaders; costs microseconds until one of them comes."""
    sys.meta_path.insert(0, _Watch())


class _Watch(MetaPathFinder):
    """Find nothing itself; of a module that defines a loader, have it patched when it has run."""

    def __init__(self) -> None:
        self._busy = False

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Give the usual spec of a module that defines a loader, with a loader that patches it."""
        if name not in _LOADERS or self._busy:
            return None
        self._busy = True
        try:
            spec = find_spec(name)
        finally:
            self._busy = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Patching(spec.loader)
        return spec


class _Patching(Loader):
    """Run a module as its own loader does, and patch the class that loads batches."""

    def __init__(self, usual: Loader) -> None:
        self._usual = usual

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Leave that to the module's own loader."""
        return self._usual.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, give it its own loader back, and patch it."""
        self._usual.exec_module(module)
        module.__loader__ = self._usual
        if module.__spec__ is not None:
            module.__spec__.loader = self._usual
        from feedrate.metering.script.patch import patch

        # The loader of torch comes first, whatever else there is.
        patch(getattr(module, _LOADERS[module.__name__]))
