"""One attack: a run, the kill or the failing call, what is left, and the run after it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from tests.torture.attacks import COMMANDS, Attack
from tests.torture.evidence import cells, kept, lost, torn, unwhole
from tests.torture.lanes import Lane
from tests.torture.roles import of_role

__all__ = ["Result", "attacked"]

_POLL_S = 0.005
_DEADLINE_S = 90.0


@dataclass(frozen=True)
class Result:
    """What came of an attack."""

    attack: Attack
    hit: bool
    """False: the run ended before the moment came."""
    moment_s: float
    """When it came, from the start of the run."""
    victim: str
    """What was hit: a process, or a call as `pid call path`."""
    status: int | None
    """Of the command that was attacked; None: it hung."""
    wall_s: float
    lost: tuple[str, ...]
    """Outcomes that were reported and are gone."""
    leftovers: tuple[str, ...]
    """What is still there after the next run."""
    faults: tuple[str, ...]
    """Everything else that does not hold."""

    @property
    def good(self) -> bool:
        """Everything that must hold does."""
        return not (self.lost or self.leftovers or self.faults)

    def as_json(self) -> dict[str, object]:
        """One line of the campaign's log."""
        return asdict(self) | {"good": self.good}


@dataclass
class _Look:
    """What is collected while an attack is carried out."""

    lane: Lane
    lost: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def attacked(attack: Attack, lane: Lane) -> Result:
    """Carry an attack out, and look at what it left."""
    if attack.empty:
        shutil.rmtree(lane.data, ignore_errors=True)
    look, start = _Look(lane), time.monotonic()
    victim, moment_s, status = _run(attack, look)
    following = attack.command if attack.command in ("bench", "cell") else "after"
    _run(Attack(attack.number, following, empty=False, own=False), look)
    left = tuple(lane.cleared())
    times = round(moment_s, 3), round(time.monotonic() - start, 3)
    return Result(attack, bool(victim), times[0], victim, status, times[1], tuple(look.lost), left, tuple(look.faults))


def _run(attack: Attack, look: _Look) -> tuple[str, float, int | None]:
    """Run it, with what happens in it: the victim, the moment, the exit status."""
    lane, start = look.lane, time.time()
    before = kept(lane.raw)
    process = lane.started(attack)
    victim = _struck(attack, lane, process) if attack.role else ""
    moment = time.time()
    status = _status(process)
    if not victim and (victim := lane.shim.happened):
        moment = lane.shim.happened_at
    after = kept(lane.raw)
    if attack.command != "why":
        # It keeps one line, when it has come to a verdict.
        look.lost += lost(before, after, lane.printed)
    look.faults += [*torn(before, after), *unwhole(lane.data)]
    look.faults += _amiss(attack, status, victim, process.pid, lane.printed)
    expected, count = COMMANDS[attack.command].cells, cells(before, after)
    if expected and status in (0, 1) and count != expected:
        look.faults.append(f"status {status} and outcomes of {count} cells instead of {expected}")
    return victim, moment - start, status


def _struck(attack: Attack, lane: Lane, process: subprocess.Popen[str]) -> str:
    """Kill a process of the role when its time has come; empty: there was none."""
    until, servers = None, None if attack.own else lane.servers
    while process.poll() is None:
        pids = of_role(attack.role, process.pid, servers)
        if pids and until is None:
            until = time.monotonic() + attack.delay_s
        if pids and until is not None and time.monotonic() >= until:
            os.kill(pids[-1], signal.SIGKILL)
            return f"{pids[-1]} {attack.role}"
        time.sleep(_POLL_S)
    return ""


def _status(process: subprocess.Popen[str]) -> int | None:
    """The exit status of the command; None: it hangs, and was killed."""
    try:
        return process.wait(_DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def _amiss(attack: Attack, status: int | None, victim: str, parent: int, printed: str) -> Iterator[str]:
    """What is wrong with how the command ended."""
    if status is None:
        yield f"still running after {_DEADLINE_S:g} s"
    killed = attack.kills and victim.partition(" ")[0] == str(parent)
    allowed = (-signal.SIGKILL,) if killed else (0, 1, 2) if victim else (0,)
    if status is not None and status not in allowed:
        yield f"{attack.command}: status {status}: {printed[-500:]!r}"
    if "Traceback" in printed:
        yield f"{attack.command}: a traceback: {printed[-500:]!r}"
