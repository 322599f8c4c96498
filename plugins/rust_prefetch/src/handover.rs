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
    /// Blocks that are decoded ahead of the one that batches are cut from.
    pub blocks: usize,
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
    Batch(R),
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
        locked(&self.turns).blocks.push_back(entry);
        self.work.notify_all();
    }

    /// Whether the threads could use another block: those they may work on, and one to go on with.
    pub fn is_hungry(&self) -> bool {
        let turns = locked(&self.turns);
        !turns.failed && turns.blocks.len() < self.lead.blocks + 2
    }

    /// No more blocks will come.
    pub fn end(&self) {
        locked(&self.turns).ended = true;
        self.work.notify_all();
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
            turns = waited(&self.work, turns);
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
            drop(turns);
            self.work.notify_all();
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
        drop(turns);
        if wake {
            self.ready.notify_all();
        }
        if finished.is_some() || all_taken {
            self.work.notify_all();
        }
        // The block's memory goes back to its pool here, outside the lock.
        drop(finished);
    }

    /// The next batch in order, if it is there within `patience`.
    ///
    /// # Errors
    /// What went wrong with this batch; after that the stream is over.
    pub fn next(&self, patience: Duration) -> Result<Next<R>, Fault> {
        let mut turns = locked(&self.turns);
        if !turns.has_news() {
            turns.awaited = true;
            turns = waited_for(&self.ready, turns, patience);
            turns.awaited = false;
        }
        if turns.closed {
            return Ok(Next::End);
        }
        if !matches!(turns.batches.front(), Some(Some(_))) {
            let over = turns.batches.is_empty() && (turns.failed || (turns.ended && turns.blocks.is_empty()));
            return Ok(if over { Next::End } else { Next::Pending });
        }
        let Some(Some(outcome)) = turns.batches.pop_front() else {
            return Ok(Next::Pending);
        };
        turns.delivered += 1;
        if outcome.is_err() {
            turns.failed = true;
        }
        drop(turns);
        self.work.notify_one();
        outcome.map(Next::Batch)
    }
}

impl<B, R> Turns<B, R> {
    fn nothing_left(&self) -> bool {
        self.blocks.iter().all(|entry| entry.batches_begun == entry.batches)
    }

    fn has_news(&self) -> bool {
        let over = self.batches.is_empty() && (self.failed || (self.ended && self.blocks.is_empty()));
        self.closed || over || matches!(self.batches.front(), Some(Some(_)))
    }

    /// Whether a consumer that sleeps is to be woken. Falling asleep and waking up cost it, and the thread whose core it
    /// takes, more than a small batch does: after the first batch it sleeps until half of those ahead are ready, or as
    /// many as there are for now.
    fn has_enough(&self, lead: Lead) -> bool {
        let ready = self.batches.iter().take_while(|batch| batch.is_some()).count();
        let enough = if self.delivered == 0 { 1 } else { lead.batches.div_ceil(2) };
        ready > 0 && (ready >= enough || ready == self.batches.len())
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

    fn cut(&mut self, lead: Lead) -> Option<Task<B>> {
        if self.batches.len() >= lead.batches {
            return None;
        }
        let index = self.current()?;
        let (number, place) = (self.first + index, self.delivered + self.batches.len());
        let entry = &mut self.blocks[index];
        if !entry.is_decoded() {
            return None;
        }
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
