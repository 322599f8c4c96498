"""Tell which options a command line names, and where the values of the others come from."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Mapping, Sequence

from feedrate.api.settings import SAFE

__all__ = ["COMMAND_LINE", "is_set", "named_options", "origins"]

COMMAND_LINE = "command line"
_VARIABLES = {"data": "FEEDRATE_DATA", "safe": SAFE}
"""Variables that say what an option says, by its name."""
_WITHOUT_OPTION: Mapping[str, tuple[str, ...]] = {
    "workloads": ("workload",),
    "files": ("workload",),
    "cell": ("workload", "loader", "step"),
}
"""What a name that stands for itself names, by where it is kept."""


class _Named(Namespace):
    """Takes note of what a parser sets; it finds everything there already, so that it sets no default."""

    noted: set[str]

    def __init__(self, names: Iterable[str]) -> None:
        self.__dict__.update(dict.fromkeys(names), noted=set())

    def __setattr__(self, name: str, value: object) -> None:
        if value not in ([], None):
            self.noted.add(name)
        super().__setattr__(name, value)


def named_options(parser: ArgumentParser, words: Sequence[str], known: Iterable[str]) -> frozenset[str]:
    """Name the options that words of a command line set, also where they set what is the default anyway.

    `words`: such as `parser` takes; `known`: the names of all options.
    """
    namespace = _Named(known)
    parser.parse_known_args(words, namespace)
    return frozenset(namespace.noted)


def is_set(environ: Mapping[str, str], variable: str) -> bool:
    """Tell whether a variable says something: what is empty or 0 is as good as unset."""
    return environ.get(variable, "") not in ("", "0")


def origins(named: Iterable[str], environ: Mapping[str, str], file: Mapping[str, str]) -> dict[str, str]:
    """Say where the values of options come from that are not at their defaults, by the names of options.

    `file`: what a file says, and its name.
    """
    told = dict(file)
    told |= {option: variable for option, variable in _VARIABLES.items() if is_set(environ, variable)}
    for name in named:
        for option in _WITHOUT_OPTION.get(name, (name,)):
            told[option] = COMMAND_LINE
    return told
