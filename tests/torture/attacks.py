"""What is done to one run: drawn from a seed and a number, so that it can be done again."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tests.torture.faults import Fault

__all__ = ["COMMANDS", "Attack", "Command"]


@dataclass(frozen=True)
class Command:
    """A command line, and how long its processes live when nobody kills them."""

    words: str
    span_s: float
    """Within which a process is killed; it lasts about that long when torch is imported already."""
    cells: int = 0
    """Cells of which it writes an outcome down, unless it is killed or cannot go on; 0: it measures none."""


_TINY = "--size tiny -s none --seconds 0.02"
COMMANDS = {
    "cells": Command(f"run fxseq boardmoves -l inline -r 2 {_TINY}", 1.4, 2),
    "workers": Command(f"run fxseq -l workers[count=1] {_TINY}", 2.4, 1),
    "ring": Command(f"run boardmoves -l ring_workers[count=1] {_TINY}", 2.4, 1),
    "both": Command(f"run fxseq -l workers[count=1] -l inline {_TINY}", 2.8, 2),
    "cell": Command("run --cell fxseq/tiny/inline/none/cpu --seconds 0.02 --out {lane}/work/out.json", 0.7, 1),
    "make": Command("data make fxseq boardmoves --size tiny --force", 0.8),
    "why": Command("why fxseq/inline/none --size tiny --seconds 0.02 --replicates 1", 1.2),
    "bench": Command("bench --size tiny", 12.0),
    "after": Command(f"run fxseq boardmoves -l inline {_TINY}", 1.0, 2),
}
_VICTIMS = {
    "parent": (("cells", "workers", "ring", "both", "cell", "make", "why"), 1.0),
    "fork server": (("cells", "both", "why"), 0.6),
    "child": (("cells", "workers", "ring", "both", "cell", "why"), 0.2),
    "worker": (("workers", "ring", "both"), 0.5),
    "guard": (("cells", "workers", "ring", "both", "cell", "why"), 0.2),
    "tracker": (("workers", "ring"), 0.5),
}
"""Roles, the commands that have such a process, and the share of the command's time that it lives."""
_OFTEN = {"parent": 5, "fork server": 2, "guard": 2, "child": 4, "worker": 4, "tracker": 1}
_KILLS, _FAILS = ("before", "half", "after"), ("EIO", "ENOSPC", "full")
_MOMENTS = (
    # The append to the raw results.
    ("cells", "write", "*.jsonl", 4),
    ("both", "write", "*.jsonl", 2),
    ("cell", "write", "*.jsonl", 1),
    ("why", "write", "*.jsonl", 1),
    ("cells", "open", "*.jsonl", 4),
    ("cells", "mkdir", "*/logs/*", 4),
    # A data set on its way to its place.
    ("make", "rename", "*/data/*", 6),
    ("make", "write", "*/data/*", 110),
    ("make", "fsync", "*/data/*", 2),
    ("make", "unlink", "*/data/*", 17),
    ("make", "mkdir", "*/data/*", 4),
    ("make", "open", "*/data/*", 14),
    # A child's answer, and the document that asv waits for.
    ("cells", "rename", "*/answer.*", 4),
    ("cells", "write", "*/answer.*", 4),
    ("cell", "rename", "*out.json*", 1),
    ("cell", "write", "*out.json*", 1),
    # Scratch folders, logs, and memory that is shared.
    ("cells", "write", "{lane}/t/*", 16),
    ("cells", "mkdir", "{lane}/t/*", 4),
    ("cells", "unlink", "{lane}/t/*", 40),
    ("why", "write", "/dev/shm/feedrate-*", 2),
    ("why", "unlink", "/dev/shm/feedrate-*", 4),
)
"""Command, call, path, and how many such calls there are."""


@dataclass(frozen=True)
class Attack:
    """One run, and the process that is killed or the call that goes wrong in it."""

    number: int
    command: str
    empty: bool
    """There are no data sets when it starts."""
    own: bool
    """It starts a fork server of its own; else it uses the lane's."""
    role: str = ""
    """Whose process is killed; empty: whichever makes the call."""
    delay_s: float = 0.0
    """From the first sight of such a process."""
    fault: Fault | None = None

    @property
    def kills(self) -> bool:
        """A process is killed; else a call fails."""
        return self.fault is None or self.fault.kills

    @property
    def target(self) -> str:
        """The role, or the call."""
        return self.fault.call if self.fault else self.role

    @classmethod
    def drawn(cls, seed: int, number: int, *, bench_every: int = 0) -> Attack:
        """Attack `number` of a seed; each `bench_every`-th is on asv (0: none)."""
        random = Random(f"{seed}/{number}")
        if bench_every and number % bench_every == 0:
            role = random.choice(("parent", "asv", "asv", "child"))
            return cls(number, "bench", False, False, role, random.uniform(0, COMMANDS["bench"].span_s))
        return (_killing if random.random() < 0.6 else _failing)(random, number)

    def words(self, lane: object) -> list[str]:
        """The command's arguments."""
        return [word.format(lane=lane) for word in COMMANDS[self.command].words.split()]


def _killing(random: Random, number: int) -> Attack:
    role = random.choices(list(_OFTEN), list(_OFTEN.values()))[0]
    commands, share = _VICTIMS[role]
    command = random.choice(commands)
    own = random.random() < (0.5 if role == "fork server" else 0.1)
    span_s = COMMANDS[command].span_s * share + 2.5 * own * (role in ("parent", "fork server"))
    return Attack(number, command, random.random() < 0.3, own, role, round(random.uniform(0, span_s), 3))


def _failing(random: Random, number: int) -> Attack:
    command, call, path, most = random.choice(_MOMENTS)
    act = random.choice(_KILLS if random.random() < 0.7 else _FAILS)
    fault = Fault(call, path, random.randint(1, most), act)
    return Attack(number, command, command != "make" and random.random() < 0.1, False, fault=fault)
