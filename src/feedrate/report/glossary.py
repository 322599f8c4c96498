"""Define every term of the output and the API in one sentence: for `--explain` and for docs/glossary.md alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

__all__ = ["GLOSSARY", "HEADINGS", "explained", "meaning_of", "page"]

GLOSSARY: Mapping[str, str] = {
    # what is measured
    "workload": "a task with its data, model, loss and optimizer",
    "size": "how much data a workload has: tiny, small, full or seed",
    "loader": "the way of getting rows off the disk; knobs that are not at their default in brackets",
    "step": "the way of training on a batch; knobs that are not at their default in brackets",
    "device": "where the model is and batches end: cpu, cuda, or simulated, which is no hardware and has no speed",
    "cell": "what is measured: one workload, size, loader, step and device",
    "rank": "one of several processes that train one model together, each on its part of every epoch",
    "straggler": "a rank that waits for its loader, by more than a tenth of T_F, longer than another: all wait for it",
    "efficiency": "samples/s of several ranks over those of one, divided by the number of ranks: 1 loses nothing",
    "knob": "a setting of a loader, step or workload, with a default and the values that a sweep tries",
    "data set": "the files of a workload in one size, written once and read by every loader",
    "plan": "which batches of which rows a loader is asked for, epoch by epoch",
    "block": "rows that are read and decoded at once, from which batches are cut",
    "batch": "the samples that one update trains on",
    "sample": "what one prediction is made of: a row, or several where the workload has a history",
    "epoch": "every row once, in the order of the plan or of the loader; with drop_last whole batches alone",
    "shuffle": "how far rows come from their places in the files, and how the places of neighbours correlate",
    "own copy": "the data set in a format of a loader's own, made once before anything is timed; in no time of a cell",
    "events": "what a person's own code counts with `count_event`, for each batch of the stream that was trained on",
    "replicate": "one measurement of a cell in a fresh process of its own",
    "run": "one invocation of feedrate and the name that all its records carry",
    "window": "one timed stretch of batches, the device synchronised before and after it and nowhere inside",
    "fork server": "a process that has imported torch, from which those that measure on a CPU are forked",
    "safe mode": "a second try of a cell without worker processes, after the first one failed",
    # times and what follows from them
    "T_S": "the time of a batch, the step alone on batches that are ready; the range over its loaders is noise",
    "T_L": "the time of a batch, the loader alone, drained to where the step would take over",
    "T_F": "the time of a batch (of mean size, where sizes differ), loader and step together",
    "T_S'": "the step's time of a batch while the loader works beside it and neither waits for the other",
    "T_L'": "the loader's time of a batch while the step trains beside it and neither waits for the other",
    "slower by": "a side's time beside the other over its time alone; - where the loader works only when it is asked",
    "samples/s": "loader and step together: samples over seconds, mean of the replicates",
    "+-": "half of the 95 % interval around it (Student's t over replicates); - with one replicate",
    "loader ceiling": "T_F/T_S: what a perfect loader would gain here, and the most that any can; below 1 it is noise",
    "step ceiling": "T_F/T_L: what a perfect step would gain here, and the most that any can; below 1 it is noise",
    "stall share": "1 - T_S/T_F: the share of the time in which the step waits for loading",
    "overlap": "how well loader and step run side by side: 1 perfectly, 0 one after the other",
    "contention": "loader and step slow each other down while both work",
    "coupling": "a rest of T_F that neither side explains, not even beside the other: a short queue and jitter",
    "host MB": "peak of host memory, all processes, shared pages counted once (10**6 bytes)",
    "GPU MB": "peak of what torch reserved on the device (10**6 bytes)",
    "memory GiB": "memory of a device, as it is printed on it (2**30 bytes)",
    "largest batch": "the most samples, 2**k or 3 * 2**k, of a batch that the step has room for, no chunk beside it",
    "chunk MB": "each of two chunks of decoded rows beside the step with batches as they are (10**6 bytes)",
    "epochs a chunk": "the share of an epoch's decoded rows that such a chunk holds; whole: all of them",
    "PSS": "memory of a process in which each shared page counts by its share, so that processes can be summed",
    "first s": "seconds from opening the loader to its first batch on the device",
    "notes": "numbers of the remarks below the table",
    "mark": "* the one loader of its step that leads; ~ one of several that lead together; ? doubtful, see notes",
    "lead": "be faster than every other loader of the step beyond what chance gives; the factor is over the next one",
    "noise": "what chance does to a number: T_S of a step differs by it from loader to loader",
    "feed map": "a picture of cells, T_S across and T_L up: which side takes longer, and so which to push",
    "report": "one file of HTML with the sentences, pictures and numbers of runs, which asks no network for anything",
    "raw line": "the line of a file of raw results that a number is read from",
    "gap p50 ms": "the median of the times from one batch to the next, milliseconds, loader and step together",
    "gap p95 ms": "the time from one batch to the next that one in twenty exceeds",
    "gap p99 ms": "the time from one batch to the next that one in a hundred exceeds",
    "longest stall ms": "the longest time from one batch to the next",
    # how the model answers
    "target": "a number that a model is asked for; with the number of its column, such as a horizon, in brackets",
    "target NaN": "the share of a target's values that are NaN or infinite",
    "NaN": "the share of the predictions that are NaN or infinite",
    "mean": "of the predictions, on a few batches after the last window; the model trains on these, too",
    "deviation": "the standard deviation of the predictions over samples; a column is dead at 0.001 of the target's",
    "target deviation": "the standard deviation of the target over the same samples",
    "scale": "SCALE(yhat/y): deviation of the predictions over that of the target; 0 for the same answer to everything",
    "IC": "information coefficient: Pearson's correlation of predictions and target; of chance it is about 1/sqrt(n)",
    "gradient": "its Euclidean norm in one more update when all was timed, before clipping, in all and by module",
    # a cell taken apart
    "ladder": "the rungs of a cell, from a step on ready batches to the cell itself",
    "swap point": "what a loader can read in place of the data set's files: their bytes in memory, or decoded blocks",
    "rung": "the cell with everything beyond one stage of loading replaced by what is ready",
    "with step ms": "milliseconds a batch of a rung while the step trains",
    "without ms": "milliseconds a batch of a rung when its batches are dropped instead",
    "what is real": "the work that a rung still does: it adds one stage to the rung above",
    "stage": "a part of loading: copy, hand-over, decode, read warm or read cold; of a script, fetch, collate and pin",
    "batches": "batches of an epoch",
    "an epoch": "an epoch in the middle of a training, its beginning included where one was met",
    "projected": "what a training of that length takes from what was measured, up to its last update",
    "low": "the lower end of an interval that holds the truth 19 times in 20",
    "high": "the upper end of an interval that holds the truth 19 times in 20",
    "start-up s": "seconds from opening the loader to the end of the first update, with whatever that compiles",
    "boundary s": "seconds that the first batch of an epoch takes longer than others, loader and step together",
    "waterfall": "T_F drawn as T_S and what each stage adds to it",
    "unexplained": "the rest of T_F - T_S, or of a script's T_L, that no stage explains",
    "delay": "time put into one stage: it comes back whole where that stage binds, and not at all where it is hidden",
    "readers": "threads or processes that share reading and decoding, and so share a delay put there",
    "beside": "loader and step at work at the same time, neither of them waiting for the other",
    "copies": "bytes a second that come to a device, beside what single large copies to it reach in the same process",
    # kinds of verdict, some of them stages
    "verdict": "what holds a cell back, or whether A is faster than B",
    "copy": "bringing batches to the step, in the dtypes of its model; as a verdict: most of what loading costs",
    "hand-over": "gathering a batch and handing it to the step; as a verdict: most of what loading costs",
    "decode": "turning the files' bytes into columns; as a verdict: most of what loading costs",
    "read warm": "reading files that the page cache holds; as a verdict: most of what loading costs",
    "read cold": "reading files from the disk; as a verdict: most of what loading costs",
    "fetch": "getting the samples of a batch from a script's data set; as a verdict: most of what its loader takes",
    "collate": "making one batch of samples that are fetched; as a verdict: most of what the loader takes",
    "pin": "copying batches to page-locked memory; as a verdict: most of what the loader takes",
    "loader-bound": "T_F is what the loader takes alone, and no stage of it stands out",
    "step-bound": "T_F is what the step takes alone, and nothing is known of its inside",
    "compute": "the step is busy with arithmetic on its device",
    "launch": "the step is busy starting many small operators or kernels",
    "python": "the step is busy in Python, or in what it calls, between the operators of the framework",
    "shared processors": "threads that may run on a part of the processors alone, and want more than that part",
    "thread pools": "pools of several threads in a process, which together want more processors than there are",
    "interpreter held": "a thread beside the step that computes in Python, so that the step waits for the interpreter",
    "order": "workers have finished batches whose turn has not come, and the loop waits for a slower one",
    "twin": "a healthy cell beside a sick one, from which a verdict must tell it",
    "sync": "the step is held back by waits of the host for the device",
    "no overlap": "loader and step work one after the other",
    "start-up": "waiting for the first batch, of all or of each epoch, takes most of what loading costs",
    "unsure": "the numbers scatter too much, or contradict each other, to say what holds the cell back",
    "invalid": "all processes of a diagnosis are doubtful, so there is no verdict, and the reason says why",
    "WRONG DATA": "a loader gives other samples than its data set, or the same more than once, so there is no number",
    # what ails a cell beside that
    "symptom": "what gets worse, or comes now and then, beside what holds a cell back: no mean of a batch shows it",
    "soak": "a stretch of `feedrate why` in which step, loader and both take turns with the garbage collector on",
    "collector pauses": "rare long steps while Python's garbage collector goes through the objects of loader or step",
    "reference cycles": "objects that refer to each other in a circle, so that their memory waits for the collector",
    "memory growth": "memory that each batch adds, without an end while it was watched, by who keeps it",
    "descriptor growth": "open files and sockets that each batch adds, up to the limit at which the program dies",
    "thread growth": "threads that each batch adds",
    "process growth": "processes that each batch adds",
    # comparisons
    "A": "the first of the two sides of a comparison",
    "B": "the second of the two sides of a comparison",
    "control": "a cell that nobody changed, measured in each round so that a drifting machine shows",
    "round": "fresh processes of control, A, B, B and A, in that order",
    "pair": "one process of A and the process of B beside it in a round",
    "A's speed": "how many times as fast as B A is, with its interval",
    "pairs": "pairs that a verdict rests on",
    "p": "chance of such a difference between equals, adjusted for all comparisons that were asked for",
    "could see": "the smallest difference that so many pairs would have found, also called MDE",
    "processes": "fresh processes that were measured of a side",
    "FASTER": "A takes less time than B, beyond what chance gives",
    "SLOWER": "A takes more time than B, beyond what chance gives",
    "SAME": "A and B differ by less than the margin that was asked for",
    "UNSURE": "the interval is too wide to decide; more pairs may tell",
    "INVALID": "something makes the comparison worthless, and the reason says what",
    "change": "what a study tries, against the one before it or against its base",
    "claimed": "what somebody said that a change gains, and how what was measured lies to it",
    "at most": "what a change could gain if the side that it changes took no time at all, also called Amdahl's bound",
    "of the base's time": "the share of the base's time a sample that a change takes away, or that is left",
    "base": "the cell that a study begins with",
    "claim": "a gain in speed that somebody named: +10-30 %, x2, or none",
    "study": "changes that are tried in their order, each by a comparison, all of them judged together",
    "ruled out": "a change that has no effect within the margin, or makes it slower",
    "margin": "the difference up to which two sides count as the same",
    "latent": "a side is slower than before, and the other side hides it",
    # remarks
    "page cache": "whether memory held the files while windows were timed: warm, cold or unknown",
    "doubtful": "the number is shown, but nothing may rest on it",
    "refused": "there is no number, as the machine was not fit to give one",
    "failed": "a replicate of the cell ended without a number, so the row has none",
    "n/a": "this machine lacks what the cell needs, so nothing ran",
    "fallback": "the number was measured in safe mode, or in place of a cell that failed",
    "leak": "memory grows with every epoch",
    "left running": "processes that a loader did not end, and that were ended for it",
    "recompiles": "graphs that torch.compile built again inside the run",
    "replayed updates": "updates that replayed the CUDA graph which an earlier one was captured as",
    "skipped updates": "updates that the optimizer left out, as gradients overflowed",
    "prefetch bias": "the most by which batches made before the windows can flatter a number",
    "drift": "a pace that changes as a run goes on: the scatter of a step, or, as a symptom, with every batch",
    # calibration and lists
    "case": "a cell whose answer is known",
    "expected": "the answer that is known",
    "found": "the answer that was measured",
    "tries": "processes that were asked before the answer stood",
    "format": "how the files of a data set are stored: arrow, parquet or hdf5",
    "rows": "rows of a data set, all files together",
    "files": "files of a data set",
    "setting": "an option of a run, a knob of a workload, loader or step, or a variable that changes a measurement",
    "requested": "what was asked for; - where nothing was",
    "resolved": "what comes of that on this machine, as far as it is settled before a process starts",
    "from": "where a value comes from: default, command line, sweep, environment, or a variable or file by its name",
    "column": "a named value, or block of values, that each row of a data set has; or a tensor of its samples",
    "dtype": "how the values of a column are stored",
    "shape": "of one row of a column; ? for an axis whose length differs from row to row",
    "missing": "the share of a column's values that are NaN",
    "most missing": "the same of the place in a row that lacks most",
    "infinite": "the share of a column's values that are infinite",
    "constant": "whether a column holds the same in all rows, or how many of its places in a row do",
    "digest": "a short name for the exact bytes of a data set",
    "state": "whether it can be used here, and if not, why",
}
"""Term -> one sentence without its full stop, in the order of the page."""

HEADINGS: Mapping[str, str] = {
    "": "mark",
    "T_F ms": "T_F",
    "T_L ms": "T_L",
    "T_S ms": "T_S",
    "loader up to": "loader ceiling",
    "step up to": "step ceiling",
    "ms a batch": "cell",
}
"""Headings of tables that are no terms themselves, and the term that they stand for."""


def meaning_of(heading: str) -> str:
    """Look up what a term or a heading of a table means."""
    return GLOSSARY[HEADINGS.get(heading, heading)]


def explained(headings: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each heading, or `* ~` for the one that has no name, and what it means, once."""
    for heading in dict.fromkeys(headings):
        yield heading or "* ~", meaning_of(heading)


def page() -> str:
    """Compose the text of docs/glossary.md."""
    entries = "".join(f"- **{term}**: {meaning}.\n" for term, meaning in sorted(GLOSSARY.items(), key=_by_letters))
    return f"# Glossary\n\nEvery term of the output and of the API, as `--explain` says it.\n\n{entries}"


def _by_letters(entry: tuple[str, str]) -> tuple[str, str]:
    return entry[0].casefold(), entry[0]
