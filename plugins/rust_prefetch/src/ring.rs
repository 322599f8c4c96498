//! Buffers that batches are written into, and that come back when the consumer has let go.

use crate::sync::{Arc, Mutex, locked};

/// A bounded stock of buffers. It lends as many as are asked for, and keeps `kept` of those that come back.
pub struct Ring<M> {
    kept: usize,
    stock: Mutex<Stock<M>>,
}

struct Stock<M> {
    free: Vec<M>,
    closed: bool,
}

impl<M> Ring<M> {
    /// A ring that starts with `free`.
    #[must_use]
    pub fn new(free: Vec<M>, kept: usize) -> Arc<Self> {
        Arc::new(Self { kept, stock: Mutex::new(Stock { free, closed: false }) })
    }

    /// The buffer that came back last, whose bytes are the likeliest to be in the cache; `make` makes one if all are lent.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn lend<E>(ring: &Arc<Self>, make: impl FnOnce() -> Result<M, E>) -> Result<Lease<M>, E> {
        // `make` may take locks of its own: the stock is not locked while it runs.
        let used = locked(&ring.stock).free.pop();
        let memory = match used {
            Some(memory) => memory,
            None => make()?,
        };
        Ok(Lease { memory: Some(memory), ring: Arc::clone(ring) })
    }

    /// Give the free buffers back to the system; those on loan follow when they return.
    pub fn close(&self) {
        let mut stock = locked(&self.stock);
        stock.closed = true;
        let free = std::mem::take(&mut stock.free);
        drop(stock);
        drop(free);
    }

    /// Buffers that wait to be lent.
    pub fn free(&self) -> usize {
        locked(&self.stock).free.len()
    }

    fn take_back(&self, memory: M) {
        let mut stock = locked(&self.stock);
        if stock.closed || stock.free.len() >= self.kept {
            drop(stock);
            drop(memory);
        } else {
            stock.free.push(memory);
        }
    }
}

/// A buffer on loan; it returns when this is dropped, by whichever thread.
pub struct Lease<M> {
    memory: Option<M>,
    ring: Arc<Ring<M>>,
}

impl<M> Lease<M> {
    /// The buffer.
    pub fn memory(&self) -> Option<&M> {
        self.memory.as_ref()
    }

    /// The buffer, to be written.
    pub fn memory_mut(&mut self) -> Option<&mut M> {
        self.memory.as_mut()
    }
}

impl<M> Drop for Lease<M> {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.take() {
            self.ring.take_back(memory);
        }
    }
}
