//! Decode the units of a block, and cut its batches.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::columns::{Column, Decoded};
use crate::fault::Fault;
use crate::files::{File, Unit};
use crate::formats::ready::Ready;
use crate::formats::{Format, Scratch};
use crate::gather::Cutter;
use crate::memory::Pool;

/// Everything that all blocks of a stream have in common.
pub struct Reading {
    pub format: Box<dyn Format>,
    pub files: Arc<Vec<File>>,
    /// Where blocks lie decoded; none: nowhere.
    pub ready: Option<Ready>,
    pub columns: Vec<Column>,
    pub cutter: Cutter,
    pub pool: Arc<Pool>,
    /// Rows of the largest block and of the largest batch: slabs and buffers hold no more.
    pub limits: (usize, usize),
}

/// Rows `rows` of a file.
pub struct Part {
    pub file: usize,
    pub rows: Range<usize>,
}

/// Rows that are read together, and the batches that are cut from them.
pub struct Block {
    first: usize,
    rows: usize,
    units: Vec<Unit>,
    starts: Vec<usize>,
    positions: Vec<u32>,
    /// Position after the last one of each batch.
    ends: Vec<usize>,
    /// Where each column lies in the file of decoded blocks; none: the block is read from its files.
    ready: Option<Vec<u64>>,
    decoded: OnceLock<Result<Decoded, Fault>>,
}

impl Block {
    /// The block that starts at row `first` and is made of `parts`; batch n is made of `lengths[n]` of the `positions`,
    /// which are rows counted from `first`.
    ///
    /// # Errors
    /// [`Fault::Unsupported`]: a position or its history lies outside the block, or a part outside its file.
    pub fn new(
        reading: &Reading,
        first: usize,
        parts: &[Part],
        positions: &[i64],
        lengths: &[usize],
    ) -> Result<Self, Fault> {
        let units = units(reading, parts)?;
        let starts = units.iter().scan(0, |row, unit| {
            let start = *row;
            *row += unit.rows.len();
            Some(start)
        });
        let starts: Vec<usize> = starts.collect();
        let rows: usize = units.iter().map(|unit| unit.rows.len()).sum();
        let ends: Vec<usize> = lengths
            .iter()
            .scan(0, |sum, length| {
                *sum += length;
                Some(*sum)
            })
            .collect();
        let (block_rows, batch_rows) = reading.limits;
        let too_large =
            rows > block_rows || u32::try_from(rows).is_err() || lengths.iter().any(|length| *length > batch_rows);
        if too_large || ends.last().copied().unwrap_or(0) != positions.len() {
            return Err(Fault::Unsupported("batches hold other rows than the block".to_owned()));
        }
        let positions = placed(&reading.cutter, positions, first, rows)?;
        Ok(Self { first, rows, units, starts, positions, ends, ready: None, decoded: OnceLock::new() })
    }

    /// A block that nothing is read of.
    #[must_use]
    pub fn empty() -> Self {
        let (units, starts, positions, ends) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { first: 0, rows: 0, units, starts, positions, ends, ready: None, decoded: OnceLock::new() }
    }

    /// The same block, whose columns lie decoded at `offsets` of the file of decoded blocks.
    ///
    /// # Errors
    /// [`Fault::Unsupported`]: there is no such file, or another number of columns.
    pub fn lying_at(mut self, reading: &Reading, offsets: Vec<u64>) -> Result<Self, Fault> {
        if reading.ready.is_none() || offsets.len() != reading.columns.len() {
            return Err(Fault::Unsupported(format!("no decoded block of {} columns", offsets.len())));
        }
        (self.units, self.starts) = (vec![Unit { file: 0, groups: 0..0, rows: 0..self.rows }], vec![0]);
        self.ready = Some(offsets);
        Ok(self)
    }

    /// Units to decode.
    #[must_use]
    pub fn units(&self) -> usize {
        self.units.len()
    }

    /// Batches to cut.
    #[must_use]
    pub fn batches(&self) -> usize {
        self.ends.len()
    }

    /// Positions of the samples of a batch.
    #[must_use]
    pub fn batch(&self, number: usize) -> &[u32] {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.positions[start..self.ends[number]]
    }

    /// Decode one unit. Each unit is decoded once, by one thread.
    ///
    /// # Errors
    /// A file is not what it should be, or there is no memory.
    pub fn decode(&self, reading: &Reading, unit: usize, scratch: &mut Scratch) -> Result<(), Fault> {
        let fresh = || Decoded::new(&reading.columns, self.rows, self.starts.clone(), &reading.pool);
        let decoded = self.decoded.get_or_init(fresh).as_ref().map_err(Clone::clone)?;
        match reading.ready.as_ref().zip(self.ready.as_ref()) {
            Some((ready, offsets)) => ready.place(&reading.columns, offsets, self.rows, decoded),
            None => reading.format.decode(&self.units[unit], unit, decoded, scratch),
        }
    }

    /// Cut a batch into `buffer`, after every unit was decoded.
    ///
    /// # Errors
    /// [`Fault::Unsupported`]: nothing was decoded.
    pub fn cut(
        &self,
        reading: &Reading,
        batch: usize,
        buffer: &mut [u8],
        scratch: &mut Scratch,
    ) -> Result<usize, Fault> {
        let Some(Ok(decoded)) = self.decoded.get() else {
            return Err(Fault::Unsupported("a batch was cut before its block was decoded".to_owned()));
        };
        let rows = self.batch(batch);
        reading.cutter.cut(decoded, self.first, rows, buffer, &mut scratch.spans);
        Ok(rows.len())
    }
}

/// The positions as the cutter takes them.
fn placed(cutter: &Cutter, positions: &[i64], first: usize, rows: usize) -> Result<Vec<u32>, Fault> {
    let sure = cutter.surely_reached(first, rows);
    let (low, high) = (i64::try_from(sure.start).unwrap_or(i64::MAX), i64::try_from(sure.end).unwrap_or(0));
    // Nearly always all of them: a comparison each, which the compiler makes vectors of.
    if positions.iter().filter(|position| (low..high).contains(position)).count() == positions.len() {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within the rows, fewer than 2^32"
        )]
        return Ok(positions.iter().map(|position| *position as u32).collect());
    }
    let position = |position: &i64| {
        let row = u32::try_from(*position).ok().filter(|row| cutter.reaches(*row as usize, first, rows));
        row.ok_or_else(|| Fault::Unsupported(format!("no row {position} with its history among {rows}")))
    };
    positions.iter().map(position).collect()
}

fn units(reading: &Reading, parts: &[Part]) -> Result<Vec<Unit>, Fault> {
    let row_bytes: usize = reading.columns.iter().map(Column::row_bytes).sum();
    let mut units = Vec::new();
    for part in parts {
        let rows = reading.files.get(part.file).and_then(|file| file.ends.last()).copied().unwrap_or(0);
        if part.rows.is_empty() || part.rows.end > rows {
            return Err(Fault::Unsupported(format!("no rows {:?} among the {rows} of file {}", part.rows, part.file)));
        }
        let file = &reading.files[part.file];
        let mut groups = file.groups(&part.rows);
        while !groups.is_empty() {
            let mut end = groups.start + 1;
            while end < groups.end
                && reading.format.unit_bytes() > (file.ends[end - 1] - file.group(groups.start).start) * row_bytes
            {
                end += 1;
            }
            let rows = file.group(groups.start).start.max(part.rows.start)..file.ends[end - 1].min(part.rows.end);
            units.push(Unit { file: part.file, groups: groups.start..end, rows });
            groups.start = end;
        }
    }
    Ok(units)
}
