//! Whose turn it is: which block is decoded next, which batch is cut next, and which one the consumer gets.

use std::collections::VecDeque;
use std::time::Duration;

use crate::fault::Fault;
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, locked};

/// How far ahead the threads may work.
#[derive(Clone, Copy, Debug)]
pub struct Lead {
    /// Batches that are ready or in the making before the consumer asks.
    pub batches: usize,
    /// Batches that the consumer takes at once where as many are ready, and uses one after the other.
    pub together: usize,
    /// Blocks that are decoded ahead of the one that batches are cut from.
    pub blocks: usize,
}

impl Lead {
    /// Let `depth` batches be made before they are used: those the consumer has taken and not yet used count.
    #[must_use]
    pub fn of(depth: usize, blocks: usize) -> Self {
        let together = depth.div_ceil(2).max(1);
        Self { batches: depth.max(1) - (together - 1), together, blocks }
    }
}

/// A piece of work for one thread.
pub enum Task<B> {
    /// Decode one unit of a block, then call [`Handover::decoded`].
    Decode { block: Arc<B>, number: usize, unit: usize },
    /// Cut one batch of a decoded block, then call [`Handover::cut`].
    Cut { block: Arc<B>, number: usize, batch: usize, place: usize },
}

/// What the consumer gets.
pub enum Next<R> {
    /// One or several, in order.
    Batches(Vec<R>),
    /// Not yet; ask again.
    Pending,
    /// There are no more batches, or the stream failed before.
    End,
}

/// The state that the threads and the consumer share. Batches leave in the order in which their blocks came in.
pub struct Handover<B, R> {
    lead: Lead,
    turns: Mutex<Turns<B, R>>,
    work: Condvar,
    ready: Condvar,
}

#[allow(clippy::struct_excessive_bools, reason = "they are independent of each other: who feeds, who waits, who ends")]
struct Turns<B, R> {
    /// Blocks that are not finished; the first has the number `first`.
    blocks: VecDeque<Entry<B>>,
    first: usize,
    /// Batches that were handed out and not delivered, in order; `None`: still in the making.
    batches: VecDeque<Option<Result<R, Fault>>>,
    delivered: usize,
    /// The consumer sleeps until there is enough for it.
    awaited: bool,
    /// Threads that sleep until there is something to do.
    idle: usize,
    ended: bool,
    failed: bool,
    closed: bool,
}

struct Entry<B> {
    block: Arc<B>,
    units: usize,
    units_begun: usize,
    units_done: usize,
    batches: usize,
    batches_begun: usize,
    batches_done: usize,
    /// What the first of the units that failed says, and which one it is.
    fault: Option<(usize, Fault)>,
}

impl<B> Entry<B> {
    fn is_decoded(&self) -> bool {
        self.fault.is_none() && self.units_done == self.units
    }

    /// It failed, and no thread is at it any more that could say what comes first.
    fn has_failed(&self) -> bool {
        self.fault.is_some() && self.units_done == self.units_begun
    }
}

impl<B, R> Handover<B, R> {
    /// Nothing to do yet.
    #[must_use]
    pub fn new(lead: Lead) -> Self {
        let (blocks, batches) = (VecDeque::new(), VecDeque::new());
        let turns = Turns {
            blocks,
            first: 0,
            batches,
            delivered: 0,
            awaited: false,
            idle: 0,
            ended: false,
            failed: false,
            closed: false,
        };
        Self { lead, turns: Mutex::new(turns), work: Condvar::new(), ready: Condvar::new() }
    }

    /// Append a block of `units` units to decode and `batches` batches; with a `fault` it fails when its turn comes.
    pub fn submit(&self, block: B, units: usize, batches: usize, fault: Option<Fault>) {
        let fault = fault.map(|fault| (0, fault));
        let block = Arc::new(block);
        let (units_begun, units_done, batches_begun, batches_done) = (0, 0, 0, 0);
        let entry = Entry { block, units, units_begun, units_done, batches, batches_begun, batches_done, fault };
        let mut turns = locked(&self.turns);
        turns.blocks.push_back(entry);
        self.wake_all(turns);
    }

