"""Hold what `feedrate why` measures against a script's own clock: `python scripts/known_times.py` (some ten minutes).

Asked are the trainings of tests/cases/known/train.py, each in a process of its own without feedrate, then by feedrate.
Printed is a table in Markdown: T_F / T_S / T_L in ms a batch as they are set, by the script's own clock, as feedrate
measures them, by how much the worst of the three is off the clock, and the verdict. `--tracer` asks the run-time tracer
traceml-ai (`pip install traceml-ai`) instead: its means of whole step, traced block and wait for input, and
what it says first.
"""

from __future__ import annotations

import argparse
import json
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TRAIN = ROOT / "tests" / "cases" / "known" / "train.py"
CLOCK_S = 6.0
"""Of each of the three times."""
TRACED_S = 30.0
"""A training goes on for so long under a tracer."""
LONGEST_S = 150


def rows() -> Iterator[tuple[str, ...]]:
    """Yield the lines of the table as they come."""
    yield "training", "set", "by its own clock", "feedrate", "off by", "it says"
    for name, training in trainings().items():
        truth, (said, times) = clocked(name), measured(name)
        off = max((ms / true - 1 for ms, true in zip(times, truth, strict=True)), key=abs)
        known = training.full_ms, training.step_alone_ms, training.loader_alone_ms
        yield name, cell(known), cell(truth), cell(times), f"{off:+.1%}", said


def traced_rows() -> Iterator[tuple[str, ...]]:
    """Yield the lines of the tracer's table as they come."""
    yield "training", "whole / block / wait for input", "it says"
    tracer, script = (Path(__file__).with_name(f"{part}.py") for part in ("tracer", "traced_known"))
    for name in trainings():
        summary = json.loads(output(str(tracer), str(LONGEST_S), str(ROOT), str(script), str(TRACED_S), name))
        means = summary["step_time"]["global"]["average"]
        times = tuple(means[kind] for kind in ("step_time_ms", "traced_step_time_ms", "input_wait_ms"))
        yield name, cell(times), str(summary["primary_diagnosis"]["status"])


def trainings() -> dict[str, Any]:
    known: dict[str, Any] = runpy.run_path(str(TRAIN), run_name="train")["TRAININGS"]
    return known


def clocked(name: str) -> tuple[float, ...]:
    return tuple(json.loads(output(str(TRAIN), name, str(CLOCK_S))))


def measured(name: str) -> tuple[str, tuple[float, ...]]:
    """The verdict of feedrate, and its times."""
    quick = ("why", "-r", "1", "--seconds", "1", "--json", "--quiet")
    (answer,) = json.loads(output("-m", "feedrate", *quick, "--", sys.executable, str(TRAIN), name))
    times = tuple(answer["evidence"][time]["mean"] * 1000 for time in ("full_s", "step_s", "loader_s"))
    return answer["verdict"]["kind"], times


def output(*arguments: str) -> str:
    return subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def cell(times: tuple[float, ...]) -> str:
    return " / ".join(f"{ms:.1f}" for ms in times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracer", action="store_true", help="ask traceml-ai instead")
    for place, row in enumerate(traced_rows() if parser.parse_args().tracer else rows()):
        print(f"| {' | '.join(row)} |", flush=True)
        if not place:
            print("|---" * len(row) + "|", flush=True)


if __name__ == "__main__":
    main()
