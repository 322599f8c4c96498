"""`feedrate why`: take cells apart, and say what holds each back."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from feedrate.api.diagnosing import LEAST, MOST, demand_diagnosable
from feedrate.api.results import CellError
from feedrate.api.session import Session
from feedrate.api.settings import CellParts
from feedrate.cli.context import CommandContext
from feedrate.cli.endings import ending
from feedrate.cli.options import (
    add_details,
    add_device,
    add_dry_run,
    add_explain,
    add_out_of_place,
    add_plugin,
    add_size,
    duration,
    measuring,
    output,
    positive,
    session_options,
)
from feedrate.cli.own_files import add_files, demand_files_alone, own_cell_text
from feedrate.cli.script import demand_no_copy, demand_script, show_last_words
from feedrate.errors import UsageError
from feedrate.plugin.cell import Cell
from feedrate.records.cell_key import CellKey

__all__ = ["arguments", "run"]

_FORMS = "a cell is three words (workload loader step), or one: w/l/s, w/size/l/s or workload/size/loader/step/device"


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    cells = parser.add_argument_group("what")
    cells.add_argument(
        "cell", nargs="*", metavar="CELL", help=f"{_FORMS}; of the latter, several; knobs as in workers[count=2]"
    )
    add_files(cells.add_argument, "a cell's workload, each CELL being a loader,")
    add_size(cells.add_argument)
    add_device(cells.add_argument)
    cells.add_argument("--cold", action="store_true", help="also an epoch of files that the page cache does not hold")
    add_plugin(cells.add_argument)
    cells.add_argument(
        "--loop",
        metavar="FILE:LINE",
        help="of `-- COMMAND`: the loop to measure, where its `for` stands; else the first",
    )
    cells.add_argument(
        "--try",
        dest="trial",
        action="store_true",
        help="of `-- COMMAND`: also run it with each advised setting of its DataLoader, in pairs with it as it is",
    )
    _add_since(parser)
    add_details(cells.add_argument)
    how = measuring(parser)
    how(
        *("--replicates", "-r"),
        type=positive(int),
        metavar="N",
        help=f"fresh processes a cell: {LEAST}, and up to {MOST} while it is unsure",
    )
    add_dry_run(how)
    add_out_of_place(how)
    add_explain(output(parser))


def _add_since(parser: ArgumentParser) -> None:
    since = parser.add_argument_group(
        "what has changed", "beside the same cell at another commit, as `compare` does it"
    )
    since.add_argument("--since", metavar="COMMIT", help="say which side and which stage moved since then")
    since.add_argument(
        "--pairs", type=positive(int), default=8, metavar="N", help="of this and of --try, processes of each at most: 8"
    )
    since.add_argument("--budget", type=duration, default=600.0, metavar="TIME", help="90s, 10m or 1h at most: 10m")


def run(options: Namespace, shell: CommandContext) -> int:
    """Take each cell apart and print what holds it back: 0 done, 1 some failed, 2 an error, 130 interrupted."""
    if options.dry_run and (options.since or options.script is not None):
        raise UsageError("--dry-run is of cells as they are, not of --since or `-- COMMAND`")
    if options.script is not None:
        return _diagnose_script(options, shell)
    demand_no_copy(options, "there is no command")
    demand_files_alone(options)
    if options.files and not options.cell:
        raise UsageError("beside --files name the loaders to explain: feedrate why threads --files 'mine/*.parquet'")
    if not options.cell:
        raise UsageError(f"nothing to explain: {_FORMS}; or your own training, as `feedrate why -- python train.py`")
    if options.loop:
        raise UsageError("--loop is of a command after `--`: feedrate why --loop train.py:41 -- python train.py")
    if options.trial:
        raise UsageError("--try is of a command after `--`: feedrate why --try -- python train.py")
    if options.dry_run:
        return _show_settings(options, shell)
    with shell.session(session_options(vars(options))) as session:
        session.resources.complain()
        words = [own_cell_text(word, session, options) for word in options.cell]
        cells = _cells(session, words, options)
        if not options.since:
            return _diagnose(session, cells, options, shell)
        if len(cells) > 1:
            raise UsageError(f"--since takes one cell, and there are {len(cells)}; ask for one after the other")
        from feedrate.cli.since import since

        return since(
            *(session, cells[0], options.since, shell),
            pairs=options.pairs,
            budget_s=options.budget,
            replicates=options.replicates,
            as_json=options.json,
        )


def _show_settings(options: Namespace, shell: CommandContext) -> int:
    """Print what `why` would do; nothing is opened that would have to be closed."""
    from feedrate.cli.dry_run import show_settings

    session = shell.session(session_options(vars(options)))
    words = [own_cell_text(word, session, options) for word in options.cell]
    cells = _cells(session, words, options)
    keys = [CellKey.parse(str(cell)) for cell in cells]
    specs = {family: [key.specs[family] for key in keys] for family in keys[0].specs}
    return show_settings(session, cells, specs, options, shell)


def _diagnose_script(options: Namespace, shell: CommandContext) -> int:
    """Say what holds a person's own training back; a script that fails does so in its own words."""
    if options.cell or options.cold or options.files:
        raise UsageError("beside `-- COMMAND` there is no cell, --cold or --files")
    demand_script(options, "why")
    if options.loop and options.since:
        raise UsageError("--since compares the first loop that trains; leave --loop out")
    if options.trial and options.since:
        raise UsageError("--since says what has changed, and advises nothing to try; ask for one after the other")
    status = 0
    with shell.session(session_options(vars(options))) as session:
        if options.since:
            from feedrate.cli.since import since

            demand_no_copy(options, "with --since it runs where it is and beside it at a commit")
            limits = {"pairs": options.pairs, "budget_s": options.budget, "replicates": options.replicates}
            return since(session, options.script, options.since, shell, **limits, as_json=options.json)
        with ending(shell, lambda: session.outcomes) as end:
            try:
                session.diagnose_command(
                    options.script,
                    replicates=options.replicates,
                    loop=options.loop or "",
                    out_of_place=options.out_of_place,
                    trial_pairs=options.pairs if options.trial else 0,
                    trial_budget_s=options.budget,
                )
            except CellError as error:
                status = 1
                show_last_words(error, shell)
        _show(session, options, shell)
        if options.trial and not options.json and not (end.status or status) and session.diagnosis.trials is None:
            shell.out.print("tried nothing: nothing that is advised is a setting of the DataLoader", soft_wrap=True)
        return end.status or status


