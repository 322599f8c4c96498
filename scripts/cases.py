"""Ask `feedrate why` of trainings with a known ailment, and of their cured twins: `python scripts/cases.py [CASE...]`.

Each lies in examples/cases and is asked as it stands; printed is a table, right where the ailment is told of the sick
training and not of its twin. A verdict that no quiet moment stands behind is marked with `?`.
`--tracer` asks the run-time tracer traceml-ai instead (`pip install traceml-ai`), whose steps scripts/traced_case.py
marks in the loop: printed is what it says first of both, and whatever else it warns of.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from feedrate.diagnosis.diagnosis import Diagnosis
from feedrate.diagnosis.finding import SlowEpochStarts
from feedrate.diagnosis.verdict import Verdict, verdict

FOLDER = Path(__file__).parents[1] / "examples" / "cases"


@dataclass(frozen=True)
class Case:
    """One training of examples/cases."""

    name: str
    answer: str
    """What is right, in words."""
    told: str
    """A pattern that what is said of the sick one matches, and what is said of its twin does not."""
    of_twin: str = ""
    """A pattern that what is said of the twin must match besides."""


CASES = (
    Case("row_by_row", "loader-bound: fetching row by row", r"^fetch"),
    Case("frame_rows", "loader-bound: looking rows up", r"^fetch"),
    Case("nested_lists", "loader-bound: collating lists", r"^collate"),
    Case("tokenised_in_loop", "loader-bound: tokenising", r"^fetch"),
    Case("shuffled_rows", "loader-bound: rows through Python", r"^fetch"),
    Case("chunk_larger_than_sample", "loader-bound: decompression", r"^fetch"),
    Case("many_tensors", "loader-bound: hand-over, tensor by tensor", r"^hand-over"),
    Case(
        "device_still_busy",
        "step-bound; the twin loader-bound",
        r"^(step-bound|compute|launch)",
        r"^(loader-bound|fetch|collate)",
    ),
    Case("workers_each_epoch", "start-up, each epoch", r"^start-up \(each epoch\)"),
    Case("index_list", "start-up, each pass", r"^start-up \(each epoch\)"),
    Case("handle_before_fork", "WRONG DATA", r"WRONG DATA"),
    Case("repeated_by_workers", "WRONG DATA: repeated by workers", r"WRONG DATA"),
    Case("same_order", "WRONG DATA: the same order", r"WRONG DATA: each epoch"),
    Case("float_labels", "WRONG DATA: labels are floats", r"WRONG DATA: the integers"),
    Case("fork_after_threads", "a hang in the workers, within polars", r"polars"),
    Case("kept_batches", "descriptors of kept batches", r"descriptor growth"),
    Case("kept_graph", "memory growth, the step's", r"memory growth \(step\)"),
    Case("forked_copies", "memory growth, the workers'", r"memory growth \(workers\)"),
    Case("collector_pauses", "collector pauses", r"collector pauses"),
    Case("pools_of_workers", "contention: thread pools", r"thread pools"),
    Case("interpreter_held", "contention: the interpreter is held", r"interpreter held"),
    Case("progress_bar", "step-bound: Python", r"\bpython\b"),
    Case("slow_sample", "loader-bound, by order", r"order"),
)


@dataclass(frozen=True)
class Heard:
    """What `feedrate why` says of one training."""

    said: str
    is_doubtful: bool = False

    def __str__(self) -> str:
        return f"{self.said} ?" if self.is_doubtful else self.said


def ask(name: str, *, cured: bool, deadline_s: int, tries: int) -> Heard:
    """Run the command, again while others keep the machine busy."""
    heard = _ask(name, cured=cured, deadline_s=deadline_s)
    for _ in range(tries - 1):
        if not heard.is_doubtful:
            break
        heard = _ask(name, cured=cured, deadline_s=deadline_s)
    return heard


def _ask(name: str, *, cured: bool, deadline_s: int) -> Heard:
    command = [sys.executable, str(FOLDER / f"{name}.py"), *(["--cured"] if cured else [])]
    why = [sys.executable, "-m", "feedrate", "why", "-r", "1", "--json", "--quiet", "--deadline-s", str(deadline_s)]
    with TemporaryDirectory() as folder:
        done = subprocess.run([*why, "--", *command], cwd=folder, capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        *_, last = done.stderr.strip().splitlines() or ["nothing was said"]
        return Heard(re.sub(r"^feedrate: \S+: |; (log|still|the log)\b.*", "", last))
    (diagnosis,) = json.loads(done.stdout)
    is_doubtful = diagnosis["verdict"]["kind"] == "invalid"
    answer = verdict(Diagnosis.from_json(diagnosis).evidence)
    causes = [cause.kind for cause in answer.causes]
    symptoms = [f"{symptom['kind']} ({symptom['place']})" for symptom in diagnosis["symptoms"]]
    return Heard("; ".join([_kind(answer), *causes, *symptoms]), is_doubtful)


def _kind(answer: Verdict) -> str:
    if answer.kind != "start-up":
        return answer.kind
    return "start-up (each epoch)" if isinstance(answer.facts, SlowEpochStarts) else "start-up (first batch)"


def rows(cases: tuple[Case, ...], deadline_s: int, tries: int) -> Iterator[tuple[str, ...]]:
    """Yield the lines of the table as they come."""
    for case in cases:
        sick, twin = (ask(case.name, cured=cured, deadline_s=deadline_s, tries=tries) for cured in (False, True))
        is_told = [re.search(case.told, heard.said) is not None for heard in (sick, twin)]
        is_right = is_told == [True, False] and re.search(case.of_twin, twin.said) is not None
        yield case.name, case.answer, str(sick), str(twin), "yes" if is_right else "no"


_TRACED_S = 30.0
"""A training goes on for so long under a tracer."""
_NOTHING_WRONG = ("NORMAL", "BALANCED", "NO DATA", "NO GPU")
"""What a section of the tracer says that has nothing to warn of."""


def traced_rows(cases: tuple[Case, ...], deadline_s: int) -> Iterator[tuple[str, ...]]:
    """Yield what the tracer says, line by line."""
    for case in cases:
        yield case.name, case.answer, *(_traced(case.name, deadline_s, cured=cured) for cured in (False, True))


def _traced(name: str, deadline_s: int, *, cured: bool) -> str:
    tracer, script = (str(Path(__file__).with_name(f"{part}.py")) for part in ("tracer", "traced_case"))
    arguments = [str(_TRACED_S), str(FOLDER / f"{name}.py"), *(["--cured"] if cured else [])]
    command = [sys.executable, tracer, str(deadline_s), str(FOLDER), script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"nothing: {done.stderr.strip()}"
    return "; ".join(_warnings(json.loads(done.stdout)))


def _warnings(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yield the diagnosis that the tracer puts first, then what its other sections warn of."""
    yield str(summary["primary_diagnosis"]["status"])
    for name, section in summary.items():
        diagnosis = section.get("diagnosis") if isinstance(section, Mapping) else None
        status = str(diagnosis.get("status", "")) if isinstance(diagnosis, Mapping) else ""
        if name != "step_time" and status and status.replace("_", " ").upper() not in _NOTHING_WRONG:
            yield f"{name}: {status}"


def main() -> None:
    """Print the table, and how many are right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="*", metavar="CASE", choices=[[], *(case.name for case in CASES)])
    parser.add_argument("--deadline-s", type=int, default=150, metavar="S", help="longest one training may take: 150")
    parser.add_argument("--tries", type=int, default=2, metavar="N", help="of one whose verdict is doubtful: 2")
    parser.add_argument("--tracer", action="store_true", help="ask traceml-ai instead")
    options = parser.parse_args()
    chosen = tuple(case for case in CASES if not options.case or case.name in options.case)
    if options.tracer:
        print("| case | right answer | of the sick one | of its twin |\n|---|---|---|---|", flush=True)
        for row in traced_rows(chosen, options.deadline_s):
            print(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |", flush=True)
        return
    print("| case | right answer | of the sick one | of its twin | right |\n|---|---|---|---|---|", flush=True)
    start, right = time.monotonic(), 0
    for row in rows(chosen, options.deadline_s, options.tries):
        print(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |", flush=True)
        right += row[-1] == "yes"
    print(f"\n{right} of {len(chosen)} are right; {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
