"""The command line, and the only reader of arguments and environment. One module a command, imported when asked for."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import NoReturn

import feedrate
from feedrate.cli.configured import add_config, configured
from feedrate.cli.context import CommandContext
from feedrate.cli.endings import complain, is_lost, line_of
from feedrate.errors import FeedrateError, PluginError, UsageError
from feedrate.plugin.strategy import near

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "list": "what there is to measure, what each needs, and how to get what is missing",
    "run": "measure loaders feeding steps, and print the table",
    "why": "say what holds one cell back, and what to try next",
    "size": "say how large a batch and a chunk may be on devices of any memory",
    "tune": "find the settings of your own training's DataLoader that are best for it",
    "init": "have asv measure your own training at each commit of its repository",
    "show": "print the table of an earlier run again",
    "bundle": "put all that there is of a run into one zip file, to be attached to an issue",
    "report": "make one page of a run, with pictures, to look at or to send",
    "calibrate": "measure cells whose answer is known, and compare what is found with it",
    "new": "write a loader, step or workload to start from, and its test",
    "check": "hold a loader, step or workload to its contract",
    "compare": "is A faster than B: two cells, or one at two commits or with two plugin files",
    "study": "try changes one after the other, and say which hold and what each contributed",
    "data": "make, list, verify or remove the data sets",
    "doctor": "what this machine is, and what on it would bend a measurement",
    "bench": "measure the default matrix through asv at HEAD, and publish its history",
    "matrix": "what asv measures, against what there is to measure",
    "machine": "tell asv about this machine",
}
TAKING_SCRIPTS = ("why", "run", "tune", "init")
"""Commands after which `-- COMMAND` may stand: a person's own training."""
DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are ours: one line, with near matches."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see `{self.prog} --help`")


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run one command.

    Returns:
        0 done; 1 some cells failed; 2 a mistake in what was asked, or something missing, or nothing could be measured;
        130 interrupted.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    shell = CommandContext.standard(environ)
    try:
        return _finished(sys.argv[1:] if argv is None else argv, shell)
    except FeedrateError as error:
        complain(shell, str(error))
        return MISUSED
    except KeyboardInterrupt:
        complain(shell, "interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing may be flushed into the pipe on the way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        where = "standard output: " if is_lost(shell.out.file) else ""
        complain(shell, f"{where}{line_of(error)}")
        return MISUSED


def _interrupt(number: int, frame: object) -> None:
    """End like Ctrl-C does: what was measured is kept, what was started is ended."""
    del number, frame
    # Whoever asks twice, as a shell and a guard may, must not interrupt the cleaning up.
    for other in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    raise KeyboardInterrupt


def _finished(argv: Sequence[str], shell: CommandContext) -> int:
    """Run it, and hear of output that is not taken before the interpreter ends."""
    try:
        return _run(argv, shell)
    finally:
        shell.out.file.flush()


def _run(argv: Sequence[str], shell: CommandContext) -> int:
    command = next((word for word in argv if not word.startswith("-")), None)
    if command is not None and command not in COMMANDS:
        raise UsageError(f"no command {command!r}; {near(command, COMMANDS)}")
    parser, chosen = _parsers(command)
    ours, script = _split(argv)
    if script is not None and command not in TAKING_SCRIPTS:
        raise UsageError(f"a command after `--` is nothing for {command!r}; {' and '.join(TAKING_SCRIPTS)} take one")
    options, unknown = parser.parse_known_args(ours)
    options.script = script
    if unknown:
        known = re.findall(r"--[\w-]+", chosen.format_help())
        close = f"; {near(unknown[0], known)}" if unknown[0].startswith("-") else ""
        raise UsageError(f"unrecognized arguments: {' '.join(unknown)}{close}")
    if command is None:
        shell.out.file.write(f"feedrate {feedrate.__version__}\n" if options.version else parser.format_help())
        return DONE
    return _ran(command, options, configured(options, command, chosen, _after(command, ours), shell))


def _split(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str] | None]:
    """Take what is ours from a person's command after `--`; None: there is none."""
    if "--" not in argv:
        return argv, None
    place = tuple(argv).index("--")
    return argv[:place], argv[place + 1 :]


def _after(command: str, words: Sequence[str]) -> Sequence[str]:
    """Give the words that the parser of a command takes."""
    place = tuple(words).index(command)
    return (*words[:place], *words[place + 1 :])


def _ran(command: str, options: argparse.Namespace, shell: CommandContext) -> int:
    try:
        return int(import_module(f"feedrate.cli.{command}").run(options, shell))
    except SystemExit as ended:
        # No command of ours ends that way, and whoever asked must not take it for a result.
        raise PluginError(f"{command}: a plugin called sys.exit({ended.code!r}) before it was done") from None


def _parsers(command: str | None) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    """The parser of the whole line, and that of the command (the same without a command)."""
    about = "Measure how fast a way of loading feeds a way of training, and say what holds the two back."
    parser = _Parser(prog="feedrate", description=about, allow_abbrev=False)
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    children = parser.add_subparsers(metavar="COMMAND", title="commands")
    parsers: dict[str | None, argparse.ArgumentParser] = {None: parser}
    for name, summary in COMMANDS.items():
        parsers[name] = children.add_parser(name, help=summary, description=_sentence(summary), allow_abbrev=False)
    if command is not None:
        import_module(f"feedrate.cli.{command}").arguments(parsers[command])
        add_config(parsers[command], command)
    return parser, parsers[command]


def _sentence(summary: str) -> str:
    return f"{summary[0].upper()}{summary[1:]}."
