"""End `asv publish` with pages that read without a network, and that show what people wrote as text.

`asv.conf.json` names this module in `plugins`; see docs/decisions/0003-asv-undocumented-behaviour.md.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from asv.console import log
from asv.publishing import OutputPublisher

from feedrate.asv.site import excused, stand_alone
from feedrate.asv.texts import shown_as_text
from feedrate.errors import FeedrateError

__all__ = ["StandAlone"]


class StandAlone(OutputPublisher):  # type: ignore[misc]  # asv has no types
    """Mend the page; asv calls this once it is copied into `html_dir`, after all publishers of its own."""

    name = "feedrate"
    button_label = "No page of its own"
    description = "Puts the files that the page needs beside it"

    # Any: asv's configuration, repository and tables have no types.
    @classmethod
    def publish(cls, conf: Any, repo: Any, benchmarks: Any, graphs: Any, revisions: Any) -> None:
        """Mend the page; what cannot be mended is said in a line, and the rest is published all the same."""
        del repo, benchmarks, graphs, revisions
        pages = Path(conf.html_dir)
        try:
            shown_as_text(pages)
        except (FeedrateError, OSError) as error:
            log.warning(f"{pages}: {error}")
        try:
            log.info(stand_alone(pages, _places()))
        # RuntimeError: this user has no home, and so no cache.
        except (FeedrateError, OSError, RuntimeError) as error:
            log.warning(excused(pages, str(error)))


def _places() -> tuple[Path, Path]:
    """Name the folders of packages that were carried here, and that were fetched earlier."""
    carried = Path(os.environ.get("WHEELS") or "wheels") / "site"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return carried, cache / "feedrate" / "site"
