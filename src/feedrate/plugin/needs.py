"""Say what a strategy cannot run without, and look whether it is here."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec

from feedrate.errors import UnavailableError, one_line

__all__ = ["Need", "cuda", "lacking", "package"]

_QUOTE = "'"
"""Of a shell, around the name of a distribution with an extra."""


@dataclass(frozen=True)
class Need:
    """Something a strategy cannot run without."""

    what: str
    met: Callable[[], bool]
    """Whether it is here; raises `UnavailableError` where it is and cannot be used: its text says what is wrong."""
    hint: str
    """How to get it: a command of whatever kind, or what else to do."""

    @property
    def reason(self) -> str:
        """Why a strategy that has this unmet need cannot run, and the way out."""
        return f"needs {self.what}: {self.hint}"


def lacking(need: Need) -> Need | None:
    """Give the need if it is not met; one that can say more than that, or fails to say so, does in its hint."""
    try:
        return None if need.met() else need
    except UnavailableError as error:
        return dataclasses.replace(need, hint=f"{one_line(error)}; {need.hint}")
    # A stranger's check may raise anything.
    except Exception as error:
        return dataclasses.replace(need, hint=f"whether it is here cannot be told ({one_line(error)}); {need.hint}")


def _has_cuda() -> bool:
    if "torch" in sys.modules:
        return bool(sys.modules["torch"].cuda.is_available())
    from feedrate.system.machine import gpus

    return bool(gpus())


cuda = Need("a CUDA device", _has_cuda, "run on a machine with an NVIDIA GPU and a CUDA build of torch")


def package(
    module: str, distribution: str = "", *, version: str = "", command: str = "", is_tried: bool = False
) -> Need:
    """Need an importable module. It is looked up where it lies, and not imported, which costs next to nothing.

    Args:
        module: Its name. Of one with dots the packages before the last dot are imported, unless it is tried.
        distribution: What pip calls it, if that differs.
        version: What its version must be, such as ">=1.2,<3": compared with what the installed distribution says of
            itself, which costs reading that.
        command: What provides it, such as `apt install libvips42`; unless given, `pip install` of the distribution.
        is_tried: It is also imported, in a child process, for it may be here and fail: a library that it shares is
            missing, or it ends its process. Costs that import, once for this process and all that it starts; whoever
            mends the package starts anew.

    Raises:
        ValueError: `version` is not of that form.
    """
    name = distribution or module
    wanted = f"'{name.strip(_QUOTE)}{version}'" if version else name
    return Need(
        f"the package {module!r}{' ' if version else ''}{version}",
        _Package(module, name, version, is_tried),
        f"`{command or f'pip install {wanted}'}` provides it",
    )


@dataclass(frozen=True)
class _Package:
    """Looks whether a module is here, is new enough and can be imported."""

    module: str
    distribution: str
    version: str
    is_tried: bool

    def __post_init__(self) -> None:
        if self.version:
            from packaging.specifiers import SpecifierSet

            SpecifierSet(self.version)

    def __call__(self) -> bool:
        # Finding a name with dots imports what stands before the last one.
        if not _is_found(self._top if self.is_tried else self.module):
            return False
        if self.version:
            self._demand_version()
        if self.is_tried:
            self._demand_import()
        return True

    @property
    def _top(self) -> str:
        return self.module.partition(".")[0]

    def _demand_version(self) -> None:
        from packaging.specifiers import SpecifierSet

        version = next(self._versions(), None)
        if version is None:
            raise UnavailableError("it is here, and nothing says in which version")
        # Whoever installed a version before its release did so on purpose.
        if not SpecifierSet(self.version).contains(version, prereleases=True):
            raise UnavailableError(f"version {version} is here")

    def _versions(self) -> Iterator[str]:
        """Yield what the distribution says that is called so, or the only one that holds the module."""
        from importlib.metadata import PackageNotFoundError, packages_distributions, version

        for name in filter(re.compile(r"[A-Za-z0-9._-]+").fullmatch, (self.distribution, self._top)):
            with suppress(PackageNotFoundError):
                yield version(name)
        # Last, for it reads what all distributions say.
        holders = set(packages_distributions().get(self._top, ()))
        if len(holders) == 1:
            yield version(holders.pop())

    def _demand_import(self) -> None:
        from feedrate.plugin.file_modules import library_path
        from feedrate.system.trial_import import import_fault

        fault = import_fault(self.module, library_path())
        if fault:
            raise UnavailableError(f"it is here, and importing it fails ({fault})")


def _is_found(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
