"""Python runs this at its start in every process below a command that is measured: `feedrate why -- COMMAND`.

It is on the path for that; a `sitecustomize` that was there before runs after it. Where nothing can be measured, in
worker processes and in those of multiprocessing itself, it does nothing.
"""

import os
import sys
from importlib.machinery import PathFinder

_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib takes longer to import than all this
_ROOT = _HERE.rsplit(os.sep + "feedrate" + os.sep, 1)[0]


class _Feedrate(PathFinder):
    """Serve the package that measures, of the version that asked, and nothing else that lies beside it."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):  # type: ignore[no-untyped-def]
        """Find modules below `feedrate`."""
        return super().find_spec(name, [_ROOT], target) if name == "feedrate" else None


def _serves_multiprocessing() -> bool:
    """Whether this process is one that multiprocessing starts: a worker, the fork server, or the resource tracker."""
    arguments = sys.orig_argv
    place = arguments.index("-c") if "-c" in arguments else -1
    return place >= 0 and "multiprocessing" in arguments[place + 1][:40]


def _run_next() -> None:
    """Run the `sitecustomize` that this one hides."""
    others = [folder for folder in sys.path if os.path.abspath(folder) != _HERE]  # noqa: PTH100
    spec = PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        from importlib.util import module_from_spec

        module = module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


if os.environ.get("FEEDRATE_SCRIPT") and not _serves_multiprocessing():
    sys.meta_path.insert(0, _Feedrate)
    from feedrate.metering.script.startup import wait_for_torch

    wait_for_torch()
_run_next()
