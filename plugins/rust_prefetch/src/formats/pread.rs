//! Files: reading ranges of them, and mapping ranges of them without being killed when they shrink.

use std::fs::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use memmap2::{Advice, Mmap, MmapOptions};

use crate::fault::Fault;

/// Open the file, and tell how many bytes it has.
///
/// # Errors
/// It is missing or cannot be read.
pub fn opened(path: &Path) -> Result<(File, u64), Fault> {
    let file = File::open(path).map_err(|error| Fault::io(path, &error))?;
    let bytes = file.metadata().map_err(|error| Fault::io(path, &error))?.len();
    Ok((file, bytes))
}

/// The `bytes` bytes at `offset`, in `into`, whose memory grows and is used again.
///
/// # Errors
/// The file ends before, or cannot be read.
pub fn read<'a>(path: &Path, file: &File, offset: u64, bytes: usize, into: &'a mut Vec<u8>) -> Result<&'a [u8], Fault> {
    let ends = || Fault::data(path, format_args!("is truncated: no {bytes} bytes at {offset}"));
    if into.len() < bytes {
        into.try_reserve_exact(bytes - into.len()).map_err(|_| ends())?;
        into.resize(bytes, 0);
    }
    let filled = &mut into[..bytes];
    file.read_exact_at(filled, offset).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => ends(),
        _ => Fault::io(path, &error),
    })?;
    Ok(filled)
}

/// A mapped range of a file, to be shared by all that read it.
pub struct Mapped {
    map: Mmap,
    offset: u64,
}

impl Mapped {
    /// Map bytes `range` of a file that has `bytes` of them.
    ///
    /// # Errors
    /// The file has fewer bytes, or cannot be mapped.
    pub fn new(path: &Path, file: &File, range: Range<u64>, bytes: u64) -> Result<Arc<Self>, Fault> {
        if range.start > range.end || range.end > bytes {
            return Err(truncated(path, &range, bytes));
        }
        let len = usize::try_from(range.end - range.start).map_err(|_| truncated(path, &range, bytes))?;
        // SAFETY: a mapped file may change while it is read. What is made of these bytes is numbers, valid whatever they
        // are; a file that shrinks is looked for by `populate`, and the README says what remains.
        let map = unsafe { MmapOptions::new().offset(range.start).len(len).map(file) };
        let map = map.map_err(|error| Fault::io(path, &error))?;
        Ok(Arc::new(Self { map, offset: range.start }))
    }

    /// Bytes `range` of the file, read in from the disk if they were not there.
    ///
    /// # Errors
    /// They are not in the mapped range, or the file has lost them since.
    pub fn bytes(&self, path: &Path, range: Range<u64>) -> Result<&[u8], Fault> {
        let (start, end) = self.place(path, &range)?;
        // One call makes all pages present, which would else cost a fault each; and where the file has shrunk it says so
        // instead of killing the process. A kernel before 5.14 does not know it: then the faults come one by one.
        match self.map.advise_range(Advice::PopulateRead, start, end - start) {
            Err(error) if error.raw_os_error() == Some(EFAULT) => Err(truncated(path, &range, range.start)),
            _ => Ok(&self.map[start..end]),
        }
    }

    /// Bytes `range` of a file that does not shrink, which [`Self::bytes`] was asked for before.
    ///
    /// # Errors
    /// They are not in the mapped range.
    pub fn present(&self, path: &Path, range: Range<u64>) -> Result<&[u8], Fault> {
        self.place(path, &range).map(|(start, end)| &self.map[start..end])
    }

    fn place(&self, path: &Path, range: &Range<u64>) -> Result<(usize, usize), Fault> {
        let place = |at: u64| at.checked_sub(self.offset).and_then(|at| usize::try_from(at).ok());
        let found =
            place(range.start).zip(place(range.end)).filter(|(start, end)| start <= end && *end <= self.map.len());
        found.ok_or_else(|| truncated(path, range, self.offset + self.map.len() as u64))
    }
}

const EFAULT: i32 = 14;

fn truncated(path: &Path, range: &Range<u64>, bytes: u64) -> Fault {
    Fault::data(path, format_args!("is truncated: no bytes {} to {} in {bytes}", range.start, range.end))
}
