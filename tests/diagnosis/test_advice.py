"""No advice contradicts the cell that it is given for: each kind of verdict, with each loader, step and device."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import module_from_spec, spec_from_file_location
from itertools import product
from typing import get_args

import pytest

from feedrate.diagnosis import advice
from feedrate.diagnosis.advice import Advice, next_try
from feedrate.diagnosis.evidence import Evidence
from feedrate.diagnosis.finding import Finding, Kind, LoaderCost, StageCost, WideStall, family_of
from feedrate.plugin.cell import Cell
from feedrate.plugin.loader import Loader
from feedrate.plugin.registry import Registry
from feedrate.plugin.strategy import Strategy
from feedrate.records.cell_key import split_spec
from feedrate.records.cell_traits import CellTraits, LoaderTraits
from feedrate.records.estimate import Estimate
from feedrate.records.ladder import Ladder
from feedrate.records.step_profile import StepProfile
from tests.diagnosis.test_verdict import SLOW_LOADER, evidence, seconds
from tests.support import ROOT

LOADERS = (
    *("inline", "mapped", "inline[cast=host]", "inline[copy=serial]", "inline[pin=false]", "resident"),
    *("threads", "threads[count=1]", "threads[count=4,cast=host]"),
    *("workers", "workers[count=0]", "workers[count=1]", "workers[count=4]", "workers[count=4,deal=batches]"),
    "workers[count=4,persistent=false]",
    *("ring_workers", "ring_workers[count=0]", "ring_workers[count=8]"),
    *("gpu_chunk", "gpu_chunk[buffers=1]", "gpu_chunk[pin=false]"),
)
STEPS = (
    *("fp32", "tf32", "bf16", "fp16", "none", "compiled", "accumulated", "checkpointed", "graphed", "evaluation"),
    *("compiled[precision=tf32]", "compiled[precision=bf16]", "compiled[mode=reduce-overhead]"),
)
DEVICES = ("cpu", "cuda")
CORES = (2, 64)
RUST_LOADERS = ("rust_prefetch", "rust_prefetch[readers=2]")
RUST = ROOT / "plugins/rust_prefetch/python/feedrate_rust_prefetch/loader.py"
WORKLOADS = ("boardmoves", "boardmoves[compression=none]", "fxseq")


@dataclass(frozen=True)
class Given:
    """An advice and the cell that it was given for."""

    text: str
    kind: Kind
    cell: Cell
    cores: int
    works_ahead: bool

    def __str__(self) -> str:
        return f"{self.cell} on {self.cores} cores, {self.kind}: {self.text}"


def given(cell: Cell, kind: Kind, cores: int) -> Given:
    """What a cell is told when it is held back by that."""
    works_ahead = runs_beside(cell)
    beside = {"contention_s": seconds(1), "loader_beside_s": seconds(5)} if works_ahead else {}
    base = evidence(*SLOW_LOADER)
    measured: Evidence = replace(
        base,
        device=cell.device,
        traits=replace(cell.traits, cores=cores),
        facts=StepProfile(1e9, "fp32", 1e13, 400, 300, 1 if "fp16" in str(cell.step) else 3),
        **beside,  # type: ignore[arg-type]
    )
    return Given(next_try(Finding(kind, LoaderCost(0.02, 0.02, 1.0), 2.0), measured), kind, cell, cores, works_ahead)


def rust(text: str) -> Loader:
    """The Rust loader of this repository, installed or not: what it says of itself takes no native code."""
    name, knobs = split_spec(text)
    spec = spec_from_file_location("rust_loader", RUST)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules.setdefault("rust_loader", module)
    spec.loader.exec_module(module)
    loader: Loader = module.RustPrefetch().with_knobs(knobs)
    assert loader.name == name
    return loader


@pytest.fixture(scope="module")
def cells(registry: Registry) -> tuple[Cell, ...]:
    """Each loader with each step on each device; files of other kinds with one step, which looks at none."""
    loaders = [*map(registry.loader, LOADERS), *map(rust, RUST_LOADERS)]
    steps, workloads = [*map(registry.step, STEPS)], [*map(registry.workload, WORKLOADS)]
    pairs = [*product(workloads[:1], steps), *product(workloads[1:], steps[:1])]
    return tuple(
        Cell(workload, "tiny", loader, step, device)
        for (workload, step), loader, device in product(pairs, loaders, DEVICES)
    )


def every_advice(cells: Sequence[Cell], kinds: Sequence[Kind] = get_args(Kind)) -> list[Given]:
    return [given(cell, kind, cores) for cell, kind, cores in product(cells, kinds, CORES)]


# --- the oracle: what is true of the loaders and steps that ship, by name and knob, and known to no advice


def in_processes(cell: Cell) -> bool:
    return cell.loader.name in ("workers", "ring_workers") and cell.loader.knobs["count"] != 0


def on_threads(cell: Cell) -> bool:
    return runs_beside(cell) and not in_processes(cell)


def runs_beside(cell: Cell) -> bool:
    if cell.loader.name == "gpu_chunk":
        return cell.loader.knobs["buffers"] == 2
    return in_processes(cell) or cell.loader.name in ("threads", "rust_prefetch")


def contradictions(given: Given) -> Iterator[str]:
    """Yield each claim about the cell that the text makes and that is not so."""
    text, cell, knobs = given.text, given.cell, given.cell.loader.knobs
    parts = set(re.split(r"[^a-z0-9]+", str(cell.step)))
    rules = {
        "it works in other processes already": in_processes(cell) and "in other processes" in text,
        "no process is there to be shared with": not in_processes(cell) and "both processes share" in text,
        "its memory is shared already": cell.loader.name == "ring_workers" and "both processes share" in text,
        "it is not one thread that decodes": cell.loader.name != "gpu_chunk"
        and "several threads or processes" in text,
        "it has no process": not in_processes(cell)
        and bool(re.search(r"(more|fewer) processes|without processes|outlive", text)),
        "its processes outlive the epoch": in_processes(cell) and knobs.get("persistent", True) is True
        and "outlive" in text,
        "it has no threads": not on_threads(cell) and bool(re.search(r"(more|fewer) threads", text)),
        "Rust holds no interpreter": cell.loader.name == "rust_prefetch" and "other processes" in text,
        "it works ahead already": given.works_ahead and bool(re.search(r"loader that (works|reads) ahead", text)),
        "it has no queue": not given.works_ahead and bool(re.search(r"deeper queue|further ahead", text)),
        "it reads a copy of its own": cell.loader.name == "mapped"
        and bool(re.search(r"blocks|larger reads|codec|compressed", text)),
        "it is compiled": cell.step.name == "compiled" and bool(re.search(r"\bcompiled", text)),
        "it is captured": cell.step.name == "graphed" and "graphed" in text,
        "it is in low precision": bool({"bf16", "fp16"} & parts) and "lower precision" in text,
        "it is bf16": "bf16" in parts and "bf16" in text,
        "it trains nothing": not cell.step.trains and family_of(given.kind) == "step" and text.startswith("try"),
        "its batches are ready": cell.loader.synthetic and family_of(given.kind) in ("loader", "both")
        and text.startswith("try"),
        "there is no GPU": cell.device == "cpu"
        and bool(re.search(r"pin|page-locked|copy|copies|on the device|graphed", text)),
        "it gathers on the device": cell.loader.name == "gpu_chunk" and bool(re.search("gather on|copies one", text)),
        "memory is page-locked": knobs["pin"] is True and "pin" in text,
        "copies are ahead": knobs["copy"] == "overlap" and "copy=overlap" in text,
        "it is cast there": f"cast={knobs['cast']}" in text,
        "files are compressed": cell.workload.knobs.get("compression") != "none" and "a compressed format" in text,
        "files are not compressed": cell.workload.knobs.get("compression") == "none" and "codec" in text,
    }  # fmt: skip
    yield from (claim for claim, is_wrong in rules.items() if is_wrong)
    yield from _knobs_that_are_not_there(given)
    yield from _counts_that_do_not_fit(given)


def _knobs_that_are_not_there(given: Given) -> Iterator[str]:
    named = re.findall(r"\((\w+)[=)]", given.text)
    yield from (f"it has no knob {name}" for name in named if name not in given.cell.loader.knobs)


def _counts_that_do_not_fit(given: Given) -> Iterator[str]:
    for word, knob, count in re.findall(r"(more|fewer) \w+ \((\w+)=(\d+)", given.text):
        now = given.cell.loader.knobs.get(knob)
        if word == "more" and int(count) > given.cores:
            yield "there are not so many cores"
        if isinstance(now, int) and (int(count) <= now if word == "more" else not 0 < int(count) < now):
            yield f"{count} is not {word} than {now}"


def wrong(advices: Sequence[Given]) -> list[str]:
    return [f"{claim}: {one}" for one in advices for claim in contradictions(one)]


# --- tests


@pytest.mark.slow
def test_no_advice_contradicts_its_loader_its_step_its_device_or_its_knobs(
    registry: Registry, cells: tuple[Cell, ...]
) -> None:
    def shipped(strategies: Mapping[str, Strategy]) -> set[str]:
        return {name for name, one in strategies.items() if type(one).__module__.startswith("feedrate.builtin.")}

    assert {(cell.loader.name, cell.step.name, cell.device) for cell in cells} >= set(
        product({*shipped(registry.loaders), "rust_prefetch"}, shipped(registry.steps), DEVICES)
    )
    assert wrong(every_advice(cells)) == []


@pytest.mark.parametrize(
    ("text", "kind", "claim"),
    [
        ("a loader in other processes", "contention", "it works in other processes already"),
        ("a loader in other processes", "no overlap", "Rust holds no interpreter"),
        ("more threads (count=9)", "decode", "it has no threads"),
        ("more threads (count=99)", "decode", "there are not so many cores"),
        ("{fewer}", "contention", "0 is not fewer than 1"),
        ("a loader that works ahead", "no overlap", "it works ahead already"),
        ("a loader that decodes in several threads or processes", "decode", "it is not one thread that decodes"),
        ("a deeper queue ({queue})", "coupling", "it has no queue"),
        ("a deeper queue (prefetch)", "coupling", "it has no knob prefetch"),
        ("smaller blocks", "start-up", "it reads a copy of its own"),
        ("compiled", "launch", "it is compiled"),
        ("graphed", "launch", "it is captured"),
        ("a lower precision", "compute", "it is in low precision"),
        ("another step", "step-bound", None),
        ("page-locked memory (pin=true)", "copy", "there is no GPU"),
        ("page-locked memory (pin=true)", "copy", "memory is page-locked"),
        ("copies one batch ahead (copy=overlap)", "copy", "copies are ahead"),
        ("wider dtypes only after the copy (cast=device)", "copy", "it is cast there"),
        ("a gather on the device", "hand-over", "it gathers on the device"),
        ("batches in memory that both processes share", "hand-over", "its memory is shared already"),
        ("workers that outlive the epoch", "start-up", "its processes outlive the epoch"),
        ("a quicker codec", "decode", "files are not compressed"),
        ("a compressed format", "read warm", "files are compressed"),
    ],
)
def test_a_wrong_advice_would_be_caught(
    cells: tuple[Cell, ...], monkeypatch: pytest.MonkeyPatch, text: str, kind: Kind, claim: str | None
) -> None:
    monkeypatch.setattr(advice, "ADVICE", (Advice(text, (kind,), lambda _: True),))

    caught = wrong(every_advice(cells, [kind]))

    assert any(line.startswith(f"{claim}: ") for line in caught) if claim else caught == []


def test_processes_that_each_epoch_starts_anew_are_told_to_stay(cells: tuple[Cell, ...]) -> None:
    restarting = [cell for cell in cells if cell.loader.knobs.get("persistent") is False]

    assert restarting
    assert all(
        one.text.startswith("try workers that outlive the epoch (persistent=true), ")
        for one in every_advice(restarting, ["start-up"])
    )


def test_chunks_that_one_thread_decodes_are_told_of_several(registry: Registry) -> None:
    workload, step = registry.workload("fxseq[layout=gzip]"), registry.step("fp32")
    told = [
        given(Cell(workload, "tiny", registry.loader(loader), step, "cuda"), "decode", 8).text
        for loader in ("gpu_chunk", "threads")
    ]

    assert ["decodes in several threads or processes" in text for text in told] == [True, False]


@pytest.mark.slow
def test_every_kind_of_every_loader_gets_one_line_that_orders_or_says_that_nothing_is_left(
    cells: tuple[Cell, ...],
) -> None:
    for one in every_advice(cells):
        assert re.match(r"(try \S|nothing is left to try)", one.text), str(one)
        assert "{" not in one.text
        assert len(one.text) < 160, str(one)


def test_workers_on_their_cores_are_told_of_other_things_than_processes(registry: Registry) -> None:
    cell = Cell.parse("boardmoves/tiny/workers[count=2]/fp32/cpu", registry)

    assert given(cell, "contention", 2).text == "try fewer processes (count=1), or more cores"
    assert given(cell, "decode", 2).text == "try a quicker codec, or fewer columns"
    assert given(cell, "decode", 3).text == "try more processes (count=3), a quicker codec, or fewer columns"
    assert given(cell, "no overlap", 2).text == "try a deeper queue (prefetch)"


def test_where_nothing_fits_it_says_so_and_promises_nothing(registry: Registry) -> None:
    ready = Cell.parse("boardmoves/tiny/resident/none/cpu", registry)

    assert given(ready, "hand-over", 2).text == (
        "nothing is left to try: the loader's batches are ready before they are asked for"
    )
    assert given(ready, "launch", 2).text == (
        "nothing is left to try: this step trains nothing, and only the loop around it is left"
    )


def test_numbers_that_decide_nothing_ask_for_better_ones_whatever_the_cell() -> None:
    case = evidence(*SLOW_LOADER, traits=CellTraits(synthetic=True))
    vague = StageCost("decode", Estimate(0.01, 0.02), 0.02, 1.0, clear=False)

    assert next_try(Finding("unsure", WideStall(0.0, 0.9, "decode", 7)), case).startswith("try --replicates 7, ")
    assert "nobody else uses" in next_try(Finding("unsure", WideStall(0.0, 0.9, "decode")), case)
    assert "more replicates" in next_try(Finding("loader-bound", vague), case)


def test_a_line_that_was_written_before_loaders_were_asked_is_read_as_of_one_that_says_nothing() -> None:
    cell = CellTraits(LoaderTraits("threads", 2, "count", "depth"), pin=True, cores=4)
    raw = json.loads(json.dumps(Ladder(traits=cell).as_json()))

    assert Ladder.from_json(raw).traits == cell
    del raw["traits"]
    assert Ladder.from_json(raw).traits == CellTraits()


def test_of_a_loader_that_says_nothing_what_was_measured_is_believed() -> None:
    strange = CellTraits(LoaderTraits(), cores=8)
    asked = evidence(*SLOW_LOADER, traits=strange)
    ahead = evidence(*SLOW_LOADER, traits=strange, contention_s=seconds(1), loader_beside_s=seconds(2))
    turns = Finding("no overlap", LoaderCost(0.02, 0.02, 1.0))

    assert next_try(turns, asked) == "try a loader that works ahead while the step runs"
    assert next_try(turns, ahead) == "nothing is left to try that fits this loader and this step"
