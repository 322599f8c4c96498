"""Write the page on all commands from their parsers, as `make docs` puts it into the site."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from feedrate.cli import COMMANDS, TAKING_SCRIPTS, _parsers

HEAD = """\
# Commands

Made from the parsers when this site was built; `feedrate COMMAND --help` prints the same. Options that are always the
same stand in a [feedrate.toml](settings.md). Exit status: 0 done, 1 some cells failed or some lines could not be read,
2 usage or environment, 130 interrupted.
"""
NUMBERS = {None: "{}", "?": "[{}]", "*": "[{} ...]", "+": "{} ..."}
"""How often the value of an argument may come."""


def page() -> str:
    """Write the page: each command with its arguments, group by group."""
    overview = [f"- [{name}](#feedrate-{name}): {COMMANDS[name]}" for name in COMMANDS]
    return "\n".join([HEAD, *overview, "", *(line for name in COMMANDS for line in section(name))])


def section(name: str) -> Iterator[str]:
    """Yield the lines on one command."""
    _, parser = _parsers(name)
    yield from (f"## feedrate {name}", "", f"{parser.description}", "")
    if name in TAKING_SCRIPTS:
        yield from (f"Takes a training of your own: `feedrate {name} -- python train.py` ([how](own-training.md)).", "")
    for group in parser._action_groups:
        actions = [action for action in group._group_actions if action.help is not argparse.SUPPRESS]
        if actions:
            yield from table(group.title or "arguments", group.description, actions, parser)
    if parser.epilog:
        yield from ("```text", parser.epilog.strip(), "```", "")


def table(
    title: str, about: str | None, actions: list[argparse.Action], parser: argparse.ArgumentParser
) -> Iterator[str]:
    """Yield the arguments of a group as a table."""
    yield from (f"**{title}**" + (f" ({cell(about)})" if about else ""), "", "| argument | meaning |", "|---|---|")
    for action in actions:
        yield f"| {written(action)} | {cell(explained(action, parser))} |"
    yield ""


def written(action: argparse.Action) -> str:
    """Give what a user types for an argument."""
    if not action.option_strings:
        return f"`{value(action)}`"
    behind = "" if action.nargs == 0 else f" {value(action)}"
    return ", ".join(f"`{option}{behind}`" for option in action.option_strings)


def value(action: argparse.Action) -> str:
    """Give the name that stands for an argument's value."""
    if action.choices is not None and action.metavar is None:
        name = "{" + ",".join(map(str, action.choices)) + "}"
    else:
        name = str(action.metavar or action.dest.upper())
    # What stands in a table may hold no bar.
    return NUMBERS.get(action.nargs if isinstance(action.nargs, str) else None, "{}").format(name).replace("|", "/")


def explained(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    """Give an argument's help, its default filled in."""
    return parser._get_formatter()._expand_help(action) if action.help else ""


def cell(words: str) -> str:
    """Make plain words safe in a cell of a table, where they would be taken for markup."""
    for mark in ("\\", "|", "<", "*", "_", "`", "[", "]", "$"):
        words = words.replace(mark, f"\\{mark}" if mark not in "<$" else {"<": "&lt;", "$": "&#36;"}[mark])
    return " ".join(words.split())


if __name__ == "__main__":
    print(page())
