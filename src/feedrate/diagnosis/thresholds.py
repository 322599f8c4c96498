"""Set what the numbers of a cell must exceed to mean something; docs/decisions/0007-verdict.md says why."""

from __future__ import annotations

__all__ = ["Thresholds"]


class Thresholds:
    """Limits of the rules, each a ratio, a share or a count unless its name ends in a unit."""

    max_ratio_to_one_side = 1.1
    """T_F over the time of one side, up to which that side alone explains T_F."""
    max_ratio_to_side_beside = 1.15
    """The same for a side that was measured beside the other, which is the less exact measurement."""
    min_share_lost_beside = 0.5
    """Of what T_F exceeds the slower side by: what that side must lose beside the other, if that is contention."""
    max_overlap_of_turns = 0.3
    """Overlap up to which loader and step count as taking turns."""
    min_quicker_share_of_turns = 0.5
    """Of what T_F exceeds the slower side by: what the quicker side must take, if they take turns."""
    max_ratio_to_sum = 1.25
    """T_F over T_S + T_L, above which something else had the machine."""
    min_step_share_worth_overlapping = 0.25
    """Of T_L: where a step takes less, overlap, or an end to what they do to each other, gains less than a faster
    loader gives."""
    negligible_step_share = 0.02
    """Of T_L: a step that takes less slows no loader, whatever T_F exceeds T_L by."""
    max_replicates_to_suggest = 20
    """Replicates that a user would still wait for."""
    negligible_stall_share = 0.05
    """Share of T_F: loading that costs no more costs nothing."""
    notable_stall_share = 0.25
    """Share of T_F: an interval from below `negligible_stall_share` to above this one decides nothing."""
    min_stall_share_of_stage = 0.4
    """Share of the stall that a stage must have to be named."""
    min_replicates_for_interval = 3
    """Replicates from which a stage's cost must be clear of its interval: that of two is nine deviations wide."""
    max_start_epochs = 3.0
    """Epochs that the first batch may take before a user notices."""
    max_start_s = 0.3
    """Seconds that the first batch may always take."""
    max_stall_share_of_epoch_starts = 0.5
    """Share of the stall that may fall to the first batches of epochs."""
    max_unexplained_share = 0.25
    """Share of T_F that the parts may leave unexplained."""
    min_growth_of_drift = 1.6
    """Last third of a run over its first, in time and in processor time: neighbours that share a core reach 1.5."""
    min_drift_s = 0.5e-3
    """Seconds a batch between first and last third: caches cost as much after a pause, when others had the core."""
    min_growth_of_each_third = 1.1
    """Each third of a run over the one before: what gets slower at one moment leaves two of the three alike."""
    min_growth_at_once = 3.0
    """Growth that no neighbour causes, so that it need not be gradual."""
    min_growth_of_waiting = 2.0
    """The same as `min_growth_of_drift` where the side's own thread mostly waits: there is no processor time to ask."""
    min_waiting_growth_at_once = 5.0
    """The same as `min_growth_at_once` there: two cores that five processes share."""
    min_core_share_of_work = 0.5
    """Processor time over time, above which a side works rather than waits."""
    min_pause_s = 3e-3
    """Processor time of one collection that a person would notice; of a few thousand objects it takes a tenth."""
    min_pause_in_batches = 0.25
    """Of a batch of loader and step: a pause that is longer is a long step."""
    min_stretches_with_pause = 2
    """Stretches with such a pause: what was imported is gone through once in a while, and that may fall into one."""
    min_collecting_share = 0.05
    """Of the time of loader and step: shorter pauses are worth a word from here on."""
    min_cycle_bytes = 256 << 10
    """Bytes a batch in circles: a loop without circles leaves none, and a batch is seldom smaller where it matters."""
    min_growth_bytes = 1 << 20
    """Bytes that all rounds must add: allocators take and give back hundreds of kilobytes."""
    min_growth_bytes_a_batch = 4096
    """Bytes: measuring itself keeps a loss and its tensor of each update, some 600 bytes."""
    max_allocated_share_of_copies = 0.5
    """Of the pages that became private to workers: where their whole memory grew by less, they are copies of shared
    ones."""
    min_copied_bytes_a_batch = 32 << 10
    """Bytes: below it is the interpreter's own memory, page by page."""
    min_growth_count = 8
    """Descriptors, threads or processes that all rounds must add: pools open a few."""
    pieces_of_growth = 6
    """Pieces of a soak, each of which but the first must add its part: that a random walk does so is 1 in 500."""
    min_piece_of_growth = 0.25
    """Of an equal part: what one piece must add; a cache that is full adds nothing."""
    min_share_of_side = 0.5
    """Of what a batch of both adds: a side that adds as much when it is alone is whose growth it is."""
    min_busy_share_of_compute = 0.6
    """Share of T_S in which a device is busy; below, the host holds it back."""
    max_peak_share_of_launch = 0.05
    """Share of the peak below which many small operators are what a CPU's step is busy with."""
    max_operator_s_of_launch = 20e-6
    """Seconds of an average operator whose dispatch costs as much as its work, on a CPU."""
    min_delay_share_returned = 0.5
    """Share of a delay that must come back if the stage that it was put into binds."""
    min_python_share = 0.4
    """Share of a step in Python, beyond what operators' dispatch may take, from which that is what it is busy with."""
    max_python_s_of_operator = 10e-6
    """Seconds of Python that an operator's call and its module may take; more is work of the step's own."""
    min_share_of_step_in_python = 0.3
    """Share of T_F from which a step in Python is worth a word where something else holds the cell back as well."""
    min_python_share_worth_a_word = 0.25
    """Share of a step in Python from which a sentence says so."""
    min_held_back_share = 0.3
    """Of the time that a script waits for batches: while all workers but one had finished theirs."""
    min_share_of_place = 0.3
    """Share of the looks at a step that a function must have to be named."""
    min_wanted_of_part = 1.4
    """Processors wanted over those of the part that threads may run on: a thread alone wants 1 at most, however busy
    the machine is, and two that always have work want 2."""
    min_wanted_of_busy_thread = 0.1
    """Processors that a thread must want to count as busy: those of a pool of eight on one of two cores want 0.3."""
    min_wanted_of_pools = 1.75
    """Processors wanted over those that there are: two workers of one thread and the step want 1.5 times two at most,
    with pools of four threads 4 times."""
    min_pool_share = 0.75
    """Processors that pools want beyond one of each process, over those that there are."""
    min_interpreter_wait_s = 1.25e-3
    """Seconds that a step must wait for the interpreter in the mean of the turns: a quarter of the 5 ms after which it
    is handed on. A thread that computes in Python keeps it for all of its work, or the 30 ms that it is lent; others
    give it back in 0.1 ms. One that makes batches was met at work in 4 to 8 of nine turns."""
    min_interpreter_share = 0.05
    """Share of T_F that the wait of one batch must come to."""
    interpreter_switch_s = 5e-3
    """Seconds after which Python has a thread hand the interpreter on, if nobody has set another time."""
