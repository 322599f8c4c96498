"""The four kinds of failure, told apart by whose fault they are."""

from __future__ import annotations

__all__ = ["ContractError", "DataError", "FeedrateError", "PluginError", "UnavailableError", "UsageError"]


class FeedrateError(Exception):
    """Base of every error feedrate raises on purpose; its text is one line that names the way out."""


class PluginError(FeedrateError):
    """A plugin cannot be imported, or offers something that is not a strategy."""


class ContractError(FeedrateError):
    """A loader, step or workload broke a promise of the contract kit."""


class UnavailableError(FeedrateError):
    """Something a strategy needs is not on this machine."""


class DataError(FeedrateError):
    """A data set is missing, damaged, or not the one asked for."""


class UsageError(FeedrateError):
    """The user asked for something that does not exist or cannot be done."""
