"""The kinds of failure, told apart by whose fault they are."""

from __future__ import annotations

__all__ = [
    "ContractError",
    "DataError",
    "FeedrateError",
    "HangError",
    "PluginError",
    "UnavailableError",
    "UsageError",
    "WorkerError",
    "one_line",
]

_LONGEST = 300


class FeedrateError(Exception):
    """Base of every error feedrate raises on purpose; its text is one line that names the way out."""


class PluginError(FeedrateError):
    """A plugin cannot be imported, or offers something that is not a strategy."""


class ContractError(FeedrateError):
    """A loader, step or workload broke a promise of the contract kit."""


class WorkerError(ContractError):
    """A process that a loader started ended, or gives nothing: what it would have served may have been right."""


class UnavailableError(FeedrateError):
    """Something a strategy needs is not on this machine."""


class HangError(UnavailableError):
    """Another process that was waited for did not come."""


class DataError(FeedrateError):
    """A data set is missing, damaged, or not the one asked for."""


class UsageError(FeedrateError):
    """The user asked for something that does not exist or cannot be done."""


def one_line(error: BaseException) -> str:
    """What an error says, in one line that is not too long; our own speak for themselves, others are named."""
    try:
        text = " ".join(str(error).split()) or "no message"
    # A stranger's error may fail even to say what it is.
    except Exception:
        text = "no message"
    text = text if isinstance(error, FeedrateError) else f"{type(error).__name__}: {text}"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
