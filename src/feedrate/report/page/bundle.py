"""Give the script that draws: plotly's own, compressed so that the page stays small enough to be sent."""

from __future__ import annotations

import gzip
from base64 import b64encode

from feedrate.errors import UnavailableError

__all__ = ["drawing_script"]

_NO_EXTRA = 'report: {} is not installed; `pip install "feedrate[report]"` provides it'


def drawing_script() -> str:
    """Give plotly.js, compressed by gzip, in base64; the page inflates it.

    Raises:
        UnavailableError: plotly, which a base install lacks, is not installed; the text says how to install it.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ModuleNotFoundError:
        raise UnavailableError(_NO_EXTRA.format("plotly")) from None
    # No time in it: the same lines make the same page.
    return b64encode(gzip.compress(get_plotlyjs().encode(), compresslevel=9, mtime=0)).decode()
