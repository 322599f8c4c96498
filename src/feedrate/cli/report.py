"""`feedrate report`: make one page of runs, to look at or to send."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from feedrate.cli.context import CommandContext
from feedrate.cli.options import add_results
from feedrate.cli.raw_files import newest_run, run_named
from feedrate.formatting import byte_size

__all__ = ["arguments", "run"]


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="files of raw results, or names of runs: of several also what changed; the newest unless given",
    )
    parser.add_argument(
        *("--output", "-o"),
        type=Path,
        metavar="FILE",
        help="the page, a file that is not there yet: beside the last RUN, with its name and .html",
    )
    add_results(parser.add_argument)


def run(options: Namespace, shell: CommandContext) -> int:
    """Make the page: 0 done, 1 when some lines could not be read."""
    from feedrate.api.reporting import write_report

    files = [run_named(word, options.results) for word in options.runs] or [newest_run(options.results)]
    written = write_report(files, options.output, way_out="name another with --output FILE")
    for complaint in written.complaints:
        shell.err.print(f"feedrate: {complaint}", soft_wrap=True)
    size = byte_size(written.size_bytes)
    shell.out.print(f"wrote {written.path} ({size}): open it in a browser; it needs no network", soft_wrap=True)
    return int(bool(written.complaints))
