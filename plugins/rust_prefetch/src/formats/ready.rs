//! Blocks that lie decoded in a file in memory: nothing is read, nothing is unpacked.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::pread::{Mapped, opened};
use crate::columns::{Column, Decoded};
use crate::fault::Fault;

/// A file of decoded columns, mapped as a whole when the first block of it is asked for.
pub struct Ready {
    path: PathBuf,
    map: OnceLock<Result<Arc<Mapped>, Fault>>,
}

impl Ready {
    /// The file at `path`, which is opened later.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, map: OnceLock::new() }
    }

    /// Let the only run of a block be the columns at `offsets`, where `rows` rows of each lie.
    ///
    /// # Errors
    /// [`Fault::Data`]: the file is missing or shorter.
    pub fn place(&self, columns: &[Column], offsets: &[u64], rows: usize, into: &Decoded) -> Result<(), Fault> {
        let map = self.map.get_or_init(|| self.mapped()).as_ref().map_err(Clone::clone)?;
        for (number, (column, offset)) in columns.iter().zip(offsets).enumerate() {
            let end = offset + (column.row_bytes() * rows) as u64;
            let bytes = map.present(&self.path, *offset..end)?;
            let owner = Arc::clone(map);
            // SAFETY: the owner keeps the map.
            unsafe { into.place(number, 0, bytes, owner) };
        }
        Ok(())
    }

    fn mapped(&self) -> Result<Arc<Mapped>, Fault> {
        let (file, bytes) = opened(&self.path)?;
        let map = Mapped::new(&self.path, &file, 0..bytes, bytes)?;
        // All pages at once: a first touch of each would cost as much as a decoder.
        map.bytes(&self.path, 0..bytes)?;
        Ok(map)
    }
}
