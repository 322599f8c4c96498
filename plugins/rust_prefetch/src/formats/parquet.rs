//! Parquet files; a field of one axis lies as that many scalar columns, which are put side by side here.

use std::fs;
use std::io::Cursor;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::basic::{LogicalType, Type as Physical};
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{BoolType, DataType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{
    ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader, ParquetStatisticsPolicy, RowGroupMetaData,
};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;

use super::values::Values;
use super::{Format, Scratch, pread};
use crate::columns::{Column, Decoded};
use crate::dtype::Dtype;
use crate::fault::{Fault, unpanicked};
use crate::files::{File, Unit};

/// Bytes that a unit decodes to: enough to be worth a hand-over, little enough to stay in a core's cache.
const UNIT_BYTES: usize = 512 << 10;

/// Columns that are put side by side at once: as many 4-byte values as a cache line holds.
const SIDE_BY_SIDE: usize = 16;

/// Footers that are kept: they are large, and a block needs few.
const KEPT: usize = 4;

/// Reads Parquet files.
pub struct Parquet {
    files: Arc<Vec<File>>,
    columns: Vec<Column>,
    footers: Mutex<Vec<(usize, Arc<Footer>)>>,
}

struct Footer {
    about: ParquetMetaData,
    /// Columns of the file that make up each column.
    leaves: Vec<Vec<usize>>,
}

impl Parquet {
    /// A reader of `columns`.
    #[must_use]
    pub fn new(files: Arc<Vec<File>>, columns: Vec<Column>) -> Self {
        Self { files, columns, footers: Mutex::new(Vec::new()) }
    }

    fn footer(&self, number: usize, path: &Path, file: &fs::File) -> Result<Arc<Footer>, Fault> {
        // Locked while it is read: threads that come together want the same one.
        let mut footers = self.footers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = footers.iter().position(|(known, _)| *known == number) {
            let found = footers.remove(place);
            let footer = Arc::clone(&found.1);
            footers.push(found);
            return Ok(footer);
        }
        let footer = Arc::new(Footer::read(path, file, &self.columns, &self.files[number])?);
        if footers.len() >= KEPT {
            footers.remove(0);
        }
        footers.push((number, Arc::clone(&footer)));
        Ok(footer)
    }
}

impl Format for Parquet {
    fn unit_bytes(&self) -> usize {
        UNIT_BYTES
    }

    fn decode(&self, unit: &Unit, run: usize, into: &Decoded, scratch: &mut Scratch) -> Result<(), Fault> {
        let known = &self.files[unit.file];
        let path = known.path.as_path();
        let (file, _) = pread::opened(path)?;
        let footer = self.footer(unit.file, path, &file)?;
        for group in unit.groups.clone() {
            let about = footer.about.row_group(group);
            let window = Arc::new(window(path, &file, about, &footer.leaves, &mut scratch.values)?);
            let rows = known.group(group);
            for (number, column) in self.columns.iter().enumerate() {
                // SAFETY: this thread decodes this run.
                let target = unsafe { into.run_mut(number, run) };
                let clip = rows.start.max(unit.rows.start)..rows.end.min(unit.rows.end);
                let at = (clip.start - unit.rows.start) * column.row_bytes();
                let target = &mut target[at..at + clip.len() * column.row_bytes()];
                let group = Group { path, about, window: &window, rows: rows.clone(), clip };
                group.decode(column, &footer.leaves[number], target, &mut scratch.values)?;
            }
            // Nobody reads the window any more, so that its memory can be filled again.
            drop(window);
        }
        Ok(())
    }
}

/// Bytes of one row group, as a file that has nothing else.
struct Window {
    start: u64,
    bytes: Bytes,
}

struct Shared(Arc<Vec<u8>>, usize);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0[..self.1]
    }
}

fn window(
    path: &Path,
    file: &fs::File,
    about: &RowGroupMetaData,
    leaves: &[Vec<usize>],
    values: &mut Values,
) -> Result<Window, Fault> {
    let ranges = leaves.iter().flatten().map(|leaf| {
        let chunk = about.column(*leaf);
        let start = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
        let start = u64::try_from(start).ok()?;
        Some((start, start.checked_add(u64::try_from(chunk.compressed_size()).ok()?)?))
    });
    let whole = ranges.reduce(|one, other| Some((one?.0.min(other?.0), one?.1.max(other?.1))));
    let (start, end) = whole.flatten().ok_or_else(|| Fault::data(path, "has a column chunk outside the file"))?;
    let bytes = usize::try_from(end - start).unwrap_or(usize::MAX);
    if Arc::get_mut(&mut values.packed).is_none() {
        values.packed = Arc::default();
    }
    if let Some(packed) = Arc::get_mut(&mut values.packed) {
        pread::read(path, file, start, bytes, packed)?;
    }
    Ok(Window { start, bytes: Bytes::from_owner(Shared(Arc::clone(&values.packed), bytes)) })
}

