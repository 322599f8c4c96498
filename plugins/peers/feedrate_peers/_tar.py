"""Read samples from tar files with WebDataset's pipeline, and close each file."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from feedrate import DataError

__all__ = ["samples"]


def samples(shards: list[str], buffer: int) -> Any:
    """Give the library's pipeline over files that are closed with it: its own reader leaves that to the collector."""
    from webdataset import filters, tariterators

    grouped = tariterators.group_by_keys(tariterators.tar_file_expander(_opened(shards)))
    return filters.decode()(filters.shuffle(buffer)(_told(grouped)))


def _opened(shards: list[str]) -> Iterator[dict[str, Any]]:
    for shard in shards:
        with Path(shard).open("rb") as stream:
            yield {"url": shard, "stream": stream}


def _told(samples: Iterator[Any]) -> Iterator[Any]:
    """Yield the same; of a damaged file the library tells last which it is."""
    try:
        yield from samples
    except tarfile.TarError as error:
        raise DataError(f"{error.args[-1]}: cannot be read ({error.args[0]})") from error