    /// Whether the threads could use another block: those they may work on, and one to go on with.
    pub fn is_hungry(&self) -> bool {
        let turns = locked(&self.turns);
        !turns.failed && turns.blocks.len() < self.lead.blocks + 2
    }

    /// No more blocks will come.
    pub fn end(&self) {
        let mut turns = locked(&self.turns);
        turns.ended = true;
        self.wake_all(turns);
    }

    /// Tell everybody to stop.
    pub fn close(&self) {
        locked(&self.turns).closed = true;
        self.work.notify_all();
        self.ready.notify_all();
    }

    /// Wait for something to do; `None` when there will be nothing more.
    pub fn take(&self) -> Option<Task<B>> {
        let mut turns = locked(&self.turns);
        loop {
            if turns.closed || turns.failed || (turns.ended && turns.nothing_left()) {
                return None;
            }
            if turns.fail() {
                self.ready.notify_all();
                self.work.notify_all();
                continue;
            }
            let task = turns.cut(self.lead).or_else(|| turns.decode(self.lead));
            if task.is_some() {
                return task;
            }
            turns.idle += 1;
            turns = waited(&self.work, turns);
            turns.idle -= 1;
        }
    }

    /// A unit is decoded, or cannot be.
    pub fn decoded(&self, number: usize, unit: usize, outcome: Result<(), Fault>) {
        let mut turns = locked(&self.turns);
        let Some(entry) = turns.entry(number) else {
            return;
        };
        entry.units_done += 1;
        if let Err(fault) = outcome
            && entry.fault.as_ref().is_none_or(|(first, _)| unit < *first)
        {
            entry.fault = Some((unit, fault));
        }
        if entry.is_decoded() || entry.has_failed() {
            self.wake_all(turns);
        }
    }

    /// The batch for `place` is made, or cannot be.
    pub fn cut(&self, number: usize, place: usize, outcome: Result<R, Fault>) {
        let mut turns = locked(&self.turns);
        let index = place.wrapping_sub(turns.delivered);
        if let Some(slot) = turns.batches.get_mut(index) {
            *slot = Some(outcome);
        }
        let finished = turns.finish(number);
        let all_taken = turns.ended && turns.blocks.is_empty();
        let wake = turns.awaited && turns.has_enough(self.lead);
        let idle = turns.idle > 0;
        drop(turns);
        if wake {
            self.ready.notify_all();
        }
        if idle && (finished.is_some() || all_taken) {
            self.work.notify_all();
        }
        // The block's memory goes back to its pool here, outside the lock.
        drop(finished);
    }

    /// The next batches in order, up to [`Lead::together`] of those that are ready; waits for `patience` at most where none
    /// is. One lock for all of them, and threads are woken only if some sleep.
    ///
    /// # Errors
    /// What went wrong with the next batch; after that the stream is over.
    pub fn next(&self, patience: Duration) -> Result<Next<R>, Fault> {
        let mut turns = locked(&self.turns);
        if !turns.has_news() && !patience.is_zero() {
            turns.awaited = true;
            turns = waited_for(&self.ready, turns, patience);
            turns.awaited = false;
        }
        if turns.closed || turns.is_over() {
            return Ok(Next::End);
        }
        let batches = turns.ready(self.lead.together);
        if batches.is_empty() {
            return turns.fault().map_or(Ok(Next::Pending), Err);
        }
        let idle = turns.idle;
        drop(turns);
        match idle.min(batches.len()) {
            0 => {}
            1 => self.work.notify_one(),
            _ => self.work.notify_all(),
        }
        Ok(Next::Batches(batches))
    }

    /// Let go of the lock and wake the threads that sleep: where none does, that costs no call of the system.
    fn wake_all(&self, turns: MutexGuard<'_, Turns<B, R>>) {
        let idle = turns.idle;
        drop(turns);
        if idle > 0 {
            self.work.notify_all();
        }
    }
}

impl<B, R> Turns<B, R> {
    fn nothing_left(&self) -> bool {
        self.blocks.iter().all(|entry| entry.batches_begun == entry.batches)
    }

    fn is_over(&self) -> bool {
        self.batches.is_empty() && (self.failed || (self.ended && self.blocks.is_empty()))
    }

