//! The threads: each takes what is to be done next, until there is nothing more or somebody closes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::fault::Fault;
use crate::formats::Scratch;
use crate::handover::{Handover, Lead, Next, Task};
use crate::memory::Memory;
use crate::order::Order;
use crate::reading::{Block, Part, Reading};
use crate::ring::{Lease, Ring};
use crate::sync::Arc;

/// A batch in a buffer of the ring.
pub struct Batch {
    pub lease: Lease<Memory>,
    /// Samples in it.
    pub rows: usize,
}

/// Makes another buffer for the ring; called when the consumer holds more batches than planned.
pub type Make = Box<dyn Fn() -> Result<Memory, Fault> + Send + Sync>;

struct Shared {
    reading: Reading,
    handover: Handover<Block, Batch>,
    ring: Arc<Ring<Memory>>,
    make: Make,
}

/// Threads that turn submitted blocks into batches. Dropping it stops and joins them.
pub struct Pipeline {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// Threads that suit this machine: all cores, up to where memory is the limit.
#[must_use]
pub fn suitable_readers() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(16)
}

/// Buffers of a ring: those ahead, those taken at once (one of them in use), the one before it, and one that is on its way
/// back.
#[must_use]
pub fn buffers(lead: Lead) -> usize {
    lead.batches + lead.together + 2
}

impl Pipeline {
    /// Start `readers` threads.
    ///
    /// # Errors
    /// [`Fault::Unsupported`]: no memory, or no threads.
    pub fn start(reading: Reading, readers: usize, lead: Lead, make: Make) -> Result<Self, Fault> {
        let free = (0..buffers(lead)).map(|_| make()).collect::<Result<_, _>>()?;
        let ring = Ring::new(free, buffers(lead));
        let shared = Arc::new(Shared { reading, handover: Handover::new(lead), ring, make });
        let mut pipeline = Self { shared, threads: Vec::new() };
        for number in 0..readers.max(1) {
            let shared = Arc::clone(&pipeline.shared);
            let thread = Builder::new().name(format!("prefetch-{number}")).spawn(move || shared.work());
            let refused = |error| Fault::Unsupported(format!("no thread number {number} ({error})"));
            pipeline.threads.push(thread.map_err(refused)?);
        }
        Ok(pipeline)
    }

    /// What blocks are made from.
    #[must_use]
    pub fn reading(&self) -> &Reading {
        &self.shared.reading
    }

    /// Append a block that is read from files; see [`Block::new`].
    ///
    /// # Errors
    /// The block has rows that no file has.
    pub fn submit(&self, first: usize, parts: &[Part], order: Order) -> Result<(), Fault> {
        self.append(Block::new(self.reading(), first, parts, order)?);
        Ok(())
    }

    /// Append a block that was made from [`Self::reading`].
    pub fn append(&self, block: Block) {
        let (units, batches) = (block.units(), block.batches());
        if batches > 0 {
            self.shared.handover.submit(block, units, batches, None);
        }
    }

    /// Append a block that cannot be read: the stream ends with `fault` where its first batch would be.
    pub fn submit_fault(&self, fault: Fault) {
        self.shared.handover.submit(Block::empty(), 0, 1, Some(fault));
    }

    /// Whether the threads could use another block.
    #[must_use]
    pub fn is_hungry(&self) -> bool {
        self.shared.handover.is_hungry()
    }

    /// No more blocks will come.
    pub fn end(&self) {
        self.shared.handover.end();
    }

    /// The next batches in the order of submission, if one is there within `patience`.
    ///
    /// # Errors
    /// What went wrong with the next one; the stream is over then.
    pub fn next(&self, patience: Duration) -> Result<Next<Batch>, Fault> {
        self.shared.handover.next(patience)
    }

    /// Stop the threads and wait for them. Batches on loan stay what they are.
    pub fn close(&mut self) {
        self.shared.handover.close();
        for thread in self.threads.drain(..) {
            // A thread catches what panics in it: there is nothing to hear of.
            let _ = thread.join();
        }
        self.shared.ring.close();
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn work(&self) {
        let mut scratch = Scratch::default();
        while let Some(task) = self.handover.take() {
            match task {
                Task::Decode { block, number, unit } => {
                    let outcome = caught(|| block.decode(&self.reading, unit, &mut scratch));
                    drop(block);
                    self.handover.decoded(number, unit, outcome);
                }
                Task::Cut { block, number, batch, place } => {
                    let outcome = caught(|| self.cut(&block, batch, &mut scratch));
                    drop(block);
                    self.handover.cut(number, place, outcome);
                }
            }
        }
    }

    fn cut(&self, block: &Block, batch: usize, scratch: &mut Scratch) -> Result<Batch, Fault> {
        let mut lease = Ring::lend(&self.ring, &self.make)?;
        let Some(memory) = lease.memory_mut() else {
            return Err(Fault::Unsupported("a lease without memory".to_owned()));
        };
        let rows = block.cut(&self.reading, batch, memory.bytes_mut(), scratch)?;
        Ok(Batch { lease, rows })
    }
}

fn caught<T>(job: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    // What a panic leaves behind is scratch memory, whose content nobody trusts.
    catch_unwind(AssertUnwindSafe(job)).unwrap_or_else(|payload| Err(Fault::panic(payload.as_ref())))
}
