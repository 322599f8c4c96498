"""Advise what to try next: every advice once, with the kinds of verdict it is for and the cells in which it holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import TypeAlias

from feedrate.diagnosis.causes import CauseKind
from feedrate.diagnosis.evidence import Evidence
from feedrate.diagnosis.finding import Finding, Kind, LoadingCost, StageCost, WideStall, family_of
from feedrate.records.cell_traits import DataLoaderTraits, LoaderTraits

__all__ = ["ADVICE", "SCRIPT_ADVICE", "Advice", "Condition", "next_try", "settings_to_try"]

Condition: TypeAlias = Callable[[Evidence], bool]

_SETTING = re.compile(r"DataLoader\(\.\.\., (\w+=[\w{}]+)\)")
_MOST = 3
"""Advices of a sentence."""


@dataclass(frozen=True)
class Advice:
    """Something to try."""

    text: str
    """What to try; `{more}` and `{fewer}` threads or processes, `{queue}` and `{restarts}`, knobs, are the loader's."""
    kinds: tuple[Kind | CauseKind, ...]
    holds: Condition
    """Whether it makes sense in the cell that was measured; of what is not known of a cell, nothing is assumed."""

    @property
    def setting(self) -> str:
        """Give the setting of a DataLoader that is all that it says, such as `num_workers={first}`; else nothing."""
        match = _SETTING.fullmatch(self.text)
        return match[1] if match else ""


# --- conditions


def _always(evidence: Evidence) -> bool:
    del evidence
    return True


def _on_gpu(evidence: Evidence) -> bool:
    return evidence.device == "cuda"


def _works_ahead(evidence: Evidence) -> bool:
    """As the loader says, or as was measured of one that says nothing."""
    place = evidence.traits.loader.works_in
    return evidence.loader_beside_s is not None if place == "unknown" else place != "caller"


def _works_when_asked(evidence: Evidence) -> bool:
    return not _works_ahead(evidence)


def _in_processes(evidence: Evidence) -> bool:
    return evidence.traits.loader.works_in == "processes"


def _on_python_threads(evidence: Evidence) -> bool:
    return evidence.traits.loader.works_in == "threads"


def _in_this_process(evidence: Evidence) -> bool:
    return evidence.traits.loader.works_in in ("caller", "threads", "native threads")


def _loader_unknown(evidence: Evidence) -> bool:
    return evidence.traits.loader.works_in == "unknown"


def _has_cores_left(evidence: Evidence) -> bool:
    """The loader can be given more threads or processes, and there are cores for them."""
    loader, cores = evidence.traits.loader, evidence.traits.cores
    return bool(loader.count_knob and loader.count and cores and loader.count < cores)


def _has_several(evidence: Evidence) -> bool:
    return bool(evidence.traits.loader.count_knob) and (evidence.traits.loader.count or 0) > 1


def _starts_several_processes(evidence: Evidence) -> bool:
    return _in_processes(evidence) and _has_several(evidence)


def _has_queue(evidence: Evidence) -> bool:
    return bool(evidence.traits.loader.queue_knob) and _works_ahead(evidence)


def _restarts_its_processes(evidence: Evidence) -> bool:
    return bool(evidence.traits.loader.restarts_knob)


def _copies_batches_between_processes(evidence: Evidence) -> bool:
    return _in_processes(evidence) and not evidence.traits.loader.shares_memory


def _gathers_on_host(evidence: Evidence) -> bool:
    return _on_gpu(evidence) and not evidence.traits.loader.gathers_on_device and not _loader_unknown(evidence)


def _gathers_on_device(evidence: Evidence) -> bool:
    return evidence.traits.loader.gathers_on_device


def _copies_pageable(evidence: Evidence) -> bool:
    return _on_gpu(evidence) and evidence.traits.pin is False


def _copies_when_asked(evidence: Evidence) -> bool:
    return _gathers_on_host(evidence) and evidence.traits.copy not in ("", "overlap")


def _widens_beside_the_step(evidence: Evidence) -> bool:
    """Dtypes are widened where the step runs, although the loader has threads or processes for it."""
    loader = evidence.traits.loader
    return evidence.traits.cast == "device" and loader.works_in not in ("caller", "unknown")


