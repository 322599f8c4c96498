"""Hold what `feedrate why` measures against a script's own clock: `python scripts/known_times.py` (some ten minutes).

Asked are the trainings of tests/cases/known/train.py, each in a process of its own without feedrate, then by feedrate.
Printed is a table in Markdown: T_F / T_S / T_L in ms a batch as they are set, by the script's own clock, as feedrate
measures them, and by how much the worst of the three is off the clock.
"""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

TRAIN = Path(__file__).parents[1] / "tests" / "cases" / "known" / "train.py"
CLOCK_S = 6.0
"""Of each of the three times."""


def clocked(name: str) -> tuple[float, ...]:
    return tuple(json.loads(output(str(TRAIN), name, str(CLOCK_S))))


def measured(name: str) -> tuple[float, ...]:
    quick = ("why", "-r", "1", "--seconds", "1", "--json", "--quiet")
    (answer,) = json.loads(output("-m", "feedrate", *quick, "--", sys.executable, str(TRAIN), name))
    return tuple(answer["evidence"][time]["mean"] * 1000 for time in ("full_s", "step_s", "loader_s"))


def output(*arguments: str) -> str:
    return subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def cell(times: tuple[float, ...]) -> str:
    return " / ".join(f"{ms:.1f}" for ms in times)


def main() -> None:
    print("| training | set | by its own clock | feedrate | off by |\n|---|---|---|---|---|", flush=True)
    for name, training in runpy.run_path(str(TRAIN), run_name="train")["TRAININGS"].items():
        truth, said = clocked(name), measured(name)
        off = max((ms / true - 1 for ms, true in zip(said, truth, strict=True)), key=abs)
        known = training.full_ms, training.step_alone_ms, training.loader_alone_ms
        print(f"| {name} | {cell(known)} | {cell(truth)} | {cell(said)} | {off:+.1%} |", flush=True)


if __name__ == "__main__":
    main()
