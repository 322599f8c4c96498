"""Start work on the next items while the one before them is used."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

__all__ = ["ahead"]

T = TypeVar("T")
R = TypeVar("R")


def ahead(start: Callable[[T], R], items: Iterable[T], depth: int) -> Iterator[R]:
    """Yield what `start` returns for each item, in order, with up to `depth` more items started beforehand.

    `start` must return at once, as a pool's `submit` does; it and `items` run in the consumer's thread. Work that was
    started when the consumer stops belongs to the pool, whose `with` block waits for it.

        with plan.open() as source, ThreadPoolExecutor(1) as pool:
            for block, read in ahead(lambda block: (block, pool.submit(source.read, block)), plan.blocks(), 2):
                columns = read.result()
    """
    started: deque[R] = deque()
    for item in items:
        started.append(start(item))
        if len(started) > depth:
            yield started.popleft()
    while started:
        yield started.popleft()
