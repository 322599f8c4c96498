//! HDF5 data sets: whoever knows the format says where the bytes lie; they are read and unpacked here.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::pread::{self, Mapped};
use super::{Format, Scratch, room};
use crate::columns::{Column, Decoded};
use crate::fault::Fault;
use crate::files::{File, Unit};

/// Bytes that a unit decodes to: enough to be worth a hand-over, little enough to stay in a core's cache.
const UNIT_BYTES: usize = 512 << 10;

/// What was done to a chunk when it was written, in this order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filters {
    /// First bytes of all elements first, then all second bytes, ...
    pub shuffled: bool,
    pub deflated: bool,
}

/// Where the rows of one column lie in a file.
struct Placed {
    /// Rows of a chunk; 0: the column lies in one piece.
    chunk_rows: usize,
    filters: Filters,
    chunks: Vec<Chunk>,
}

#[derive(Clone, Copy)]
struct Chunk {
    row: u64,
    offset: u64,
    bytes: u64,
    /// Bits of the filters that were left out.
    mask: u32,
}

/// Where the columns of each file lie, as far as it was told.
pub struct Extents {
    files: Vec<OnceLock<Vec<Placed>>>,
}

impl Extents {
    /// Nothing is known of `files` files.
    #[must_use]
    pub fn new(files: usize) -> Self {
        Self { files: (0..files).map(|_| OnceLock::new()).collect() }
    }

    /// Say where the columns of a file lie: rows of a chunk (0: in one piece), filters, and for each chunk in the order
    /// of rows its first row, offset in the file, bytes, and mask of filters left out.
    ///
    /// # Errors
    /// [`Fault::Unsupported`]: these are no four numbers a chunk, or negative ones.
    pub fn describe(&self, file: usize, columns: Vec<(usize, Filters, Vec<i64>)>) -> Result<(), Fault> {
        let placed = columns.into_iter().map(|(chunk_rows, filters, numbers)| {
            let (chunks, rest) = numbers.as_chunks::<4>();
            let chunk = |[row, offset, bytes, mask]: &[i64; 4]| {
                let (row, offset) = (u64::try_from(*row).ok()?, u64::try_from(*offset).ok()?);
                Some(Chunk { row, offset, bytes: u64::try_from(*bytes).ok()?, mask: u32::try_from(*mask).ok()? })
            };
            let chunks: Option<Vec<Chunk>> = chunks.iter().map(chunk).collect();
            let chunks = chunks.filter(|_| rest.is_empty());
            let chunks = chunks.ok_or_else(|| Fault::Unsupported("extents that are none".to_owned()))?;
            Ok(Placed { chunk_rows, filters, chunks })
        });
        let placed = placed.collect::<Result<Vec<_>, Fault>>()?;
        let home = self.files.get(file).ok_or_else(|| Fault::Unsupported(format!("no file {file}")))?;
        // Told twice: the first word counts, for threads may have acted upon it.
        let _ = home.set(placed);
        Ok(())
    }
}

/// Reads HDF5 files.
pub struct Hdf5 {
    files: Arc<Vec<File>>,
    columns: Vec<Column>,
    extents: Arc<Extents>,
}

impl Hdf5 {
    /// A reader of `columns`.
    #[must_use]
    pub fn new(files: Arc<Vec<File>>, columns: Vec<Column>, extents: Arc<Extents>) -> Self {
        Self { files, columns, extents }
    }
}

impl Format for Hdf5 {
    fn unit_bytes(&self) -> usize {
        UNIT_BYTES
    }

    fn decode(&self, unit: &Unit, run: usize, into: &Decoded, scratch: &mut Scratch) -> Result<(), Fault> {
        let path = self.files[unit.file].path.as_path();
        let placed = self.extents.files[unit.file].get();
        let placed = placed.filter(|placed| placed.len() == self.columns.len());
        let placed = placed.ok_or_else(|| Fault::data(path, "was not looked into before it was read"))?;
        let (file, bytes) = pread::opened(path)?;
        let open = Open { path, file, bytes };
        for (number, (column, placed)) in self.columns.iter().zip(placed).enumerate() {
            if placed.chunk_rows == 0 {
                open.in_one_piece(column, placed, unit, (number, run), into)?;
            } else {
                // SAFETY: this thread decodes this run, and places nothing there.
                let target = unsafe { into.run_mut(number, run) };
                open.in_chunks(column, placed, unit, target, scratch)?;
            }
        }
        Ok(())
    }
}

/// An opened file.
struct Open<'a> {
    path: &'a Path,
    file: std::fs::File,
    bytes: u64,
}

