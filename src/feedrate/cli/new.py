"""`feedrate new`: write the first file of a plugin, and its test."""

from __future__ import annotations

import keyword
from argparse import ArgumentParser, Namespace
from importlib.util import find_spec
from pathlib import Path

import feedrate
from feedrate.cli.context import CommandContext
from feedrate.cli.new_files import from_template, write_new
from feedrate.errors import UsageError
from feedrate.plugin.names import name_fault
from feedrate.plugin.registry import Registry

__all__ = ["arguments", "run"]

_TRY = {
    "loader": "--loader {name} --loader inline --step fp32",
    "step": "--loader inline --step {name} --step fp32",
    "workload": "--loader inline --step fp32",
}
"""What compares a strategy of each family with one that ships."""


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("family", choices=tuple(_TRY), help="what to write: a loader, a step or a workload")
    parser.add_argument("name", metavar="NAME", help="its name, and that of its file, such as my_loader")


def run(options: Namespace, shell: CommandContext) -> int:
    """Write NAME.py and test_NAME.py into the working directory, and print the commands that try them."""
    family, name = options.family, options.name
    _demand_name(family, name)
    names = {"name": name, "cls": _class_name(family, name)}
    texts = {f"{name}.py": from_template(family, names), f"test_{name}.py": from_template(f"test_{family}", names)}
    write_new({Path(file): text for file, text in texts.items()}, "choose another name")
    on = name if family == "workload" else "boardmoves"
    shell.out.print(f"wrote {name}.py and its test, test_{name}.py; next:", soft_wrap=True)
    shell.out.print(f"  feedrate check {name} --plugin {name}.py", soft_wrap=True)
    shell.out.print(f"  feedrate run {on} --plugin {name}.py {_TRY[family].format(name=name)}", soft_wrap=True)
    return 0


def _demand_name(family: str, name: str) -> None:
    """Refuse a name that no plugin file can have.

    Raises:
        UsageError: it breaks the rule of names, is no module's name, or something else is called that.
    """
    fault = name_fault(name)
    if fault:
        raise UsageError(f"a {family} cannot have the name {name!r}; {fault}")
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        raise UsageError(f"{name!r} names no module: begin with a letter, go on with letters, digits and _")
    plugin = Registry.load().origins.get(f"{family}/{name}")
    if plugin:
        raise UsageError(f"plugin {plugin!r} offers a {family} {name!r} already; choose another name")
    # A file that is there already is told by its own line.
    if not Path(f"{name}.py").exists() and find_spec(name) is not None:
        raise UsageError(
            f"a module is called {name!r} already, which the file would hide beside it; choose another name"
        )


def _class_name(family: str, name: str) -> str:
    """`MyLoader` for my_loader; followed by the family where feedrate has a class of that name."""
    words = "".join(word[:1].upper() + word[1:] for word in name.split("_"))
    return f"{words}{family.title()}" if words in feedrate.__all__ else words
