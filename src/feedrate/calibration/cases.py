"""List the cases whose answer is known, in one table."""

from __future__ import annotations

from feedrate.calibration.case import Case
from feedrate.calibration.competition_cases import COMPETITION_CASES
from feedrate.calibration.lasting_cases import LASTING_CASES
from feedrate.calibration.overhead_cases import OVERHEAD_CASES

__all__ = ["CASES", "Case"]

# Delays are many times what they are compared with, for the machine may be busy with something else; what need not keep
# a processor busy sleeps.
_BRIEF, _IDLE, _IDLE_LONGER, _LONG, _LONGER, _PYTHON = (
    "timed[work_us=0]",
    "timed[work_us=0,idle_us=10000]",
    # A batch of `paced` costs 0.6 ms on a processor, and its queue as much again: a tenth of 10 ms is a verdict's edge.
    "timed[work_us=0,idle_us=40000]",
    "timed[work_us=10000]",
    # A loader at work beside it takes more than a tenth of 10 ms from a step on two cores, and that is contention.
    "timed[work_us=50000]",
    "timed[work_us=0,python_us=20000]",
)
_PACKED = "known[row_bytes=65536,compression=zstd]"
_OTHER_ROWS = "does not hold the rows that the plan gives it"

CASES: tuple[Case, ...] = (
    # The loader is slow, in a way of its own each time.
    Case("slow when asked", "paced[delay_us=10000,overlap=false]", _BRIEF, verdict="hand-over"),
    Case("slow ahead of need", "paced[delay_us=10000]", _BRIEF, verdict="hand-over"),
    Case("slow and busy", "paced[delay_us=10000,kind=busy]", _BRIEF, verdict="hand-over"),
    Case("slow in bursts", "paced[delay_us=10000,burst=4]", _BRIEF, verdict="hand-over"),
    Case("slow, and a slow first batch", "paced[delay_us=10000,first_us=200000]", _BRIEF, verdict="hand-over"),
    Case("packed files", "paced[delay_us=0,overlap=false,reads=8]", _BRIEF, _PACKED, verdict="decode"),
    Case("packed files, unpacked ahead", "paced[delay_us=0,reads=8]", _BRIEF, _PACKED, verdict="decode"),
    Case("slow to start", "paced[delay_us=1000,first_us=2000000]", _LONG, verdict="start-up"),
    Case("slow to start: processes", "workers[count=1]", _BRIEF, verdict="start-up"),
    Case("slow between epochs", "paced[delay_us=1000,boundary_us=100000]", _BRIEF, verdict="start-up"),
    # The step is slow.
    Case("slow step", "paced[delay_us=1000]", _LONGER, verdict="compute"),
    Case("slow step, slow first batch", "paced[delay_us=1000,first_us=250000]", _IDLE_LONGER, verdict="compute"),
    Case("slow step, nothing ahead", "inline", _LONGER, verdict="compute"),
    Case("slow step, jitter hidden", "paced[delay_us=1000,burst=4,depth=8]", _IDLE_LONGER, verdict="compute"),
    Case("slow step, threads", "threads[count=1]", _LONGER, verdict="compute"),
    Case("slow step, no loader", "resident", _LONG, verdict="compute"),
    Case("step in Python", "inline", _PYTHON, verdict="python"),
    Case("step of tiny operations", "inline", "timed[work_us=0,kernels=2000]", verdict="launch"),
    # Neither alone.
    Case("in turns", "paced[delay_us=10000,overlap=false]", _IDLE, verdict="no overlap"),
    Case("in turns, both busy", "paced[delay_us=10000,kind=busy,overlap=false]", _LONG, verdict="no overlap"),
    Case("disturbed in Python", "disturbing", "timed[work_us=0,python_us=5000]", verdict="contention"),
    Case("balanced, in bursts", "paced[delay_us=10000,burst=8,depth=4]", _IDLE, verdict="coupling"),
    # The loader serves something else.
    Case("a row doubled", "unfaithful", _BRIEF, refused=_OTHER_ROWS),
    Case("a row dropped", "unfaithful[fault=dropped]", _BRIEF, refused=_OTHER_ROWS),
    Case("rows reordered", "unfaithful[fault=reordered]", _BRIEF, refused=_OTHER_ROWS),
    Case("batches swapped", "unfaithful[fault=swapped]", _BRIEF, refused=_OTHER_ROWS),
    Case("wrong length: a batch split", "unfaithful[fault=split]", _BRIEF, refused=_OTHER_ROWS),
    Case("wrong length: a batch missing", "unfaithful[fault=short]", _BRIEF, refused="the stream ends after 7 batches"),
    Case("a value corrupted", "unfaithful[fault=corrupted]", _BRIEF, refused="is wrong (1 such rows of 16)"),
    Case("a stale batch", "unfaithful[fault=stale]", _BRIEF, refused="batch 0 was written again while it was held"),
    Case("stale ids", "unfaithful[fault=stale_ids]", _BRIEF, refused="the ids of batch 0 were written again"),
    # The step does not train.
    Case("loss is NaN", "inline", "faulty", refused="is not finite"),
    Case("loss is 0", "inline", "faulty[fault=zero]", refused="is not above 0"),
    Case("loss rises", "inline", "faulty[fault=climbing]", refused="it must fall"),
    Case("parameters frozen", "inline", "faulty[fault=frozen]", refused="no parameter moved"),
    Case("prediction constant", "inline", "fp32", "known[guess=constant]", refused="predictions have standard"),
    # The number stands, and something must be said beside it.
    Case("a leak", "growing", _BRIEF, remark="a leak: host memory grows with every epoch"),
    Case("a leak of shared memory", "growing[place=shm]", _BRIEF, remark="a leak: /dev/shm grows with every epoch"),
    Case("files not in memory", "evicting", "fp32", _PACKED, remark="page cache unknown, not warm"),
    Case("a worker lost", "understaffed", _BRIEF, remark="2 workers were started and 1 were alive at the end"),
    *OVERHEAD_CASES,
    *COMPETITION_CASES,
    # It gets worse as it goes on.
    *LASTING_CASES,
    # What only a GPU shows.
    Case("GPU: slow step", "inline", _LONG, device="cuda", verdict="compute"),
    Case("GPU: tiny kernels", "inline", "timed[work_us=0,kernels=5000]", device="cuda", verdict="launch"),
    Case("GPU: waits", "inline", "timed[work_us=0,syncs=1000]", device="cuda", verdict="sync"),
    Case("GPU: slow loader", "paced[delay_us=10000]", _BRIEF, device="cuda", verdict="hand-over"),
    Case("GPU: a leak", "growing[place=device]", _BRIEF, device="cuda", remark="a leak: memory of the device grows"),
)  # fmt: skip
