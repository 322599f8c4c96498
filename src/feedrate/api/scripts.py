"""Race loaders inside a person's own training: its own, with other settings, and threads or a ring in its place."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from feedrate.api.changing import ChangeResult
from feedrate.api.comparing import run_comparisons
from feedrate.api.comparison_result import ComparisonResult
from feedrate.api.resources import Resources
from feedrate.api.variant_spec import variables_of
from feedrate.comparison.comparison import Comparison, StoppingRule, Variant
from feedrate.comparison.paired_test import FIRST_LOOK
from feedrate.errors import UsageError
from feedrate.records.measurement import Failure
from feedrate.report.progress import run_progress
from feedrate.revisions.script_tree import demand_relative, tree_at
from feedrate.revisions.working_copy import working_copy
from feedrate.runner.script_command import OWN, ScriptCommand

if TYPE_CHECKING:
    from feedrate.records.measurement import Outcome
    from feedrate.runner.forkserver import ForkServer

__all__ = [
    "command_changed_since",
    "compared_commands",
    "is_command",
    "measured_command",
    "measured_script",
    "script_command",
    "script_variant",
    "usual_loaders",
]

_SOME = 3
"""Files that are named of many."""


def usual_loaders() -> tuple[str, ...]:
    """Name what is raced where nobody says: the script's own, none and workers up to the cores, threads, and a ring."""
    cores = len(os.sched_getaffinity(0))
    counts = sorted({1, cores, *(2**power for power in range(1, 4) if 2**power < cores)})
    workers = (f"dataloader[num_workers={count}]" for count in counts)
    return (OWN, "inline", *workers, f"threads[count={cores}]", f"ring_workers[count={cores}]")


def script_command(resources: Resources, words: Sequence[str], out_of_place: Path | None) -> ScriptCommand:
    """Give the command that trains, to run where this process is, or in a copy of that folder, which is made here.

    Raises:
        UsageError: there is no such program, or the copy cannot be made.
    """
    command = ScriptCommand(tuple(words))
    command.demand_program()
    if out_of_place is None:
        return command
    resources.demand_places()
    copy = working_copy(Path.cwd(), out_of_place)
    if copy.linked:
        some = ", ".join(map(str, copy.linked[:_SOME])) + (", ..." if len(copy.linked) > _SOME else "")
        resources.caller.console.print(
            f"feedrate: {len(copy.linked)} files of {copy.linked_bytes / 1e9:.1f} GB are linked, not copied: what is"
            f" written to them is written to yours: {some}",
            soft_wrap=True,
        )
    return replace(command, folder=copy.folder)


def measured_command(
    resources: Resources, words: Sequence[str], loaders: Sequence[str], replicates: int, out_of_place: Path | None
) -> Iterator[Outcome]:
    """Yield the outcomes of a person's training with each of the loaders, each kept: all once, then all again.

    Raises:
        UsageError: there is no such program or loader, or the copy cannot be made that it runs in.
    """
    raced = tuple(_demanded(loader) for loader in loaders or usual_loaders())
    script = script_command(resources, words, out_of_place)
    commands = {str(command.cell): command for command in (replace(script, loader=loader) for loader in raced)}
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

    Each may have `@COMMIT` behind it, of the repository that this process is in; B may be that alone.

    Raises:
        UsageError: one of them is no command, or there is no such commit.
    """
    numbers = count()
    with ExitStack() as trees:

        def side(text: str) -> Variant:
            typed, commit = _split(text)
            if variables_of(commit):
                named = typed or _split(a)[0]
                raise UsageError(f"a command takes a variable in front of it: 'env {commit} {named}'")
            command = _typed(typed or _split(a)[0])
            command.demand_program()
            if commit:
                demand_relative(command.words, Path.cwd())
                command = replace(command, folder=trees.enter_context(tree_at(commit, Path.cwd())))
            return script_variant(resources, command, text, numbers)

        first, second = side(a), side(b)
        resources.demand_places()
        resources.comparisons = (Comparison(first, second, first, rule),)
        run_comparisons(resources, rule)
    return ComparisonResult.of(resources.comparisons, resources.raw)


def command_changed_since(
    resources: Resources, words: Sequence[str], commit: str, pairs: int, budget_s: float
) -> ChangeResult:
    """Compare a person's training here and at a commit of the repository that this process is in.

    Raises:
        UsageError: there is no such program or commit.
    """
    here, numbers = ScriptCommand(tuple(words)), count()
    here.demand_program()
    demand_relative(here.words, Path.cwd())
    with tree_at(commit, Path.cwd()) as tree:
        resources.demand_places()
        now = script_variant(resources, here, "", numbers)
        then = script_variant(resources, replace(here, folder=tree), commit, numbers)
        rule = StoppingRule(pairs=max(FIRST_LOOK, pairs + pairs % 2), also=("loader", "step"), budget_s=budget_s)
        resources.comparisons = (Comparison(now, then, now, rule),)
        run_comparisons(resources, rule)
    return ChangeResult.of(resources.comparisons[0], None, resources.raw)


def _split(text: str) -> tuple[str, str]:
    """Split `COMMAND@COMMIT`; either may be empty. What has a blank behind the last `@` names no commit."""
    typed, at, commit = text.rpartition("@")
    return (typed, commit) if at and commit and len(commit.split()) == 1 else (text, "")


def script_variant(resources: Resources, command: ScriptCommand, code: str, numbers: Iterator[int]) -> Variant:
    """Give a side of a comparison that runs a command; `code` is what tells it from the other side."""

    def measure(fork_server: ForkServer) -> Outcome:
        del fork_server
        return measured_script(resources, command, next(numbers))

    return Variant(str(command.cell), code, measure, resources.write)


def _typed(text: str) -> ScriptCommand:
    if not is_command(text):
        raise UsageError(f"{text!r} is no command, and the other side is one; give both as you would type them")
    return ScriptCommand.typed(text)


def measured_script(resources: Resources, command: ScriptCommand, number: int) -> Outcome:
    """Run a command once, under a replicate's number, and give what came of it; it is kept by whoever asks."""
    from feedrate.runner.script_process import run_script

    run = run_script(command, replace(resources.replicate_settings, replicate=number))
    return run if isinstance(run, Failure) else run.measurement


def _demanded(loader: str) -> str:
    ScriptCommand((), loader).demand_loader()
    return loader