impl Length for Window {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl Window {
    fn range(&self, start: u64, length: Option<usize>) -> ParquetResult<Bytes> {
        let outside = || ParquetError::General(format!("no bytes at {start} in its row group"));
        let from = start.checked_sub(self.start).and_then(|at| usize::try_from(at).ok()).ok_or_else(outside)?;
        let to = length.map_or(Some(self.bytes.len()), |length| from.checked_add(length));
        let to = to.filter(|to| from <= *to && *to <= self.bytes.len()).ok_or_else(outside)?;
        Ok(self.bytes.slice(from..to))
    }
}

impl ChunkReader for Window {
    type T = Cursor<Bytes>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        self.range(start, None).map(Cursor::new)
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        self.range(start, Some(length))
    }
}

/// One row group of a file.
struct Group<'a> {
    path: &'a Path,
    about: &'a RowGroupMetaData,
    window: &'a Arc<Window>,
    rows: Range<usize>,
    /// Rows of the file that are wanted.
    clip: Range<usize>,
}

impl Group<'_> {
    fn decode(&self, column: &Column, leaves: &[usize], target: &mut [u8], values: &mut Values) -> Result<(), Fault> {
        let levels = &mut values.levels;
        match column.dtype {
            Dtype::Bool => {
                self.beside::<BoolType, 1>(column, leaves, target, (&mut values.bool, levels), |v| [u8::from(v)])
            }
            // Parquet has no type of one byte: its values lie as 32-bit ones.
            Dtype::U8 => {
                self.beside::<Int32Type, 1>(column, leaves, target, (&mut values.i32, levels), |v| [v.to_le_bytes()[0]])
            }
            Dtype::I32 => {
                self.beside::<Int32Type, 4>(column, leaves, target, (&mut values.i32, levels), i32::to_le_bytes)
            }
            Dtype::F32 => {
                self.beside::<FloatType, 4>(column, leaves, target, (&mut values.f32, levels), f32::to_le_bytes)
            }
            Dtype::F64 => {
                self.beside::<DoubleType, 8>(column, leaves, target, (&mut values.f64, levels), f64::to_le_bytes)
            }
            Dtype::I64 | Dtype::U64 => {
                self.beside::<Int64Type, 8>(column, leaves, target, (&mut values.i64, levels), i64::to_le_bytes)
            }
            Dtype::F16 => Err(Fault::Unsupported(format!("{}: float16 in Parquet", self.path.display()))),
        }
    }

    /// Decode the leaves, a few at a time, and write them side by side.
    fn beside<T: DataType, const N: usize>(
        &self,
        column: &Column,
        leaves: &[usize],
        target: &mut [u8],
        (values, levels): (&mut Vec<T::T>, &mut Vec<i16>),
        to_bytes: fn(T::T) -> [u8; N],
    ) -> Result<(), Fault> {
        let (rows, skip) = (self.rows.len(), self.clip.start - self.rows.start);
        for (tile, leaves) in leaves.chunks(SIDE_BY_SIDE).enumerate() {
            values.clear();
            for leaf in leaves {
                self.leaf::<T>(column, *leaf, values, levels)?;
            }
            let at = tile * SIDE_BY_SIDE * N;
            for (row, target) in target.chunks_exact_mut(column.row_bytes()).enumerate() {
                let places = target[at..].as_chunks_mut::<N>().0;
                let found = values[skip + row..].iter().step_by(rows);
                for (place, value) in places.iter_mut().zip(found).take(leaves.len()) {
                    *place = to_bytes(value.clone());
                }
            }
        }
        Ok(())
    }

    fn leaf<T: DataType>(
        &self,
        column: &Column,
        leaf: usize,
        values: &mut Vec<T::T>,
        levels: &mut Vec<i16>,
    ) -> Result<(), Fault> {
        let (rows, chunk) = (self.rows.len(), self.about.column(leaf));
        levels.clear();
        let read = || {
            let pages = SerializedPageReader::new(Arc::clone(self.window), chunk, rows, None)?;
            let mut reader = ColumnReaderImpl::<T>::new(chunk.column_descr_ptr(), Box::new(pages));
            reader.read_records(rows, Some(levels), None, values)
        };
        let part = chunk.column_path().string();
        let wrong = |row: usize, what: &dyn std::fmt::Display| {
            let (name, row) = (&column.name, self.rows.start + row);
            Fault::data(self.path, format_args!("column {name:?} ({part}) from row {row} on: {what}"))
        };
        // The crate panics where a page refers to a dictionary that damage has taken away.
        let read = unpanicked(read).map_err(|panic| wrong(0, &format_args!("damaged pages ({panic})")))?;
        let (_, found, _) = read.map_err(|error| wrong(0, &error))?;
        if found != rows {
            let null = levels.iter().position(|level| *level == 0);
            return Err(null.map_or_else(
                || wrong(found, &format_args!("{found} values instead of {rows}")),
                |row| wrong(row, &"a null"),
            ));
        }
        Ok(())
    }
}

