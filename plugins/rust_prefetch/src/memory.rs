//! Memory that is touched once and used again and again: a first touch costs more than a gather.

use std::any::Any;
use std::io;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};

use memmap2::{Advice, MmapMut};

use crate::fault::Fault;

const HUGE_BYTES: usize = 2 << 20;

/// A page-aligned range of bytes with one owner.
pub struct Memory {
    start: NonNull<u8>,
    len: usize,
    _owner: Box<dyn Any + Send + Sync>,
}

// SAFETY: the bytes are plain memory that belongs to no thread; all access goes through `&self` methods that say who
// may call them.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// Zeroed memory of this process; pages come into being when they are first touched.
    ///
    /// # Errors
    /// [`Fault::Unsupported`]: the system gives no more.
    pub fn anonymous(len: usize) -> Result<Self, Fault> {
        let refused = |error: io::Error| Fault::Unsupported(format!("no {len} bytes of memory ({error})"));
        let mut map = MmapMut::map_anon(len.max(1)).map_err(refused)?;
        if len >= HUGE_BYTES {
            // A kernel without huge pages says no, and small ones do as well.
            let _ = map.advise(Advice::HugePage);
        }
        let start = NonNull::new(map.as_mut_ptr()).unwrap_or(NonNull::dangling());
        Ok(Self { start, len, _owner: Box::new(map) })
    }

    /// Memory that somebody else allocated and that `owner` keeps alive.
    ///
    /// # Safety
    /// `start` points to `len` bytes that are readable and writable as long as `owner` lives, and that nobody else
    /// writes to.
    #[must_use]
    pub unsafe fn foreign(start: NonNull<u8>, len: usize, owner: Box<dyn Any + Send + Sync>) -> Self {
        Self { start, len, _owner: owner }
    }

    /// First byte.
    #[must_use]
    pub fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All of it, for the one who owns it.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: the constructors promise `len` initialised bytes, and `&mut self` that nobody else looks.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

/// Slabs of one size that come back when their block is done.
pub struct Pool {
    slab_bytes: usize,
    free: Mutex<Vec<Memory>>,
}

impl Pool {
    /// An empty pool.
    #[must_use]
    pub fn new(slab_bytes: usize) -> Arc<Self> {
        Arc::new(Self { slab_bytes, free: Mutex::new(Vec::new()) })
    }

    /// A slab that was used before, or a new one when there is none.
    ///
    /// # Errors
    /// [`Fault::Unsupported`]: the system gives no more memory.
    pub fn take(self: &Arc<Self>) -> Result<Slab, Fault> {
        let used = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let memory = used.map_or_else(|| Memory::anonymous(self.slab_bytes), Ok)?;
        Ok(Slab { memory: Some(memory), start: NonNull::dangling(), home: Arc::clone(self) }.placed())
    }
}

/// Memory on loan from a [`Pool`].
pub struct Slab {
    memory: Option<Memory>,
    start: NonNull<u8>,
    home: Arc<Pool>,
}

// SAFETY: `start` points into `memory`, which may be shared; see there.
unsafe impl Send for Slab {}
// SAFETY: as above.
unsafe impl Sync for Slab {}

impl Slab {
    fn placed(mut self) -> Self {
        self.start = self.memory.as_ref().map_or(NonNull::dangling(), Memory::start);
        self
    }

    /// First byte.
    #[must_use]
    pub fn start(&self) -> NonNull<u8> {
        self.start
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.take() {
            self.home.free.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
        }
    }
}