def _show(session: Session, options: Namespace, shell: CommandContext) -> None:
    """Print what there is of a diagnosis."""
    if session.diagnosis.diagnoses and options.json:
        shell.print_json(session.diagnosis.as_json())
    elif session.diagnosis.diagnoses:
        session.diagnosis.show(shell.out, explain=options.explain, details=options.details)


def _cells(session: Session, words: Sequence[str], options: Namespace) -> tuple[Cell, ...]:
    """The cells that words of a command line mean: one in three words, or one a word.

    Size and device of options are demands where the command line has them, else what cells have that do not say.

    Raises:
        UsageError: they are of no such form, or name what does not exist, or contradict an option.
        UnavailableError: this machine lacks what one needs.
    """
    texts = words if all("/" in word for word in words) else ["/".join(words)]
    if texts is not words and texts[0].count("/") < 2:
        raise UsageError(f"{texts[0]!r} is not a cell; {_FORMS}")
    cells = tuple(dict.fromkeys(session.cell(text, **_parts(text, options)) for text in texts))
    for cell in cells:
        demand_diagnosable(cell)
    return cells


def _parts(text: str, options: Namespace) -> CellParts:
    says = {"size": text.count("/") > 2, "device": text.count("/") > 3}
    kept = {name: name in options.named or not told for name, told in says.items()}
    return {"size": options.size if kept["size"] else None, "device": options.device if kept["device"] else None}


def _diagnose(session: Session, cells: Sequence[Cell], options: Namespace, shell: CommandContext) -> int:
    status = 0
    session.prepare(cells)
    with ending(shell, lambda: session.outcomes) as end:
        for cell in cells:
            try:
                session.diagnose(cell, replicates=options.replicates, cold=options.cold)
            except CellError as error:
                status = 1
                shell.err.print(f"feedrate: {error}", soft_wrap=True)
    _show(session, options, shell)
    return end.status or status
