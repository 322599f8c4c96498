//! Rows from files to batches on threads of Rust: read, decode, gather and widen into a ring of reused buffers.
//!
//! Under `cfg(loom)` only the hand-over and the ring are built, on loom's locks, to be model-checked.
//!
//! A row's way: `files` (what is read together) -> `formats` (what lies in a file) -> `columns` (a decoded block) -> `order` (its samples) -> `gather` (a batch) -> `ring` (its
//! memory) -> `handover` (its turn) -> `pipeline` (the threads) -> `python` (the consumer).

#[cfg(not(loom))]
pub mod columns;
#[cfg(not(loom))]
mod dlpack;
#[cfg(not(loom))]
pub mod dtype;
pub mod fault;
#[cfg(not(loom))]
pub mod files;
#[cfg(not(loom))]
pub mod floor;
#[cfg(not(loom))]
pub mod formats;
#[cfg(not(loom))]
pub mod gather;
pub mod handover;
#[cfg(not(loom))]
pub mod layout;
#[cfg(not(loom))]
pub mod memory;
#[cfg(not(loom))]
pub mod order;
#[cfg(not(loom))]
pub mod pipeline;
#[cfg(not(loom))]
mod python;
#[cfg(not(loom))]
pub mod reading;
pub mod ring;
mod sync;
