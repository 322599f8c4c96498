"""`feedrate init`: write what asv needs to measure a person's own training at each commit of their repository."""

from __future__ import annotations

import json
import os
import shlex
from argparse import ArgumentParser, Namespace
from importlib.util import find_spec
from pathlib import Path

from feedrate.cli.context import CommandContext
from feedrate.cli.new_files import from_template, write_new
from feedrate.cli.script import demand_command
from feedrate.errors import UnavailableError, UsageError
from feedrate.revisions.script_tree import commit_in, demand_relative, git, repository_of
from feedrate.runner.script_command import ScriptCommand

__all__ = ["arguments", "run"]

_CONFIGURATION, _BENCHMARKS = "asv.conf.json", "benchmarks"
_COMMITS = 5
"""That the command which is printed measures, if there are so many."""
_ELSEWHERE = "asv_training"
"""A folder for who has an asv of their own."""


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.epilog = "after `--` stands the command that trains, as you type it: feedrate init -- python train.py"
    parser.add_argument(
        "--folder", type=Path, default=Path(), metavar="DIR", help=f"for {_CONFIGURATION} and {_BENCHMARKS}: this one"
    )


def run(options: Namespace, shell: CommandContext) -> int:
    """Write them, and print the two commands to type: 0 done, 2 there is no such training, or something is there."""
    demand_command(options, "init")
    command, folder = ScriptCommand(tuple(options.script)), options.folder
    command.demand_program()
    if find_spec("asv") is None:
        raise UnavailableError("asv is not installed; `pip install feedrate[asv]` provides it")
    root = _repository(Path.cwd())
    _demand_committed(command, Path.cwd())
    typed = shlex.join(command.words)
    elsewhere = f"`feedrate init --folder {_ELSEWHERE} -- {typed}` writes beside it"
    _demand_free(folder, elsewhere)
    write_new(_texts(typed, root, folder), elsewhere)
    for line in _note(typed, root, folder):
        shell.out.print(line, soft_wrap=True, markup=False, highlight=False)
    return 0


def _repository(here: Path) -> Path:
    """Give the root of the repository that a folder is in.

    Raises:
        UsageError: it is in none, or that has no commit.
    """
    root = repository_of(here)
    if root is None:
        raise UsageError(f"{str(here)!r} is in no repository of git, and asv measures commits; `git init` makes one")
    if not commit_in(root, "HEAD"):
        raise UsageError(f"{str(root)!r} has no commit yet, and asv measures commits; commit your training first")
    return root


def _demand_committed(command: ScriptCommand, here: Path) -> None:
    """Refuse a script that is not there, or that no commit has.

    Raises:
        UsageError: it is such a one.
    """
    demand_relative(command.words, here)
    script = command.script
    if script and not Path(script).is_file():
        raise UsageError(f"{script!r} is no file here; give the command as you would type it")
    if script and not git(here, "ls-tree", "--name-only", "HEAD", "--", script):
        raise UsageError(
            f"{script!r} is not in the last commit of this repository, and asv measures commits; commit it"
        )


def _demand_free(folder: Path, way_out: str) -> None:
    """Refuse a folder in which asv would find what is somebody else's.

    Raises:
        UsageError: there is something of the name of what is to be written.
    """
    for name in (_CONFIGURATION, f"{_CONFIGURATION}c", _BENCHMARKS):
        if os.path.lexists(folder / name):
            raise UsageError(f"{folder / name} is there already, and is left as it is; {way_out}")


def _texts(typed: str, root: Path, folder: Path) -> dict[Path, str]:
    """Give what is written, by file."""
    seen_from = folder.resolve()
    names = {
        "project": json.dumps(root.name, ensure_ascii=False),
        "repo": json.dumps(os.path.relpath(root.resolve(), seen_from), ensure_ascii=False),
        # JSON's texts are Python's, too; what cannot be printed, such as half a sign, is written as its number.
        "command": json.dumps(typed, ensure_ascii=not typed.isprintable()),
        "folder": json.dumps(os.path.relpath(Path.cwd(), seen_from), ensure_ascii=False),
    }
    return {
        folder / _CONFIGURATION: from_template("asv_conf", names),
        folder / _BENCHMARKS / "__init__.py": '"""Benchmarks for asv."""\n',
        folder / _BENCHMARKS / "training.py": from_template("training", names),
    }


def _note(typed: str, root: Path, folder: Path) -> tuple[str, ...]:
    """Say what was written, the two commands to type, what each gives, and how to be rid of it."""
    inside = folder == Path()
    option = "" if inside else f"--config {shlex.quote(str(folder / _CONFIGURATION))} "
    run, publish = f"asv run -e {option}{_range(root)}", f"asv publish {option}".strip()
    width = max(len(run), len(publish))
    mine = [folder / name for name in (_CONFIGURATION, _BENCHMARKS, ".asv")]
    times = "time a sample together (T_F), of the loader (T_L) and the step (T_S) alone, first batch, memory, stalls"
    return (
        f"wrote {mine[0]}, {mine[1]}/__init__.py and training.py: `{typed}` for asv, at each commit with its own code",
        f"  {run:{width}}  {times}; -e says why a commit failed",
        f"  {publish:{width}}  their history, in {mine[2]}/html/index.html; `asv preview` serves it",
        f"before the first run: `feedrate machine` tells asv of this machine, and {mine[2]} goes into .gitignore",
        f"to be rid of it: rm -r {shlex.join(map(str, mine))}",
    )


def _range(root: Path) -> str:
    """Name the last commits of the branch, for asv."""
    branch = shlex.quote(git(root, "symbolic-ref", "--short", "--quiet", "HEAD") or "HEAD")
    before = min(_COMMITS, int(git(root, "rev-list", "--count", "--first-parent", "HEAD")) - 1)
    return f"{branch}~{before}..{branch}" if before else branch
