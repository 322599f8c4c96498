"""Python runs this at its start in every process below a command that is measured: `feedrate why -- COMMAND`.

It is on the path for that; a `sitecustomize` that was there before runs after it. It waits until torch's loader is
imported, and takes its place in the loop then. Where nothing can be measured, in worker processes and in those of
multiprocessing itself, it does nothing. It imports only what the interpreter has at its start: every module more is
paid for in each of those processes.
"""

import os
import sys
from _frozen_importlib_external import PathFinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib takes longer to import than all this
_ROOT = _HERE.rsplit(os.sep + "feedrate" + os.sep, 1)[0]

_LOADERS = {
    "torch.utils.data.dataloader": "DataLoader",
    "torchdata.stateful_dataloader.stateful_dataloader": "StatefulDataLoader",
}
"""Modules, and the class in each that has an `__iter__` of its own."""
_SAMPLERS = {"torch.utils.data.distributed": "DistributedSampler"}
"""Modules, and the class in each that is told which epoch it is."""


class _Watch:
    """Find the package that measures, of the version that asked; of a module that defines a loader, have it patched."""

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        """Give the usual spec of a module that defines a loader or a sampler, with one that patches it."""
        if name == "feedrate":
            return PathFinder.find_spec(name, [_ROOT], target)
        if name not in _LOADERS and name not in _SAMPLERS:
            return None
        specs = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, specs), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _Patching(spec.loader)  # type: ignore[assignment] # what importlib.abc.Loader asks, without it
        return spec


class _Patching:
    """Run a module as its own loader does, and patch the class that loads batches, or that shuffles."""

    def __init__(self, usual: "Loader") -> None:
        self._usual = usual

    def create_module(self, spec: "ModuleSpec") -> "ModuleType | None":
        """Leave that to the module's own loader."""
        return self._usual.create_module(spec)

    def exec_module(self, module: "ModuleType") -> None:
        """Run the module, give it its own loader back, and patch its class."""
        self._usual.exec_module(module)
        module.__loader__ = self._usual
        if module.__spec__ is not None:
            module.__spec__.loader = self._usual
        from feedrate.metering.script.patch import patch, patch_sampler

        if module.__name__ in _SAMPLERS:
            patch_sampler(getattr(module, _SAMPLERS[module.__name__]))
        else:
            # The loader of torch comes first, whatever else there is.
            patch(getattr(module, _LOADERS[module.__name__]))


def _serves_multiprocessing() -> bool:
    """Whether this process is one that multiprocessing starts: a worker, the fork server, or the resource tracker."""
    arguments = sys.orig_argv
    place = arguments.index("-c") if "-c" in arguments else -1
    return place >= 0 and "multiprocess" in arguments[place + 1][:40]


def _run_next() -> None:
    """Leave the path as it is without this, and run the `sitecustomize` that this one hides."""
    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder) != _HERE]  # noqa: PTH100
    spec = PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        from _frozen_importlib import module_from_spec

        module = module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


if os.environ.get("FEEDRATE_SCRIPT") and not _serves_multiprocessing():
    sys.meta_path.insert(0, _Watch())
_run_next()