def _widens_before_the_copy(evidence: Evidence) -> bool:
    return _gathers_on_host(evidence) and evidence.traits.cast == "host"


def _reads_blocks(evidence: Evidence) -> bool:
    return not evidence.traits.keeps_copy


def _reads_blocks_in_this_process(evidence: Evidence) -> bool:
    return _in_this_process(evidence) and _reads_blocks(evidence)


def _is_compressed(evidence: Evidence) -> bool:
    return evidence.traits.compressed is True


def _is_uncompressed(evidence: Evidence) -> bool:
    return evidence.traits.compressed is False


def _precision(evidence: Evidence) -> str:
    """What the step says of itself, or what its matrix products were seen to be in."""
    declared = evidence.traits.step.precision
    if declared != "unknown" or evidence.facts is None:
        return declared
    return evidence.facts.dtype


def _can_go_lower(evidence: Evidence) -> bool:
    return _precision(evidence) in ("fp32", "tf32")


def _is_not_compiled(evidence: Evidence) -> bool:
    return evidence.traits.step.compiled is False


def _can_be_captured(evidence: Evidence) -> bool:
    """Nothing is known against one graph for the whole update, on a device that has graphs."""
    step = evidence.traits.step
    return _on_gpu(evidence) and step.compiled is not None and not step.captured


def _scales_the_loss(evidence: Evidence) -> bool:
    """Its loss scaler looks once a step whether a gradient overflowed."""
    return _precision(evidence) == "fp16"


def _waits_of_its_own(evidence: Evidence) -> bool:
    waits = evidence.facts.syncs_per_step if evidence.facts else None
    return not _scales_the_loss(evidence) or (waits or 0) >= 2


def _own_workers(evidence: Evidence) -> int:
    return evidence.traits.dataloader.workers if evidence.traits.dataloader else 0


def _has_workers(evidence: Evidence) -> bool:
    return _own_workers(evidence) > 0


def _has_several_workers(evidence: Evidence) -> bool:
    return _own_workers(evidence) > 1


def _has_no_workers_yet(evidence: Evidence) -> bool:
    """On one core workers only take turns with the step."""
    return not _own_workers(evidence) and (evidence.traits.cores or 1) > 1


def _has_cores_for_workers(evidence: Evidence) -> bool:
    return 0 < _own_workers(evidence) < (evidence.traits.cores or 0)


def _starts_workers_each_epoch(evidence: Evidence) -> bool:
    own = evidence.traits.dataloader
    return own is not None and own.workers > 0 and not own.persistent


# --- the advices, of each kind the best first

