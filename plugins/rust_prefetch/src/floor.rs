//! The unavoidable work and nothing else: decode each byte once, cut each batch once, into buffers used again and again.
//!
//! No order, no hand-over, no consumer: what is left to lose against this is what the pipeline costs.

use std::sync::{Barrier, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::vec::IntoIter;

use crate::fault::Fault;
use crate::formats::Scratch;
use crate::memory::Memory;
use crate::reading::{Block, Reading};

/// Read the `blocks` with `readers` threads, which share them out as they come, into `buffers` buffers in turn; the time
/// that it took. The blocks of `warm` are read first and not counted: they touch the memory.
///
/// # Errors
/// A file is not what it should be, or there is no memory.
pub fn floor(
    reading: &Reading,
    warm: Vec<Block>,
    blocks: Vec<Block>,
    readers: usize,
    buffers: usize,
) -> Result<Duration, Fault> {
    let readers = readers.max(1);
    let (warm, blocks) = (Mutex::new(warm.into_iter()), Mutex::new(blocks.into_iter()));
    let (start, memory) = (Barrier::new(readers + 1), || Memory::anonymous(reading.cutter.layout().bytes));
    let made = (0..readers).map(|_| (0..buffers.div_ceil(readers)).map(|_| memory()).collect());
    let made: Vec<Vec<Memory>> = made.collect::<Result<_, _>>()?;
    let job = |mut buffers: Vec<Memory>| {
        let mut scratch = Scratch::default();
        let warmed = share(reading, &warm, &mut buffers, &mut scratch);
        start.wait();
        warmed.and_then(|()| share(reading, &blocks, &mut buffers, &mut scratch))
    };
    let job = &job;
    std::thread::scope(|scope| {
        let jobs: Vec<_> = made.into_iter().map(|buffers| scope.spawn(move || job(buffers))).collect();
        start.wait();
        let begin = Instant::now();
        let mut done = jobs.into_iter().map(|job| job.join().unwrap_or_else(|panic| Err(Fault::panic(panic.as_ref()))));
        done.try_for_each(|outcome| outcome).map(|()| begin.elapsed())
    })
}

fn share(
    reading: &Reading,
    blocks: &Mutex<IntoIter<Block>>,
    buffers: &mut [Memory],
    scratch: &mut Scratch,
) -> Result<(), Fault> {
    let (mut turn, count) = (0, buffers.len());
    let next = || blocks.lock().unwrap_or_else(PoisonError::into_inner).next();
    while let Some(block) = next() {
        for unit in 0..block.units() {
            block.decode(reading, unit, scratch)?;
        }
        for batch in 0..block.batches() {
            turn = (turn + 1) % count;
            block.cut(reading, batch, buffers[turn].bytes_mut(), scratch)?;
        }
    }
    Ok(())
}
