"""Race loaders inside a person's own training: its own, with other settings, and threads in its place."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from feedrate.api.resources import Resources
from feedrate.records.measurement import Failure
from feedrate.report.progress import run_progress
from feedrate.runner.script_command import OWN, ScriptCommand

if TYPE_CHECKING:
    from feedrate.records.measurement import Outcome

__all__ = ["measured_command", "usual_loaders"]


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

    def measure(cell: str, number: int) -> Outcome:
        from feedrate.runner.script_process import run_script

        run = run_script(commands[cell], replace(resources.replicate_settings, replicate=number))
        return run if isinstance(run, Failure) else run.measurement

    run = replace(resources.run, measure=measure)
    with run_progress(resources.caller.console, quiet=resources.settings.quiet) as progress:
        for outcome in run.outcomes_of(tuple(commands), replicates, progress.begin):
            resources.keep(outcome)
            progress.end(outcome)
            yield outcome


def _commands(words: Sequence[str], loaders: Sequence[str]) -> Iterator[ScriptCommand]:
    for loader in loaders or usual_loaders():
        command = ScriptCommand(tuple(words), loader)
        command.demand_program()
        command.demand_loader()
        yield command
