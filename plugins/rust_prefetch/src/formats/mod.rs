//! Storage formats: how rows lie in a file, and how a unit of them is decoded.

pub mod arrow;
pub mod codec;
pub mod hdf5;
pub mod parquet;
pub mod pread;
pub mod ready;
pub mod values;

use crate::columns::Decoded;
use crate::fault::Fault;
use crate::files::Unit;
use crate::gather::Spans;

/// Decodes units of files; shared by all threads.
pub trait Format: Send + Sync {
    /// Groups are put together until a unit decodes to as many bytes.
    fn unit_bytes(&self) -> usize;

    /// Decode `unit` as run number `run` of a block.
    ///
    /// # Errors
    /// A file is missing, truncated, corrupt or not what the manifest says.
    fn decode(&self, unit: &Unit, run: usize, into: &Decoded, scratch: &mut Scratch) -> Result<(), Fault>;
}

/// Memory and decoders that one thread uses again and again.
#[derive(Default)]
pub struct Scratch {
    pub spans: Spans,
    /// Head of a message.
    pub head: Vec<u8>,
    /// Bytes as they lie in a file.
    pub packed: Vec<u8>,
    /// Bytes that were unpacked and are not yet in their place.
    pub unpacked: Vec<u8>,
    pub codecs: codec::Codecs,
    pub values: values::Values,
}

/// The first `bytes` bytes of memory that only grows; what they hold is old.
pub(crate) fn room(memory: &mut Vec<u8>, bytes: usize) -> &mut [u8] {
    if memory.len() < bytes {
        memory.resize(bytes, 0);
    }
    &mut memory[..bytes]
}
