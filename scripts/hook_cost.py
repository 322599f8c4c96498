"""Measure what `feedrate why -- COMMAND` costs a script: `python scripts/hook_cost.py` (make bench-hook).

1. The start of any process of Python below the command, beside one without the hook: fresh processes by turns, of a
   script, and of a worker as multiprocessing starts one.
2. A batch that passes through, before a loop is timed, beside a bare loop over the same batches; and a step of an
   optimizer, which is counted.
3. A batch of a window of both together, which is what a measured T_F holds of feedrate's own.
4. From a script's first batch, whose time it writes down itself, to the first words of `why` on the screen.

Windows of either kind alternate; a figure is the median of the differences between neighbours, and from where to where
half of them lie.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch.utils.data import DataLoader, TensorDataset

import feedrate
from feedrate.metering.script.answering import Measurer
from feedrate.metering.script.epochs import Beginning, Epochs
from feedrate.metering.script.session import ScriptSession
from feedrate.records.request import SCRIPT_REQUEST, ScriptRequest
from feedrate.system.stopwatch import now_s

HOOK = Path(feedrate.__file__).parent / "metering" / "script" / "_hook"
WORKER = "'as multiprocessing starts one'"
BATCHES = 20_000
PASSED = 2_000
TRAINING = """
import pathlib, sys, time, torch
from torch.utils.data import DataLoader, TensorDataset
model = torch.nn.Linear(8, 1)
optimizer = torch.optim.SGD(model.parameters(), 1e-9)
first = pathlib.Path(sys.argv[1])
while True:
    for (batch,) in DataLoader(TensorDataset(torch.zeros(6400, 8)), batch_size=64):
        if not first.exists():
            first.write_text(str(time.time()))
        time.sleep(float(sys.argv[2]))
        optimizer.zero_grad()
        model(batch).sum().backward()
        optimizer.step()
"""
STEPS_S = (0.001, 0.1)
"""Of the trainings whose first words are waited for."""


def seconds(work: Callable[[], object]) -> float:
    start = now_s()
    work()
    return now_s() - start


def by_turns(plain: Callable[[], object], hooked: Callable[[], object], turns: int) -> list[tuple[float, float]]:
    """Time the two by turns, after one of each that does not count."""
    plain(), hooked()
    return [(seconds(plain), seconds(hooked)) for _ in range(turns)]


def told(what: str, pairs: list[tuple[float, float]], count: int = 1) -> None:
    """Print what the second of each pair takes longer, of so many."""
    more_us = [(hooked - plain) / count * 1e6 for plain, hooked in pairs]
    low, _, high = quantiles(more_us, n=4)
    ratio = median(hooked / plain for plain, hooked in pairs)
    print(f"{what}: {median(more_us):.2f} us more ({low:.2f} to {high:.2f}), x{ratio:.3f}")


def starts(code: str, turns: int) -> list[tuple[float, float]]:
    """Time processes without and with the hook; no bytecode is missing, as in a script's second run."""
    plain = {name: text for name, text in os.environ.items() if name not in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")}
    hooked = plain | {"PYTHONPATH": str(HOOK), SCRIPT_REQUEST: "nowhere"}

    def run(environment: dict[str, str]) -> None:
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)

    return by_turns(lambda: run(plain), lambda: run(hooked), turns)


def batches() -> Iterator[Any]:
    """Give batches that take no time."""
    return repeat([torch.zeros(4, 8), torch.zeros(4)], BATCHES)


def drain(source: Iterator[Any]) -> None:
    for _ in source:
        pass


def passing(session: ScriptSession, turns: int) -> list[tuple[float, float]]:
    """Time loops over the cheapest DataLoader, without a session and through it."""
    loader = DataLoader(TensorDataset(torch.zeros(PASSED, 8)), batch_size=None)
    return by_turns(lambda: drain(iter(loader)), lambda: drain(session.iterator(loader, lambda: iter(loader))), turns)


def counting(session: ScriptSession, turns: int) -> list[tuple[float, float]]:
    """Time steps of an optimizer that has nothing to do, before and after they are counted."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)

    def steps() -> None:
        for _ in range(PASSED):
            optimizer.step()

    plain = [seconds(steps) for _ in range(turns + 1)][1:]
    session.begin()
    return list(zip(plain, [seconds(steps) for _ in range(turns + 1)][1:], strict=True))


def window_s(scratch: Path) -> float:
    """Seconds a batch of a whole measurement whose batches and steps take no time."""
    measurer = Measurer(ScriptRequest(scratch, 0.4, watched=False))
    drain(measurer.serve(object(), Epochs(batches, batches(), BATCHES), updates_every=1))
    windows = measurer.answer(Beginning()).cell.stream.rounds.full_windows
    return sum(window.s for window in windows) / sum(window.batches for window in windows)


def first_words_s(folder: Path, step_s: float) -> float:
    """Seconds from the first batch of a training to the first line of `why` on its screen."""
    script, first = folder / "training.py", folder / "first_batch"
    script.write_text(TRAINING)
    first.unlink(missing_ok=True)
    training = [sys.executable, str(script), str(first), str(step_s)]
    command = [sys.executable, "-m", "feedrate", "why", "-r", "1", "--", *training]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line, told = process.stderr.readline(), time.time()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    if "trains" not in line:
        raise SystemExit(f"why told something else first: {line}")
    return told - float(first.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--turns", type=int, default=40, help="pairs of windows, and a fifth of those of processes (default: 40)"
    )
    turns = parser.parse_args().turns
    told("start of a process", starts("pass", 5 * turns))
    told("start of a worker", starts(WORKER, 5 * turns))
    with TemporaryDirectory() as folder:
        session = ScriptSession(ScriptRequest(Path(folder), 0.4), 0.0)
        told("a batch that passes", passing(session, turns), PASSED)
        told("a step that is counted", counting(session, turns), PASSED)
        print(f"a batch of a window: {median(window_s(Path(folder)) for _ in range(5)) * 1e6:.2f} us")
        for step_s in STEPS_S:
            words = [first_words_s(Path(folder), step_s) for _ in range(max(3, turns // 8))]
            print(
                f"first words after the first batch, steps of {step_s * 1e3:.0f} ms: {median(words):.2f} s"
                f" ({min(words):.2f} to {max(words):.2f})"
            )


if __name__ == "__main__":
    main()
