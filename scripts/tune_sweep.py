"""Hold `feedrate tune` against an exhaustive sweep of the same space: `python scripts/tune_sweep.py 'python train.py'`.

Every setting that `tune` may try is compared with the script as it is, as `tune` proves its winner: in pairs of fresh
processes, until the interval decides. Printed are the gain of each and the time it took; and whether what `tune` names
is within 3 % of the best of the sweep, in at most a third of its time. Loaders of feedrate's own are a table apart:
nothing can be pasted for them.
"""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from feedrate import Session
from feedrate.api.comparing import run_comparisons
from feedrate.api.scripts import script_command, script_variant
from feedrate.api.tuning import candidates
from feedrate.comparison.comparison import Comparison, StoppingRule
from feedrate.records.measurement import Measurement
from feedrate.runner.script_command import OWN
from feedrate.system.stopwatch import now_s

NEAR = 0.97
"""Share of the best gain that is as good as the best."""
SHARE = 1 / 3
"""Of the sweep's time."""


@dataclass(frozen=True)
class Tried:
    """One setting of the sweep."""

    loader: str
    gain: float
    """Times the speed of the script as it is; 0: it could not run."""
    interval: str
    took_s: float


def tried(session: Session, words: Sequence[str], loader: str, pairs: int) -> Tried:
    """Compare one setting with the script as it is."""
    resources, numbers, start = session.resources, count(), now_s()
    command = replace(script_command(resources, words, None), loader=loader)
    rule = StoppingRule("full", 0.02, pairs, 3600.0)
    own, other = (script_variant(resources, replace(command, loader=name), "", numbers) for name in (OWN, loader))
    comparison = Comparison(other, own, own, rule)
    resources.comparisons = (comparison,)
    run_comparisons(resources, rule)
    took_s = now_s() - start
    if comparison.failures:
        return Tried(loader, 0.0, comparison.failures[0].reason, took_s)
    (verdict,) = comparison.judgements.values()
    return Tried(loader, verdict.factor, f"{verdict.word} {verdict.low:.2f} to {verdict.high:.2f}", took_s)


def told(rows: Sequence[Tried], named: str, tune_s: float) -> None:
    """Print a family of settings, and how what `tune` names stands among them."""
    for row in sorted(rows, key=lambda row: -row.gain):
        mark = "*" if row.loader == named else " "
        print(f"{mark} {row.loader:66} x{row.gain:5.2f}  {row.took_s:6.1f} s  {row.interval}")
    best, sweep_s = max(rows, key=lambda row: row.gain), sum(row.took_s for row in rows)
    gains = {row.loader: row.gain for row in rows} | {OWN: 1.0}
    share = gains[named] / max(1.0, best.gain)
    near, quick = share >= NEAR, tune_s <= SHARE * sweep_s
    print(f"  tune names {named} after {tune_s:.0f} s; best of the sweep: {best.loader} after {sweep_s:.0f} s")
    print(f"  within 3 %: {'yes' if near else 'NO'} ({share:.3f} of the best gain)", end="; ")
    print(f"in a third of the time: {'yes' if quick else 'NO'} ({tune_s / sweep_s:.2f})")


def held_against_sweep(typed: str, budget_s: float, pairs: int, scratch: Path) -> None:
    """Tune one command, sweep it, and print both."""
    words = shlex.split(typed)
    with Session(results=scratch / "raw", logs=scratch / "logs", quiet=True) as session:
        start = now_s()
        result = session.tune_command(words, budget_s=budget_s)
        tune_s = now_s() - start
        own = result.outcomes[0]
        assert isinstance(own, Measurement)
        torch_settings, others = candidates(own, len(os.sched_getaffinity(0)))
        print(f"{typed}\n  tune: {result.sentence}")
        if result.beside:
            print(f"  tune: {result.beside}")
        told([tried(session, words, loader, pairs) for loader in torch_settings], result.best or OWN, tune_s)
        if result.other:
            told([tried(session, words, loader, pairs) for loader in others], result.other, tune_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commands", nargs="+", metavar="COMMAND", help="each as it is typed, in quotes")
    parser.add_argument("--budget", type=float, default=600.0, metavar="S", help="of each tune, in seconds: 600")
    parser.add_argument("--pairs", type=int, default=16, metavar="N", help="of each setting at most: 16, as tune has")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        for typed in options.commands:
            held_against_sweep(typed, options.budget, options.pairs, Path(folder))


if __name__ == "__main__":
    main()