ADVICE: tuple[Advice, ...] = (
    Advice("{more}", ("decode", "hand-over"), _has_cores_left),
    Advice("a loader that works ahead while the step runs", ("no overlap", "decode", "hand-over"), _works_when_asked),
    Advice("fewer and larger files", ("read cold",), _always),
    Advice("reads further ahead ({queue})", ("read cold",), _has_queue),
    Advice("a loader that reads ahead", ("read cold",), _works_when_asked),
    Advice("files that memory holds", ("read cold",), _always),
    Advice("larger reads", ("read warm",), _reads_blocks),
    Advice("a compressed format", ("read warm",), _is_uncompressed),
    Advice("a quicker codec", ("decode",), _is_compressed),
    Advice("fewer columns", ("read warm", "decode"), _always),
    Advice("a loader that decodes in several threads or processes", ("decode",), _gathers_on_device),
    Advice("batches in memory that both processes share", ("hand-over",), _copies_batches_between_processes),
    Advice("a gather on the device", ("hand-over",), _gathers_on_host),
    Advice("page-locked memory (pin=true)", ("copy",), _copies_pageable),
    Advice("copies one batch ahead (copy=overlap)", ("copy",), _copies_when_asked),
    Advice("wider dtypes where batches are gathered (cast=host)", ("copy",), _widens_beside_the_step),
    Advice("wider dtypes only after the copy (cast=device)", ("copy",), _widens_before_the_copy),
    Advice("columns stored in the dtypes that the model takes", ("copy",), _always),
    Advice("another loader: no stage of this one could be singled out", ("loader-bound",), _always),
    Advice("a lower precision", ("compute",), _can_go_lower),
    Advice("a smaller model", ("compute",), _always),
    Advice("compiled", ("launch",), _is_not_compiled),
    Advice("graphed (the whole update as one CUDA graph)", ("launch",), _can_be_captured),
    Advice("displays, metrics and logs once in many steps instead of in each", ("python",), _always),
    Advice("loops over numbers as one operation on tensors", ("python",), _always),
    Advice(
        "all processors for each of them (os.sched_setaffinity, OMP_PROC_BIND=false)", ("shared processors",), _always
    ),
    Advice(
        "one thread in each pool of a worker (OMP_NUM_THREADS=1, torch.set_num_threads(1))", ("thread pools",), _always
    ),
    Advice("that thread's work in a process of its own", ("interpreter held",), _always),
    Advice("that thread's work in a library that lets the interpreter go", ("interpreter held",), _always),
    Advice("a step without .item(), .cpu() or prints inside", ("sync",), _waits_of_its_own),
    Advice("bf16, whose loss needs no scaling", ("sync",), _scales_the_loss),
    Advice("another step", ("step-bound",), _always),
    Advice("{fewer}", ("contention",), _has_several),
    Advice("fewer threads or workers", ("contention",), _loader_unknown),
    Advice("a loader in other processes", ("contention", "no overlap"), _on_python_threads),
    Advice("more cores", ("contention",), _always),
    Advice("a deeper queue ({queue})", ("coupling", "no overlap"), _has_queue),
    Advice("a deeper queue", ("coupling",), _loader_unknown),
    Advice("workers that outlive the epoch, or a loader without any", ("start-up",), _loader_unknown),
    Advice("workers that outlive the epoch ({restarts}=true)", ("start-up",), _restarts_its_processes),
    Advice("starting {fewer}", ("start-up",), _starts_several_processes),
    Advice("a loader without processes of its own", ("start-up",), _in_processes),
    Advice("smaller blocks", ("start-up",), _reads_blocks_in_this_process),
    Advice("larger batches", ("hand-over", "launch", "python", "coupling"), _always),
)
SCRIPT_ADVICE: tuple[Advice, ...] = (
    Advice("DataLoader(..., persistent_workers=True)", ("start-up",), _starts_workers_each_epoch),
    Advice(
        "DataLoader(..., num_workers={first})", ("loader-bound", "fetch", "collate", "no overlap"), _has_no_workers_yet
    ),
    Advice("DataLoader(..., num_workers={double})", ("loader-bound", "fetch", "collate"), _has_cores_for_workers),
    Advice("DataLoader(..., prefetch_factor={deeper})", ("no overlap", "coupling"), _has_workers),
    Advice("DataLoader(..., pin_memory=True)", ("loader-bound", "no overlap"), _copies_pageable),
    Advice("DataLoader(..., num_workers={half})", ("contention",), _has_several_workers),
    Advice("DataLoader(..., num_workers=0)", ("start-up",), _has_workers),
    Advice("torch.set_num_threads with fewer threads for the step", ("contention",), _has_workers),
    Advice("less to import and to open where a worker starts", ("start-up",), _has_workers),
    Advice("a sampler that does not list all indices at once", ("start-up",), _always),
    Advice("less work in Dataset.__getitem__ and collate_fn", ("loader-bound",), _always),
    Advice(
        "less work in the data set for each sample, or for a whole batch at once (__getitems__)", ("fetch",), _always
    ),
    Advice("a collate_fn that stacks arrays or tensors, not lists of numbers", ("collate",), _always),
    Advice("fewer and larger tensors in each batch", ("hand-over",), _has_workers),
    Advice("narrower dtypes, widened in the step", ("hand-over", "pin"), _always),
    Advice("a lower precision (torch.autocast)", ("compute", "step-bound"), _always),
    Advice("torch.compile", ("launch", "step-bound"), _always),
    Advice("displays, metrics and logs once in many steps instead of in each", ("python",), _always),
    Advice("loops over numbers as one operation on tensors", ("python",), _always),
    Advice("larger batches", ("launch", "python", "coupling", "step-bound"), _always),
    Advice("a step without .item(), .cpu() or prints inside", ("sync",), _always),
    Advice("more cores", ("contention",), _always),
    Advice(
        "all processors for each of them (os.sched_setaffinity, OMP_PROC_BIND=false)", ("shared processors",), _always
    ),
    Advice("DataLoader(..., in_order=False), if the order of batches is nothing to the training", ("order",), _always),
    Advice("batches of samples that take about as long", ("order",), _always),
    Advice("one thread in each pool (OMP_NUM_THREADS=1, OPENBLAS_NUM_THREADS=1)", ("thread pools",), _always),
    Advice("DataLoader(..., num_workers={first})", ("interpreter held",), _has_no_workers_yet),
    Advice("that thread's work in a process of its own", ("interpreter held",), _always),
)
"""The same for a person's own script: what can be pasted into it comes first."""
_STEADY = "try a machine that nobody else uses, or longer windows (--seconds)"
_MORE = "try more replicates (--replicates), or longer windows (--seconds)"