impl Footer {
    fn read(path: &Path, file: &fs::File, columns: &[Column], known: &File) -> Result<Self, Fault> {
        let skip = ParquetStatisticsPolicy::SkipAll;
        let options = ParquetMetaDataOptions::new()
            .with_column_stats_policy(skip.clone())
            .with_encoding_stats_policy(skip.clone())
            .with_size_stats_policy(skip);
        let parse = || ParquetMetaDataReader::new().with_metadata_options(Some(options)).parse_and_finish(file);
        let about = unpanicked(parse);
        let about = about.map_err(|panic| Fault::data(path, format_args!("has a damaged footer ({panic})")))?;
        let about = about.map_err(|error| Fault::data(path, format_args!("has a damaged footer ({error})")))?;
        let groups = about.row_groups().iter().map(|group| usize::try_from(group.num_rows()).unwrap_or(usize::MAX));
        let groups: Vec<usize> = groups.collect();
        if groups.len() != known.ends.len() {
            let (found, wanted) = (groups.len(), known.ends.len());
            return Err(Fault::data(path, format_args!("{found} row groups instead of {wanted}")));
        }
        let wrong = (0..groups.len()).find(|group| known.group(*group).len() != groups[*group]);
        if let Some(group) = wrong {
            let (found, wanted) = (groups[group], known.group(group).len());
            return Err(Fault::data(path, format_args!("row group {group} has {found} rows instead of {wanted}")));
        }
        let leaves = columns.iter().map(|column| leaves(path, &about, column)).collect::<Result<_, _>>()?;
        Ok(Self { about, leaves })
    }
}

fn leaves(path: &Path, about: &ParquetMetaData, column: &Column) -> Result<Vec<usize>, Fault> {
    let schema = about.file_metadata().schema_descr();
    let found = |name: String| {
        let leaf = schema.columns().iter().position(|leaf| leaf.path().string() == name);
        let leaf = leaf.ok_or_else(|| Fault::data(path, format_args!("no column {name:?}")))?;
        let about = schema.column(leaf);
        let logical = about.logical_type_ref();
        if !holds(column.dtype, about.physical_type(), logical) || about.max_rep_level() > 0 {
            let (physical, wanted) = (about.physical_type(), column.dtype.name());
            return Err(Fault::data(path, format_args!("column {name:?} holds {physical} instead of {wanted}")));
        }
        Ok(leaf)
    };
    if column.is_scalar {
        return Ok(vec![found(column.name.clone())?]);
    }
    (0..column.width).map(|index| found(format!("{}{index:03}", column.name))).collect()
}

fn holds(dtype: Dtype, physical: Physical, logical: Option<&LogicalType>) -> bool {
    let integer = match logical {
        Some(LogicalType::Integer(integer)) => Some((integer.bit_width, integer.is_signed)),
        Some(_) => return false,
        None => None,
    };
    match dtype {
        Dtype::Bool => physical == Physical::BOOLEAN,
        Dtype::U8 => physical == Physical::INT32 && integer == Some((8, false)),
        Dtype::I32 => physical == Physical::INT32 && matches!(integer, None | Some((32, true))),
        Dtype::I64 => physical == Physical::INT64 && matches!(integer, None | Some((64, true))),
        Dtype::U64 => physical == Physical::INT64 && integer == Some((64, false)),
        Dtype::F32 => physical == Physical::FLOAT,
        Dtype::F64 => physical == Physical::DOUBLE,
        Dtype::F16 => true,
    }
}
