//! The decoded columns of one block: rows of fixed width, in a slab or in mapped files.

use std::any::Any;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::dtype::Dtype;
use crate::fault::Fault;
use crate::memory::{Pool, Slab};

const ALIGN: usize = 64;

/// One stored column.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub dtype: Dtype,
    /// Elements of one row.
    pub width: usize,
    /// Its rows have no axis.
    pub is_scalar: bool,
}

impl Column {
    /// Bytes of one row.
    #[must_use]
    pub fn row_bytes(&self) -> usize {
        self.width * self.dtype.bytes()
    }
}

/// Bytes of a slab that holds `rows` rows of all columns.
#[must_use]
pub fn slab_bytes(columns: &[Column], rows: usize) -> usize {
    columns.iter().map(|column| padded(column.row_bytes() * rows)).sum()
}

fn padded(bytes: usize) -> usize {
    bytes.next_multiple_of(ALIGN)
}

/// Rows of a block by column. The rows are cut into runs; each run of a column is contiguous, in the slab or in a
/// mapped file. Threads decode different runs at once; nobody reads before all are done.
pub struct Decoded {
    rows: usize,
    starts: Vec<usize>,
    row_bytes: Vec<usize>,
    /// Where each run of each column lies: column-major.
    bases: Vec<AtomicPtr<u8>>,
    /// Some run lies outside the slab, so that runs do not follow each other in memory.
    scattered: AtomicBool,
    _slab: Slab,
    kept: Mutex<Vec<Arc<dyn Any + Send + Sync>>>,
}

impl Decoded {
    /// Room for `rows` rows whose runs start at `starts`, the first of which is 0.
    ///
    /// # Errors
    /// [`Fault::Unsupported`]: no memory.
    pub fn new(columns: &[Column], rows: usize, starts: Vec<usize>, pool: &Arc<Pool>) -> Result<Self, Fault> {
        let slab = pool.take()?;
        let mut bases = Vec::with_capacity(columns.len() * starts.len());
        let mut offset = 0;
        for column in columns {
            for start in &starts {
                // SAFETY: the pool's slabs hold `slab_bytes` of the largest block, which counts these very columns.
                let base = unsafe { slab.start().add(offset + start * column.row_bytes()) };
                bases.push(AtomicPtr::new(base.as_ptr()));
            }
            offset += padded(column.row_bytes() * rows);
        }
        let row_bytes = columns.iter().map(Column::row_bytes).collect();
        let (scattered, kept) = (AtomicBool::new(false), Mutex::new(Vec::new()));
        Ok(Self { rows, starts, row_bytes, bases, scattered, _slab: slab, kept })
    }

    /// Rows of the block.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Rows of a run.
    #[must_use]
    pub fn run_rows(&self, run: usize) -> usize {
        self.starts.get(run + 1).copied().unwrap_or(self.rows) - self.starts[run]
    }

    /// The rows of a run of a column, to be written.
    ///
    /// # Safety
    /// The caller is the only one who uses this run before the block is read, and has not called [`Self::place`] for it.
    #[must_use]
    #[allow(clippy::mut_from_ref, reason = "runs are disjoint, and each has one writer")]
    pub unsafe fn run_mut(&self, column: usize, run: usize) -> &mut [u8] {
        let base = self.base(column, run);
        let len = self.run_rows(run) * self.row_bytes[column];
        // SAFETY: `new` laid the run out in the slab, zeroed or written before; the caller promises to be alone.
        unsafe { std::slice::from_raw_parts_mut(base.as_ptr(), len) }
    }

    /// Let a run of a column be `bytes`, which `owner` keeps alive and unchanged.
    ///
    /// # Safety
    /// `bytes` stay readable as long as `owner` lives.
    ///
    /// # Panics
    /// The bytes are not those of the run's rows.
    pub unsafe fn place(&self, column: usize, run: usize, bytes: &[u8], owner: Arc<dyn Any + Send + Sync>) {
        assert_eq!(bytes.len(), self.run_rows(run) * self.row_bytes[column]);
        self.bases[column * self.starts.len() + run].store(bytes.as_ptr().cast_mut(), Ordering::Release);
        self.scattered.store(true, Ordering::Release);
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(owner);
    }

    fn base(&self, column: usize, run: usize) -> NonNull<u8> {
        NonNull::new(self.bases[column * self.starts.len() + run].load(Ordering::Acquire))
            .unwrap_or(NonNull::dangling())
    }

    /// First rows of the runs that do not follow each other in memory; one run when everything lies in the slab.
    #[must_use]
    pub fn runs(&self) -> &[usize] {
        if self.scattered.load(Ordering::Acquire) { &self.starts } else { &self.starts[..1] }
    }

    /// The runs of a column, each with all rows up to the next of [`Self::runs`].
    pub fn column(&self, column: usize) -> impl Iterator<Item = &[u8]> {
        let runs = self.runs();
        runs.iter().enumerate().map(move |(run, start)| {
            let rows = runs.get(run + 1).copied().unwrap_or(self.rows) - start;
            // SAFETY: `new` or `place` gave each run that many bytes; one run alone means that all lie in the slab, where
            // they follow each other. Everything is written by now: decoding is over.
            unsafe { std::slice::from_raw_parts(self.base(column, run).as_ptr(), rows * self.row_bytes[column]) }
        })
    }
}
