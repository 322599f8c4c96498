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
use crate::order::{Order, Samples};

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
    order: Order,
    samples: OnceLock<Result<Samples, Fault>>,
    /// Where each column lies in the file of decoded blocks; none: the block is read from its files.
    ready: Option<Vec<u64>>,
    decoded: OnceLock<Result<Decoded, Fault>>,
}

impl Block {
    /// The block that starts at row `first` and is made of `parts`; its batches are cut as `order` says.
    ///
    /// # Errors
    /// [`Fault::Unsupported`]: there are more rows than in any block, or a part lies outside its file.
    pub fn new(reading: &Reading, first: usize, parts: &[Part], order: Order) -> Result<Self, Fault> {
        let units = units(reading, parts)?;
        let starts = units.iter().scan(0, |row, unit| {
            let start = *row;
            *row += unit.rows.len();
            Some(start)
        });
        let starts: Vec<usize> = starts.collect();
        let rows: usize = units.iter().map(|unit| unit.rows.len()).sum();
        if rows > reading.limits.0 || u32::try_from(rows).is_err() {
            return Err(Fault::Unsupported(format!("{rows} rows in a block")));
        }
        let (samples, decoded) = (OnceLock::new(), OnceLock::new());
        Ok(Self { first, rows, units, starts, order, samples, ready: None, decoded })
    }

    /// A block that nothing is read of.
    #[must_use]
    pub fn empty() -> Self {
        let (units, starts, order) = (Vec::new(), Vec::new(), Order::default());
        let (samples, decoded) = (OnceLock::new(), OnceLock::new());
        Self { first: 0, rows: 0, units, starts, order, samples, ready: None, decoded }
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
        self.order.batches()
    }

    /// The samples in their order; the first call puts them into it.
    ///
    /// # Errors
    /// [`Fault::Unsupported`]: a sample or its history lies outside the block, or a batch is larger than any.
    pub fn samples(&self, reading: &Reading) -> Result<&Samples, Fault> {
        let fresh = || ordered(reading, &self.order, self.first, self.rows);
        self.samples.get_or_init(fresh).as_ref().map_err(Clone::clone)
    }

    /// Decode one unit. Each unit is decoded once, by one thread.
    ///
    /// # Errors
    /// A file is not what it should be, or there is no memory.
    pub fn decode(&self, reading: &Reading, unit: usize, scratch: &mut Scratch) -> Result<(), Fault> {
        if unit == 0 {
            // Here, and not where the block is handed over: whoever does that has a step to feed.
            self.samples(reading)?;
        }
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
        let samples = self.samples(reading)?;
        let start = batch.checked_sub(1).map_or(0, |before| samples.ends[before]);
        let rows = &samples.positions[start..samples.ends[batch]];
        reading.cutter.cut(decoded, self.first, rows, buffer, &mut scratch.spans);
        Ok(rows.len())
    }
}

fn ordered(reading: &Reading, order: &Order, first: usize, rows: usize) -> Result<Samples, Fault> {
    let samples = order.samples(first, rows)?;
    let starts = std::iter::once(&0).chain(&samples.ends);
    if starts.zip(&samples.ends).any(|(start, end)| end - start > reading.limits.1) {
        return Err(Fault::Unsupported(format!("more than {} samples in a batch", reading.limits.1)));
    }
    let sure = reading.cutter.surely_reached(first, rows);
    #[allow(clippy::cast_possible_truncation, reason = "a block has fewer than 2^32 rows")]
    let (low, high) = (sure.start as u32, sure.end as u32);
    // Nearly always all of them: a comparison each, which the compiler makes vectors of.
    let positions = &samples.positions;
    if positions.iter().filter(|position| (low..high).contains(position)).count() < positions.len()
        && let Some(row) = positions.iter().find(|row| !reading.cutter.reaches(**row as usize, first, rows))
    {
        return Err(Fault::Unsupported(format!("no row {row} with its history among {rows}")));
    }
    Ok(samples)
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
