"""`feedrate bundle RUN`: put all that there is of a run into one zip file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from feedrate.api.bundling import CONTENTS, bundled
from feedrate.cli.context import CommandContext
from feedrate.cli.doctor import examined
from feedrate.cli.options import add_data, add_json, add_logs, add_results
from feedrate.cli.raw_files import newest_run, run_named
from feedrate.formatting import byte_size
from feedrate.plugin.registry import Registry

__all__ = ["arguments", "run"]

_WARNING = (
    "it holds what records and logs hold: names of the machine, of paths, of the branch and of changed files, variables"
    " that change a measurement, and what processes wrote; look through it before you send it"
)


def arguments(parser: ArgumentParser) -> None:
    """Add the options of this command."""
    parser.epilog = "; ".join(f"{name}: {says}" for name, says in CONTENTS.items())
    parser.add_argument("run", nargs="?", metavar="RUN", help="name of a run, or its raw results; the newest run's")
    parser.add_argument(
        *("--output", "-o"), type=Path, metavar="FILE", help="zip file to write, which is not there yet: RUN.zip"
    )
    add_results(parser.add_argument)
    add_logs(parser.add_argument)
    add_data(parser.add_argument)
    add_json(parser.add_argument)


def run(options: Namespace, shell: CommandContext) -> int:
    """Write the file, and say what is in it: 0."""
    raw = newest_run(options.results) if options.run is None else run_named(options.run, options.results)
    out = options.output or Path(f"{raw.stem}.zip")
    here, remarks = examined(shell, options.data or shell.data, Registry.load())
    doctor = {"machine": asdict(here), "findings": [asdict(remark) for remark in remarks]}
    names = bundled(raw, options.logs, doctor, out)
    if options.json:
        shell.print_json({"bundle": str(out), "files": names})
        return 0
    counts = Counter(name.partition("/")[0] for name in names)
    told = ", ".join(f"{count} in {name}/" if name in ("raw", "logs") else name for name, count in counts.items())
    shell.out.print(f"wrote       {out}, {byte_size(out.stat().st_size)}: {told}", soft_wrap=True)
    shell.out.print(_WARNING, soft_wrap=True)
    return 0