impl Open<'_> {
    fn in_one_piece(
        &self,
        column: &Column,
        placed: &Placed,
        unit: &Unit,
        (number, run): (usize, usize),
        into: &Decoded,
    ) -> Result<(), Fault> {
        let whole = placed.chunks.first().ok_or_else(|| self.wrong(column, unit.rows.start, "no bytes"))?;
        let row_bytes = column.row_bytes() as u64;
        let place = |row: usize| {
            let end = (row as u64).checked_mul(row_bytes).filter(|end| *end <= whole.bytes)?;
            whole.offset.checked_add(end)
        };
        let range = place(unit.rows.start).zip(place(unit.rows.end)).map(|(start, end)| start..end);
        let range = range.ok_or_else(|| self.wrong(column, unit.rows.start, format_args!("{} bytes", whole.bytes)))?;
        let map = Mapped::new(self.path, &self.file, range.clone(), self.bytes)?;
        let bytes = map.bytes(self.path, range)?;
        // SAFETY: `map` is what keeps them mapped.
        unsafe { into.place(number, run, bytes, Arc::clone(&map) as _) };
        Ok(())
    }

    fn in_chunks(
        &self,
        column: &Column,
        placed: &Placed,
        unit: &Unit,
        target: &mut [u8],
        scratch: &mut Scratch,
    ) -> Result<(), Fault> {
        let (row_bytes, mut row, mut rest) = (column.row_bytes(), unit.rows.start, target);
        while row < unit.rows.end {
            let start = row / placed.chunk_rows * placed.chunk_rows;
            let end = (start + placed.chunk_rows).min(unit.rows.end);
            let found = placed.chunks.binary_search_by_key(&(start as u64), |chunk| chunk.row);
            let chunk = found.map_err(|_| self.wrong(column, row, "no chunk"))?;
            let (here, after) = rest.split_at_mut((end - row) * row_bytes);
            let clip = (row - start) * row_bytes..(end - start) * row_bytes;
            self.chunk(column, placed, &placed.chunks[chunk], here, clip, scratch)?;
            (row, rest) = (end, after);
        }
        Ok(())
    }

    /// Bytes `clip` of a chunk, into `target`.
    fn chunk(
        &self,
        column: &Column,
        placed: &Placed,
        chunk: &Chunk,
        target: &mut [u8],
        clip: std::ops::Range<usize>,
        scratch: &mut Scratch,
    ) -> Result<(), Fault> {
        let unpacked_bytes = placed.chunk_rows * column.row_bytes();
        let wrong = |what: &dyn std::fmt::Display| {
            self.wrong(column, usize::try_from(chunk.row).unwrap_or(0), format_args!("a damaged chunk ({what})"))
        };
        let filters = placed.filters;
        // Bits of the mask count the filters in the order in which they were applied.
        let shuffled = filters.shuffled && chunk.mask & 1 == 0;
        let deflated = filters.deflated && chunk.mask >> u32::from(filters.shuffled) & 1 == 0;
        let bytes = usize::try_from(chunk.bytes).unwrap_or(usize::MAX);
        if !deflated && bytes != unpacked_bytes {
            return Err(wrong(&format_args!("{bytes} bytes instead of {unpacked_bytes}")));
        }
        let packed = pread::read(self.path, &self.file, chunk.offset, bytes, &mut scratch.packed)?;
        let plain = if deflated {
            let plain = room(&mut scratch.unpacked, unpacked_bytes);
            scratch.codecs.zlib(packed, plain).map_err(|error| wrong(&error))?;
            &*plain
        } else {
            packed
        };
        if shuffled {
            unshuffle(plain, column.dtype.bytes(), clip, target);
        } else {
            target.copy_from_slice(&plain[clip]);
        }
        Ok(())
    }

    fn wrong(&self, column: &Column, row: usize, what: impl std::fmt::Display) -> Fault {
        let name = &column.name;
        Fault::data(self.path, format_args!("column {name:?} from row {row} on has {what}"))
    }
}

/// Bytes `clip` of what was shuffled as elements of `size` bytes.
fn unshuffle(shuffled: &[u8], size: usize, clip: std::ops::Range<usize>, target: &mut [u8]) {
    match size {
        2 => unshuffle_by::<2>(shuffled, clip, target),
        4 => unshuffle_by::<4>(shuffled, clip, target),
        8 => unshuffle_by::<8>(shuffled, clip, target),
        _ => target.copy_from_slice(&shuffled[clip]),
    }
}

fn unshuffle_by<const N: usize>(shuffled: &[u8], clip: std::ops::Range<usize>, target: &mut [u8]) {
    let (elements, from, to) = (shuffled.len() / N, clip.start / N, clip.end / N);
    let planes: [&[u8]; N] = std::array::from_fn(|byte| &shuffled[byte * elements + from..byte * elements + to]);
    for (index, element) in target.as_chunks_mut::<N>().0.iter_mut().enumerate() {
        *element = std::array::from_fn(|byte| planes[byte][index]);
    }
}
