"""Race loaders inside a person's own training: its own, with other settings, and threads in its place."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from feedrate.api.comparing import run_comparisons
from feedrate.api.comparison_result import ComparisonResult
from feedrate.api.resources import Resources
from feedrate.comparison.comparison import Comparison, StoppingRule, Variant
from feedrate.errors import UsageError
from feedrate.records.measurement import Failure
from feedrate.report.progress import run_progress
from feedrate.runner.script_command import OWN, ScriptCommand

if TYPE_CHECKING:
    from feedrate.records.measurement import Outcome
    from feedrate.runner.forkserver import ForkServer

__all__ = [
    "compared_commands",
    "is_command",
    "measured_command",
    "measured_script",
    "script_variant",
    "usual_loaders",
]


def usual_loaders() -> tuple[str, ...]:
    """Name what is raced where nobody says: the script's own loader, workers up to the cores there are, and threads."""
    cores = len(os.sched_getaffinity(0))
    counts = sorted({0, 1, cores, *(2**power for power in range(1, 4) if 2**power < cores)})
    return (OWN, *(f"dataloader[num_workers={count}]" for count in counts), f"threads[count={cores}]")


def measured_command(
    resources: Resources, words: Sequence[str], loaders: Sequence[str], replicates: int
) -> Iterator[Outcome]:
    """Yield the outcomes of a person's training with each of the loaders, each kept: all once, then all again.

    Raises:
        UsageError: there is no such program or loader.
    """
    commands = {str(command.cell): command for command in _commands(words, loaders)}
    resources.demand_places()

    run = replace(resources.run, measure=lambda cell, number: measured_script(resources, commands[cell], number))
    with run_progress(resources.caller.console, quiet=resources.settings.quiet) as progress:
        for outcome in run.outcomes_of(tuple(commands), replicates, progress.begin):
            resources.keep(outcome)
            progress.end(outcome)
            yield outcome


def is_command(text: str) -> bool:
    """Whether a side of a comparison is a command: a cell has no blank in it."""
    return len(text.split()) > 1


def compared_commands(resources: Resources, a: str, b: str, rule: StoppingRule) -> ComparisonResult:
    """Compare two commands that train, as they would be typed; A is the control, too.

    Raises:
        UsageError: one of them is no command.
    """
    numbers = count()

    def side(text: str) -> Variant:
        command = ScriptCommand(_words(text))
        command.demand_program()
        return script_variant(resources, command, text, numbers)

    resources.demand_places()
    resources.comparisons = (Comparison(side(a), side(b), side(a), rule),)
    run_comparisons(resources, rule)
    return ComparisonResult.of(resources.comparisons, resources.raw)


def script_variant(resources: Resources, command: ScriptCommand, code: str, numbers: Iterator[int]) -> Variant:
    """Give a side of a comparison that runs a command; `code` is what tells it from the other side."""

    def measure(fork_server: ForkServer) -> Outcome:
        del fork_server
        return measured_script(resources, command, next(numbers))

    return Variant(str(command.cell), code, measure, resources.write)


def _words(text: str) -> tuple[str, ...]:
    if not is_command(text):
        raise UsageError(f"{text!r} is no command, and the other side is one; give both as you would type them")
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"{text!r} is no command: {error}") from None


def measured_script(resources: Resources, command: ScriptCommand, number: int) -> Outcome:
    """Run a command once, under a replicate's number, and give what came of it; it is kept by whoever asks."""
    from feedrate.runner.script_process import run_script

    run = run_script(command, replace(resources.replicate_settings, replicate=number))
    return run if isinstance(run, Failure) else run.measurement


def _commands(words: Sequence[str], loaders: Sequence[str]) -> Iterator[ScriptCommand]:
    for loader in loaders or usual_loaders():
        command = ScriptCommand(tuple(words), loader)
        command.demand_program()
        command.demand_loader()
        yield command