    fn has_news(&self) -> bool {
        self.closed || self.is_over() || matches!(self.batches.front(), Some(Some(_)))
    }

    /// Take the batches that are ready, `most` of them, up to the first that is not or that failed.
    fn ready(&mut self, most: usize) -> Vec<R> {
        let mut batches = Vec::with_capacity(most);
        while batches.len() < most && matches!(self.batches.front(), Some(Some(Ok(_)))) {
            batches.extend(self.batches.pop_front().flatten().and_then(Result::ok));
        }
        self.delivered += batches.len();
        batches
    }

    /// If the next batch failed, what it says; nothing comes after it.
    fn fault(&mut self) -> Option<Fault> {
        let Some(Some(Err(fault))) = self.batches.front() else {
            return None;
        };
        let fault = fault.clone();
        self.failed = true;
        self.batches.clear();
        Some(fault)
    }

    /// Whether a consumer that sleeps is to be woken. Falling asleep and waking up cost it, and the thread whose core it
    /// takes, more than a small batch does: after the first batch it sleeps until as many are ready as it takes at once,
    /// or as many as there are until a block is decoded or it takes some.
    fn has_enough(&self, lead: Lead) -> bool {
        let ready = self.batches.iter().take_while(|batch| batch.is_some()).count();
        let enough = if self.delivered == 0 { 1 } else { lead.together };
        ready > 0 && (ready >= enough || (ready == self.batches.len() && !self.can_cut(lead)))
    }

    fn entry(&mut self, number: usize) -> Option<&mut Entry<B>> {
        self.blocks.get_mut(number.wrapping_sub(self.first))
    }

    /// The block that batches are cut from now, as an index.
    fn current(&self) -> Option<usize> {
        self.blocks.iter().position(|entry| entry.batches_begun < entry.batches)
    }

    /// If the current block has failed, put its fault where its next batch would be. True: the stream ends there.
    fn fail(&mut self) -> bool {
        let Some(entry) = self.current().map(|index| &self.blocks[index]) else {
            return false;
        };
        if !entry.has_failed() {
            return false;
        }
        let Some((_, fault)) = entry.fault.clone() else {
            return false;
        };
        self.batches.push_back(Some(Err(fault)));
        self.failed = true;
        true
    }

    /// Whether a thread that asks now gets a batch to cut.
    fn can_cut(&self, lead: Lead) -> bool {
        self.batches.len() < lead.batches && self.current().is_some_and(|index| self.blocks[index].is_decoded())
    }

    fn cut(&mut self, lead: Lead) -> Option<Task<B>> {
        if !self.can_cut(lead) {
            return None;
        }
        let index = self.current()?;
        let (number, place) = (self.first + index, self.delivered + self.batches.len());
        let entry = &mut self.blocks[index];
        let batch = entry.batches_begun;
        entry.batches_begun += 1;
        let block = Arc::clone(&entry.block);
        self.batches.push_back(None);
        Some(Task::Cut { block, number, batch, place })
    }

    fn decode(&mut self, lead: Lead) -> Option<Task<B>> {
        let within = self.blocks.iter_mut().take(lead.blocks + 1).enumerate();
        let mut waiting = within.filter(|(_, entry)| entry.fault.is_none() && entry.units_begun < entry.units);
        let (index, entry) = waiting.next()?;
        let unit = entry.units_begun;
        entry.units_begun += 1;
        let block = Arc::clone(&entry.block);
        Some(Task::Decode { block, number: self.first + index, unit })
    }

    /// Count a batch of the block; return the blocks that are finished with it.
    fn finish(&mut self, number: usize) -> Option<Vec<Arc<B>>> {
        self.entry(number)?.batches_done += 1;
        let mut finished = Vec::new();
        while self.blocks.front().is_some_and(|entry| entry.batches_done == entry.batches) {
            self.first += 1;
            finished.extend(self.blocks.pop_front().map(|entry| entry.block));
        }
        (!finished.is_empty()).then_some(finished)
    }
}

fn waited<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn waited_for<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>, patience: Duration) -> MutexGuard<'a, T> {
    condvar.wait_timeout(guard, patience).unwrap_or_else(std::sync::PoisonError::into_inner).0
}
