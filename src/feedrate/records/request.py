"""Define what the parent asks of the fresh process of one replicate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, get_args

__all__ = [
    "AWAITED",
    "CLAIM",
    "PROFILES",
    "SCRIPT_REQUEST",
    "SECONDS",
    "TURNS",
    "AblationRequest",
    "LoopSighting",
    "OwnFiles",
    "ProfileSide",
    "RankPlace",
    "ReplicateRequest",
    "ScriptRequest",
    "ScriptSightings",
]

AWAITED = "awaited"
"""File that is there while the script goes on to its second epoch by itself, before it is timed."""
CLAIM = "claimed"
"""File that the process of a command makes which trains first: it is the one that is timed."""
ProfileSide: TypeAlias = Literal["loader", "step"]
PROFILES: tuple[ProfileSide, ...] = get_args(ProfileSide)
"""Sides of a script that are looked at from outside: its process asks with a file `profile-SIDE` that holds its pid."""

TURNS = "FEEDRATE_TURNS"
"""Variable with the path of a socket where a replicate waits for its turn; without it nobody else measures."""
SECONDS = 0.4
"""Aim of each of the three times, where nobody says."""
SCRIPT_REQUEST = "FEEDRATE_SCRIPT"
"""Variable with the path of a `ScriptRequest`; the hook in a script's processes does nothing without it."""


@dataclass(frozen=True)
class AblationRequest:
    """Say how a cell is taken apart after its three times."""

    memory: Path
    """An empty folder in a memory file system, which the asker removes."""
    cold: bool = False
    """Measure one epoch with files that the page cache does not hold."""
    facts: bool = False
    """Count and profile the step."""
    competition: bool = False
    """Watch what threads do to one another."""
    rungs: bool = True
    """Time the rungs of the ladder."""
    stages: bool = True
    """Tell the stages of loading apart: time the rungs between the first and the last."""
    details: bool = True
    """Time these rungs without the step as well, and put delays into the stages; only together with `stages`."""
    soak: bool = False
    """Watch the loop for a while with the collector on."""


@dataclass(frozen=True)
class OwnFiles:
    """Name a user's own files, which are read where they lie and never written."""

    paths: tuple[Path, ...]
    """Absolute, in the order of their rows."""
    columns: tuple[str, ...]
    """Those that are read."""


@dataclass(frozen=True)
class RankPlace:
    """Say which of several processes that train together one is, and where they meet."""

    number: int
    count: int
    port: int
    """Of this machine, where the store listens through which they agree."""
    listener: int | None
    """Descriptor that listens there, in the process that holds the store; None: another one does."""
    flags: Path
    """Folder where the watcher of all of them is told when it must not disturb."""


@dataclass(frozen=True)
class ReplicateRequest:
    """Ask for one replicate of one cell; every path is absolute."""

    cell: str
    """As `str(Cell)` writes it."""
    data: Path
    """Folder of the data sets."""
    scratch: Path
    """Folder for the answer and for whatever the process leaves; the asker removes it."""
    seconds: float
    """Aim of each of the three times."""
    threads: int
    """Cap of every thread pool."""
    pools: Mapping[str, int] = field(default_factory=dict)
    """Caps of single pools over that, by name."""
    safe: bool = False
    """Loaders start no process of their own."""
    plugin_files: tuple[Path, ...] = ()
    own_files: OwnFiles | None = None
    """What the cell's workload is made of; None: a plugin offers it."""
    ablation: AblationRequest | None = None
    """None: the three times alone."""
    epoch_start_s: float = 0.0
    """Where no window meets the beginning of an epoch, so much may be spent on meeting one; 0: nothing."""
    turns: Path | None = None
    """Socket where it waits for its turn, as another replicate does; None: it measures alone."""
    patience_s: float = 100.0
    """Longest that ranks wait for one another."""
    rank: RankPlace | None = None
    """Where the cell has several ranks: which of them this is; None: the process that starts them."""


@dataclass(frozen=True)
class ScriptRequest:
    """Ask for one replicate of a person's own training, of whatever process of his command trains."""

    scratch: Path
    """Folder for the answer; the asker removes it."""
    seconds: float
    """Aim of each of the three times."""
    profile: bool = False
    """After the three times, watch threads, have both sides looked at, line by line, and profile the step."""
    soak: bool = False
    """After the three times, watch the loop for a while."""
    parts: bool = False
    """After all else, make batches in this process, part by part."""
    loader: str = "dataloader"
    """What takes the place of the script's own loader, such as `dataloader[num_workers=4]` or `ring_workers[count=2]`;
    the bare word: its own, as it is."""
    watched: bool = True
    """Somebody outside takes samples of the process's memory."""
    awaits_epoch: bool = False
    """Where the script's second epoch is near, begin there, and compare its order with that of the first."""
    loop: str = ""
    """The loop that is timed, as the path of a file and the line of its `for`; empty: the first that trains."""


@dataclass(frozen=True)
class LoopSighting:
    """Tell of a loop over a loader."""

    name: str
    """File and line of its `for`."""
    batches: int
    updates: int


@dataclass(frozen=True)
class ScriptSightings:
    """Tell what a process of the command did that imported torch's loader, and gave no answer."""

    loaders: int
    """Loaders that were iterated."""
    batches: int
    updates: int
    """Steps of all optimizers."""
    loops: tuple[LoopSighting, ...] = ()
    """Those whose place is known."""
