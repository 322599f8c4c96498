"""Say what one promise asks of a strategy, and of which strategies it is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from feedrate.contract.fixture import Fixture
from feedrate.plugin.strategy import Strategy

__all__ = ["Promise", "promise_if", "title"]

S = TypeVar("S", bound=Strategy)
S_contra = TypeVar("S_contra", bound=Strategy, contravariant=True)


def _every(strategy: Strategy) -> bool:
    del strategy
    return True


@dataclass(frozen=True)
class Promise(Generic[S_contra]):
    """Asks one thing of a strategy: called with it and a fixture it raises `ContractError` if that is not so.

    As a decorator it makes a promise of every strategy out of a function; `promise_if` one of some of them.
    """

    ask: Callable[[S_contra, Fixture], None]
    """What is asked, whatever strategy it is."""
    applies_to: Callable[[S_contra], bool] = _every
    """Whether a strategy promises it at all; of one that does not, nothing is asked."""
    needs_files: bool = False
    """Asked only where it is known which files the data set has."""

    def __call__(self, strategy: S_contra, fixture: Fixture) -> None:
        """Hold a strategy to it.

        Raises:
            ContractError: it is broken; the text says how.
        """
        if self.is_asked(strategy, fixture):
            self.ask(strategy, fixture)

    def is_asked(self, strategy: S_contra, fixture: Fixture) -> bool:
        """Whether it is asked of that strategy, tried on that fixture."""
        return self.applies_to(strategy) and (bool(fixture.plan.data.shards) or not self.needs_files)

    @property
    def __name__(self) -> str:
        """Name of what is asked, by which pytest names a test, too."""
        return self.ask.__name__


def promise_if(
    applies_to: Callable[[S], bool], *, needs_files: bool = False
) -> Callable[[Callable[[S, Fixture], None]], Promise[S]]:
    """Make a function that raises `ContractError` a promise of those strategies only."""
    return lambda ask: Promise(ask, applies_to, needs_files)


def title(promise: Promise[S]) -> str:
    """Give the promise in words, such as `serves each row once`."""
    return promise.__name__.replace("_", " ")
