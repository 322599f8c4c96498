"""Plant a slower decode in a commit, and see whether it is found: `python scripts/plant.py [--plants N]`.

A temporary clone of this checkout gets one commit in which reading and decoding a block is followed by so much of its
own time of busy work. In that clone, `feedrate compare CELL@HEAD~1 @HEAD` must say FASTER (of the commit before), and
`feedrate why CELL --since HEAD~1` must name decoding. Exit status: 0 if both do, in every one of N tries; else 1.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCE = Path("src/feedrate/loading/source.py")
HONEST = """\
        parts = [self._part(*place) for place in self._data.locate(block.start, block.stop)]
"""
PLANTED = """\
        from feedrate.system.stopwatch import now_s
        from feedrate.system.synthetic_load import burn_cpu

        begin_s = now_s()
        parts = [self._part(*place) for place in self._data.locate(block.start, block.stop)]
        burn_cpu({share} * (now_s() - begin_s))
"""
CELL = "fxseq[layout=gzip]/small/inline/none"
"""Its batches are nearly all decoding, in the process that is timed."""
NAMED, MORE = "it is decoding", " a batch more"


@dataclass(frozen=True)
class Try:
    """What both commands said of a plant."""

    verdict: str
    pairs: int
    sentence: str
    change: str
    seconds: float

    @property
    def found(self) -> bool:
        """Whether it was found and named."""
        return self.verdict == "FASTER" and NAMED in self.change and MORE in self.change


def git(folder: Path, *arguments: str) -> None:
    """Run git in a clone, with an author of its own."""
    author = ("-c", "user.name=plant", "-c", "user.email=plant@localhost", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *author, "-C", str(folder), *arguments], check=True)


def planted(folder: Path, share: float) -> Path:
    """Clone the last commit of this checkout, and add one that plants the busy work.

    Raises:
        SystemExit: the line that it changes is no longer there.
    """
    clone = folder / "clone"
    git(ROOT, "clone", "--quiet", "--shared", str(ROOT), str(clone))
    text = (clone / SOURCE).read_text()
    if text.count(HONEST) != 1:
        raise SystemExit(f"{SOURCE} reads blocks in another way by now: write what {Path(__file__).name} changes anew")
    # No cell of theirs is measured, and building them takes minutes.
    git(clone, "rm", "-r", "--quiet", "plugins")
    git(clone, "commit", "--quiet", "--message", "No plugins")
    (clone / SOURCE).write_text(text.replace(HONEST, PLANTED.format(share=share)))
    git(clone, "commit", "--quiet", "--all", "--message", f"Decode {share:.0%} slower")
    return clone


def answer(clone: Path, *arguments: str) -> Any:
    """Run a command of the planted code in the clone, and read the JSON that it prints.

    Raises:
        SystemExit: it prints none.
    """
    environment = os.environ | {"PYTHONPATH": str(clone / "src")}
    command = [sys.executable, "-m", "feedrate", *arguments, "--json", "--data", str(ROOT / "data")]
    done = subprocess.run(command, cwd=clone, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise SystemExit(f"`feedrate {' '.join(arguments)}` ended with status {done.returncode}, and no JSON") from None


def tried(clone: Path, cell: str, pairs: int, budget: str) -> Try:
    """Ask both commands once."""
    start = monotonic()
    limits = ("--pairs", str(pairs), "--budget", budget)
    (compared,) = answer(clone, "compare", f"{cell}@HEAD~1", "@HEAD", *limits)
    change = answer(clone, "why", cell, "--since", "HEAD~1", *limits)
    took_s = monotonic() - start
    return Try(compared["verdict"], compared["pairs"], compared["sentence"], change["sentence"], took_s)


def main() -> int:
    """Plant, ask, and print what was said."""
    parser = argparse.ArgumentParser(description="plant a slower decode in a commit, and see whether it is found")
    parser.add_argument("--plants", type=int, default=1, metavar="N", help="tries: 1")
    parser.add_argument("--share", type=float, default=0.05, help="busy work, as a share of reading a block: 0.05")
    parser.add_argument("--cell", default=CELL, help=f"{CELL}")
    parser.add_argument("--pairs", type=int, default=32, metavar="N", help="of compare and of why --since, at most: 32")
    parser.add_argument("--budget", default="10m", metavar="TIME", help="of each of the two, at most: 10m")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="feedrate-plant-") as folder:
        clone = planted(Path(folder), options.share)
        tries = []
        for number in range(1, options.plants + 1):
            attempt = tried(clone, options.cell, options.pairs, options.budget)
            tries.append(attempt)
            word = "found" if attempt.found else "MISSED"
            print(f"{number}: {word}, {attempt.pairs} pairs, {attempt.seconds:.0f} s\n   compare: {attempt.sentence}")
            print(f"   why --since: {attempt.change}", flush=True)
    hits = sum(attempt.found for attempt in tries)
    print(f"{hits} of {len(tries)} found and named")
    return int(hits < len(tries))


if __name__ == "__main__":
    sys.exit(main())
