"""The Rust half: it knows files, blocks and buffers, and nothing of feedrate."""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Extents: TypeAlias = NDArray[np.int64]
Part: TypeAlias = tuple[int, int, int]
"""Number of a file, first row in it, last row + 1."""

Span: TypeAlias = tuple[int, int]
"""First row of the data set, last row + 1."""
Key: TypeAlias = tuple[int, int, int]
"""(seed, epoch, number of the block), which an order follows from."""

Cut: TypeAlias = tuple[int, bool]
"""Samples in a batch, and whether one of fewer is left out."""

RawBlock: TypeAlias = tuple[int, Sequence[Part], Sequence[Span], Cut | None, Key | None]
"""First row, parts, spans of samples, how batches are cut (None: a span each), key (None: as stored)."""

class DamagedError(RuntimeError):
    """A file is not what the manifest says; the text is one line that begins with its path."""

class Source:
    """A data set and what batches are cut from it. Opens nothing; holds no state but what `describe` told."""

    def __new__(
        cls,
        format: str,
        files: Sequence[tuple[str | PathLike[str], Sequence[int]]],
        columns: Sequence[tuple[str, str, Sequence[int]]],
        tensors: Sequence[tuple[int | None, str, int, Sequence[int]]],
        *,
        days: Sequence[int] | None,
        block_rows: int,
        batch_rows: int,
        ids: int | None = None,
        decoded: str | PathLike[str] | None = None,
    ) -> Source:
        """Take note of everything.

        `files`: path and rows of each group. `columns`: name, stored dtype, shape of a row. `tensors`: number of the
        column (None: made elsewhere, it only has a place), dtype in the batch, window, shape of a sample. `days`: row
        where each day starts, and the end. No block holds more than `block_rows`, no batch more than `batch_rows`.
        `ids`: number of the tensor that is filled with the numbers of the rows, where no column holds them.
        `decoded`: a file in memory where blocks lie decoded, for `Pipeline.submit`.

        Raises:
            NotImplementedError: a dtype is unknown.
        """

    def describe(self, file: int, columns: Sequence[tuple[int, bool, bool, Extents]]) -> None:
        """Say where the columns of an HDF5 file lie, before a block of it is submitted; the first word counts.

        For each column: rows of a chunk (0: in one piece), whether shuffled, whether deflated, and int64 (chunks * 4,):
        first row, offset, bytes, and mask of the filters left out, in the order of the rows.
        """

    def check(self) -> None:
        """See whether batches can be cut as they are wanted; opens nothing.

        Raises:
            NotImplementedError: the format, or a tensor of another dtype than its column, is not supported.
        """

    @property
    def bytes(self) -> int:
        """Size of a buffer for the largest batch."""

    def floor(self, warm: Sequence[RawBlock], blocks: Sequence[RawBlock], readers: int, buffers: int) -> float:
        """Seconds that the unavoidable work on `blocks` takes: each decoded once, each batch cut once, in no order.

        `readers` threads (0: as many as suit the machine) write into `buffers` buffers in turn. `warm` is read before,
        so that all memory has been touched. Blocks are what `Pipeline.submit` takes. Raises like `Pipeline.take`.
        """

class Pipeline:
    """Threads that make batches of submitted blocks. To be closed; a pipeline that is dropped closes itself."""

    def __new__(
        cls,
        source: Source,
        *,
        tensor: Callable[[object], Tensor],
        names: Sequence[str],
        ids: int,
        readers: int,
        depth: int,
        blocks_ahead: int,
        exchange: object | None = None,
        allocate: Callable[[], tuple[object, int, int]] | None = None,
    ) -> Pipeline:
        """Start `readers` threads (0: as many as suit the machine).

        `tensor` makes a tensor of a DLPack capsule. `exchange` is a capsule with DLPack's table of C functions, which
        make it without one; None, or of another version: `tensor` is called. `names` are those of the source's tensors,
        and number `ids` of them holds the row ids.
        `depth` batches are made before they are used, those that were taken counted; `blocks_ahead` blocks are decoded
        before batches are cut from them. `allocate` returns (owner, address, bytes) of a buffer that the owner keeps
        alive; it may be called by any thread. None: ordinary memory.

        Raises:
            NotImplementedError: the format, or a tensor of another dtype than its column, is not supported.
        """

    def submit(
        self,
        first: int,
        parts: Sequence[Part],
        spans: Sequence[Span],
        cut: Cut | None,
        key: Key | None,
        offsets: Sequence[int] | None = None,
    ) -> None:
        """Append the block that starts at row `first` and is read from `parts`; returns at once.

        `spans` are its samples. `cut`: how many make a batch, and whether the last one is left out where they are
        fewer; None: each span is one. `key`: what the order of the samples (without `cut`: of the spans) follows from,
        as in `feedrate.Block.positions`; None: as stored. The threads put them into it. `offsets`: the byte of the
        source's decoded file where each column of the block lies; None: it is read from the parts.

        Raises:
            NotImplementedError: the block has more rows than any, or a part lies outside its file. A span outside the
                block, or a sample whose history is, is said by `take`.
        """

    def submit_fault(self, text: str) -> None:
        """Append a block that cannot be read: `take` raises `DamagedError` with this text in its turn."""

    @property
    def is_hungry(self) -> bool:
        """Whether the threads could use another block."""

    def end(self) -> None:
        """Say that no more blocks will come."""

    def take(self) -> list[tuple[Tensor, dict[str, Tensor]]]:
        """The next batches that are ready, up to half of `depth` and at least one: row ids, and the others by name.

        Nothing after the last one. Waits without the interpreter lock while none is ready. The tensors of a batch share
        a buffer of the ring, which returns when all of them are gone, wherever that happens.

        Raises:
            DamagedError: a file is not what it should be; the stream is over.
            NotImplementedError: the data is of a kind that is not supported.
            RuntimeError: a thread panicked, or the pipeline is closed.
            KeyboardInterrupt: a signal came while waiting.
        """

    def close(self) -> None:
        """Stop and join the threads; batches that were delivered stay what they are."""