def next_try(finding: Finding, evidence: Evidence) -> str:
    """What to try next, as an order; a text that begins with `nothing` where there is nothing that fits the cell."""
    other = _instead_of_advice(finding, evidence)
    if other:
        return other
    *others, last = [_filled(advice.text, evidence) for advice in _fitting(finding, evidence)] or [""]
    if not last:
        return "nothing is left to try that fits this loader and this step"
    return f"try {', '.join(others)}, or {last}" if others else f"try {last}"


def settings_to_try(finding: Finding, evidence: Evidence) -> tuple[str, ...]:
    """Give those of what to try next that are one setting of a script's DataLoader, such as `num_workers=2`."""
    if _instead_of_advice(finding, evidence):
        return ()
    return tuple(_filled(advice.setting, evidence) for advice in _fitting(finding, evidence) if advice.setting)


def _instead_of_advice(finding: Finding, evidence: Evidence) -> str:
    """What is said where no advice is given; empty: the best advices are."""
    if finding.causes:
        return ""
    again = _measure_again(finding)
    if again:
        return again
    if evidence.traits.synthetic and family_of(finding.kind) != "step":
        return "nothing is left to try: the loader's batches are ready before they are asked for"
    if not evidence.traits.trains and family_of(finding.kind) == "step":
        return "nothing is left to try: this step trains nothing, and only the loop around it is left"
    return ""


def _fitting(finding: Finding, evidence: Evidence) -> Sequence[Advice]:
    """The best of the advices that are for one of the kinds."""
    causes: Set[Kind | CauseKind] = {cause.kind for cause in finding.causes}
    # What threads or workers do to one another makes other advice wrong; a step in Python does not.
    kinds = causes if causes and causes != {"python"} else causes | {finding.kind}
    advices = ADVICE if evidence.traits.dataloader is None else SCRIPT_ADVICE
    return [advice for advice in advices if kinds & set(advice.kinds) and advice.holds(evidence)][:_MOST]


def _measure_again(finding: Finding) -> str:
    """What would make the numbers decide; empty where they do."""
    facts = finding.facts
    if isinstance(facts, WideStall) and facts.replicates is not None:
        return f"try --replicates {facts.replicates}, or longer windows (--seconds)"
    if isinstance(facts, StageCost | LoadingCost) and not facts.clear:
        return _MORE
    return _STEADY if finding.kind == "unsure" else ""


def _filled(text: str, evidence: Evidence) -> str:
    loader, cores = evidence.traits.loader, evidence.traits.cores or 0
    count = loader.count or 0
    own = evidence.traits.dataloader or DataLoaderTraits()
    return text.format(
        first=max(1, cores - (evidence.device == "cpu")),
        double=min(2 * own.workers, cores),
        half=min(own.workers // 2, cores or own.workers),
        deeper=2 * (own.prefetch_factor or 2),
        more=f"more {_workers(loader)} ({loader.count_knob}={min(2 * count, cores)})",
        fewer=f"fewer {_workers(loader)} ({loader.count_knob}={count // 2})",
        queue=loader.queue_knob,
        restarts=loader.restarts_knob,
    )


def _workers(loader: LoaderTraits) -> str:
    return "processes" if loader.works_in == "processes" else "threads"
