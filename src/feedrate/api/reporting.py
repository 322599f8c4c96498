"""Make one page of files of raw results, and write it where nothing was before."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from feedrate.errors import UsageError

__all__ = ["WrittenReport", "write_report"]


@dataclass(frozen=True)
class WrittenReport:
    """Say where a page is, and what it lacks."""

    path: Path
    size_bytes: int
    complaints: tuple[str, ...]
    """What could not be read, a line each."""


def write_report(files: Sequence[Path], output: Path | None, *, way_out: str) -> WrittenReport:
    """Write the page of the runs in `files`, one or more; None: beside the last of them, with its name and `.html`.

    `way_out` ends the line that says that there is such a file already.

    Raises:
        UsageError: there is something of that name, which is left as it is.
        DataError: a file cannot be read, or holds no record.
        UnavailableError: plotly or jinja2 is not installed.
        OSError: the page cannot be written.
    """
    from feedrate.report.page.report_page import page_html
    from feedrate.report.page.run_file import read_run

    path = files[-1].with_suffix(".html") if output is None else output
    if os.path.lexists(path):
        raise _taken(path, way_out)
    runs = [read_run(file) for file in dict.fromkeys(files)]
    page = page_html(runs).encode("utf-8", "backslashreplace")
    _write_new(path, page, way_out)
    return WrittenReport(path, len(page), tuple(line for run in runs for line in run.complaints))


def _write_new(path: Path, page: bytes, way_out: str) -> None:
    try:
        file = path.open("xb")
    except FileExistsError:
        raise _taken(path, way_out) from None
    with file:
        try:
            file.write(page)
            file.flush()
        except BaseException:
            path.unlink()
            raise


def _taken(path: Path, way_out: str) -> UsageError:
    return UsageError(f"{path} is there already, and is left as it is; {way_out}")
