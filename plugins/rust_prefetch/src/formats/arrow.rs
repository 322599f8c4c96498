//! Arrow IPC files and streams. Plain columns are read where they are mapped; packed ones are unpacked into the slab.
//!
//! The `arrow-ipc` crate reads the messages; the buffers they name are taken from here on by this module, because
//! the crate would unpack each into fresh memory.

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::{CompressionType, MessageHeader, RecordBatch, root_as_footer, root_as_message};
use arrow_schema::{DataType, Schema};

use super::pread::{self, Mapped};
use super::{Format, Scratch, room};
use crate::columns::{Column, Decoded};
use crate::dtype::Dtype;
use crate::fault::Fault;
use crate::files::{File, Unit};

const MAGIC: &[u8; 6] = b"ARROW1";
const CONTINUES: [u8; 4] = [0xff; 4];

/// Reads Arrow files.
pub struct Arrow {
    files: Arc<Vec<File>>,
    columns: Vec<Column>,
    indices: Mutex<HashMap<usize, Arc<Index>>>,
}

/// Where the record batches of a file lie, and where its columns lie in each.
struct Index {
    batches: Vec<Place>,
    columns: Vec<InBatch>,
}

/// A message: its head at `offset`, then its body.
#[derive(Clone, Copy)]
struct Place {
    offset: u64,
    head_bytes: usize,
    body_bytes: u64,
}

/// Number of the first node and the first buffer of a wanted column in every record batch.
#[derive(Clone, Copy)]
struct InBatch {
    node: usize,
    buffer: usize,
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Scalar,
    List,
    FixedList,
}

impl Arrow {
    /// A reader of `columns`.
    #[must_use]
    pub fn new(files: Arc<Vec<File>>, columns: Vec<Column>) -> Self {
        Self { files, columns, indices: Mutex::new(HashMap::new()) }
    }

    fn index(&self, number: usize, path: &Path, file: &fs::File, bytes: u64) -> Result<Arc<Index>, Fault> {
        let mut indices = self.indices.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = indices.get(&number) {
            return Ok(Arc::clone(known));
        }
        drop(indices);
        let index = Arc::new(Index::read(path, file, bytes, &self.columns)?);
        let (found, wanted) = (index.batches.len(), self.files[number].ends.len());
        if found != wanted {
            return Err(Fault::data(path, format_args!("{found} record batches instead of {wanted}")));
        }
        indices = self.indices.lock().unwrap_or_else(PoisonError::into_inner);
        indices.insert(number, Arc::clone(&index));
        Ok(index)
    }
}

impl Format for Arrow {
    fn unit_bytes(&self) -> usize {
        0
    }

    fn decode(&self, unit: &Unit, run: usize, into: &Decoded, scratch: &mut Scratch) -> Result<(), Fault> {
        let known = &self.files[unit.file];
        let path = known.path.as_path();
        let (file, bytes) = pread::opened(path)?;
        let index = self.index(unit.file, path, &file, bytes)?;
        let (group, place) = (unit.groups.start, index.batches[unit.groups.start]);
        let mut head = std::mem::take(&mut scratch.head);
        let decoded = pread::read(path, &file, place.offset, place.head_bytes, &mut head).and_then(|head| {
            let batch = record_batch(path, head, group)?;
            let rows = known.group(group);
            let wanted = i64::try_from(rows.len()).unwrap_or(i64::MAX);
            if batch.length() != wanted {
                let found = batch.length();
                return Err(Fault::data(
                    path,
                    format_args!("record batch {group} has {found} rows instead of {wanted}"),
                ));
            }
            let body = place.offset + place.head_bytes as u64;
            let body = body..body + place.body_bytes;
            let mut message = Message { path, file: &file, bytes, body, batch, map: None, first_row: rows.start };
            let clip = unit.rows.start - rows.start..unit.rows.end - rows.start;
            for (number, (column, place)) in self.columns.iter().zip(&index.columns).enumerate() {
                message.decode(column, *place, rows.len(), &clip, (number, run), into, scratch)?;
            }
            Ok(())
        });
        scratch.head = head;
        decoded
    }
}

fn record_batch<'a>(path: &Path, head: &'a [u8], group: usize) -> Result<RecordBatch<'a>, Fault> {
    let message = root_as_message(unprefixed(head));
    let message = message.map_err(|error| Fault::data(path, format_args!("record batch {group}: {error}")))?;
    let batch = message.header_as_record_batch();
    batch.ok_or_else(|| Fault::data(path, format_args!("record batch {group} is none")))
}

/// A message without the marker and the length that stand before it.
fn unprefixed(head: &[u8]) -> &[u8] {
    let skip = if head.starts_with(&CONTINUES) { 8 } else { 4 };
    head.get(skip..).unwrap_or_default()
}

/// One record batch of a file.
struct Message<'a> {
    path: &'a Path,
    file: &'a fs::File,
    bytes: u64,
    body: Range<u64>,
    batch: RecordBatch<'a>,
    map: Option<Arc<Mapped>>,
    first_row: usize,
}

/// A buffer in a file: the bytes of it, and how many they unpack to; none: they are plain.
struct Stored {
    range: Range<u64>,
    unpacks_to: Option<u64>,
}

impl Message<'_> {
    #[allow(clippy::too_many_arguments, reason = "a column, its place in the file, and its place in the block")]
    fn decode(
        &mut self,
        column: &Column,
        place: InBatch,
        rows: usize,
        clip: &Range<usize>,
        (number, run): (usize, usize),
        into: &Decoded,
        scratch: &mut Scratch,
    ) -> Result<(), Fault> {
        self.demand_node(column, place.node, rows)?;
        let (mut first, mut buffer) = (0, place.buffer + 1);
        match place.form {
            Form::Scalar => {}
            Form::FixedList => {
                self.demand_node(column, place.node + 1, rows * column.width)?;
                buffer = place.buffer + 2;
            }
            Form::List => {
                first = self.first_of_lists(column, place.buffer + 1, rows, scratch)?;
                let child = self.node(column, place.node + 1)?;
                let end = first + rows * column.width;
                if usize::try_from(child.0).unwrap_or(0) < end || child.1 != 0 {
                    return Err(self.wrong(column, format_args!("{} values, or nulls, instead of {end}", child.0)));
                }
                buffer = place.buffer + 3;
            }
        }
        let elements = first..first + rows * column.width;
        let stored = self.stored(column, buffer)?;
        let clip = clip.start * column.width + first..clip.end * column.width + first;
        if column.dtype == Dtype::Bool {
            let bits = self.whole(column, &stored, elements.end.div_ceil(8), scratch)?;
            // SAFETY: this thread decodes this run, and has placed nothing there.
            let target = unsafe { into.run_mut(number, run) };
            for (bit, to) in clip.zip(target) {
                *to = bits[bit / 8] >> (bit % 8) & 1;
            }
            return Ok(());
        }
        let size = column.dtype.bytes();
        let wanted = clip.start * size..clip.end * size;
        let Some(unpacked) = stored.unpacks_to else {
            let at = stored.range.start;
            let range = at + wanted.start as u64..at + wanted.end as u64;
            if range.end > stored.range.end {
                return Err(self.wrong(
                    column,
                    format_args!("{} bytes instead of {}", stored.range.end - at, elements.end * size),
                ));
            }
            let map = self.mapped()?;
            let bytes = map.bytes(self.path, range)?;
            // SAFETY: `map` is what keeps them mapped.
            unsafe { into.place(number, run, bytes, Arc::clone(&map) as _) };
            return Ok(());
        };
        let unpacked = usize::try_from(unpacked).unwrap_or(usize::MAX);
        // SAFETY: this thread decodes this run, and has placed nothing there.
        let target = unsafe { into.run_mut(number, run) };
        if wanted.start == 0 && unpacked == target.len() {
            return self.unpack(column, &stored, target, &mut scratch.packed, &mut scratch.codecs);
        }
        let whole = self.whole(column, &stored, elements.end * size, scratch)?;
        target.copy_from_slice(&whole[wanted]);
        Ok(())
    }

    fn wrong(&self, column: &Column, what: impl std::fmt::Display) -> Fault {
        let (name, row) = (&column.name, self.first_row);
        Fault::data(self.path, format_args!("column {name:?} from row {row} on has {what}"))
    }

    /// Values and nulls of a node.
    fn node(&self, column: &Column, number: usize) -> Result<(i64, i64), Fault> {
        let nodes = self.batch.nodes().filter(|nodes| number < nodes.len());
        let nodes = nodes.ok_or_else(|| self.wrong(column, "no values"))?;
        let node = nodes.get(number);
        Ok((node.length(), node.null_count()))
    }

    fn demand_node(&self, column: &Column, number: usize, wanted: usize) -> Result<(), Fault> {
        let (found, nulls) = self.node(column, number)?;
        if nulls != 0 {
            return Err(self.wrong(column, format_args!("{nulls} nulls")));
        }
        if usize::try_from(found) != Ok(wanted) {
            return Err(self.wrong(column, format_args!("{found} values instead of {wanted}")));
        }
        Ok(())
    }

    fn stored(&self, column: &Column, number: usize) -> Result<Stored, Fault> {
        let buffers = self.batch.buffers().filter(|buffers| number < buffers.len());
        let buffer = buffers.ok_or_else(|| self.wrong(column, "no buffer"))?.get(number);
        let range =
            u64::try_from(buffer.offset()).ok().zip(u64::try_from(buffer.length()).ok()).and_then(|(at, len)| {
                let start = self.body.start.checked_add(at)?;
                Some(start..start.checked_add(len)?)
            });
        let range = range.filter(|range| range.end <= self.body.end && range.end <= self.bytes);
        let range = range.ok_or_else(|| self.wrong(column, "a buffer outside its record batch"))?;
        if self.batch.compression().is_none() {
            return Ok(Stored { range, unpacks_to: None });
        }
        // A packed buffer starts with the number of bytes it unpacks to; -1: it is plain, after all.
        if range.end - range.start < 8 {
            return Err(self.wrong(column, "a packed buffer of less than 8 bytes"));
        }
        let mut length = Vec::new();
        let length = pread::read(self.path, self.file, range.start, 8, &mut length)?;
        let length = length.first_chunk().map_or(0, |length| i64::from_le_bytes(*length));
        let range = range.start + 8..range.end;
        let unpacks_to = u64::try_from(length).ok();
        if unpacks_to.is_none() && length != -1 {
            return Err(self.wrong(column, format_args!("a packed buffer of {length} bytes")));
        }
        Ok(Stored { range, unpacks_to })
    }

    fn mapped(&mut self) -> Result<Arc<Mapped>, Fault> {
        if self.map.is_none() {
            self.map = Some(Mapped::new(self.path, self.file, self.body.clone(), self.bytes)?);
        }
        self.map.clone().ok_or_else(|| Fault::data(self.path, "cannot be mapped"))
    }

    /// At least `bytes` bytes of a buffer, in `scratch.unpacked`.
    fn whole<'s>(
        &self,
        column: &Column,
        stored: &Stored,
        bytes: usize,
        scratch: &'s mut Scratch,
    ) -> Result<&'s [u8], Fault> {
        let found = stored.unpacks_to.unwrap_or(stored.range.end - stored.range.start);
        let padded = bytes.next_multiple_of(64) as u64;
        if found < bytes as u64 || found > padded {
            return Err(self.wrong(column, format_args!("a buffer of {found} bytes instead of {bytes}")));
        }
        if stored.unpacks_to.is_none() {
            return pread::read(self.path, self.file, stored.range.start, bytes, &mut scratch.unpacked);
        }
        let found = usize::try_from(found).unwrap_or(bytes);
        let unpacked = room(&mut scratch.unpacked, found);
        self.unpack(column, stored, unpacked, &mut scratch.packed, &mut scratch.codecs)?;
        Ok(unpacked)
    }

    fn unpack(
        &self,
        column: &Column,
        stored: &Stored,
        to: &mut [u8],
        packed: &mut Vec<u8>,
        codecs: &mut super::codec::Codecs,
    ) -> Result<(), Fault> {
        let bytes = usize::try_from(stored.range.end - stored.range.start).unwrap_or(usize::MAX);
        let packed = pread::read(self.path, self.file, stored.range.start, bytes, packed)?;
        let unpacked = match self.batch.compression().map(|compression| compression.codec()) {
            Some(CompressionType::ZSTD) => codecs.zstd(packed, to),
            _ => codecs.lz4(packed, to),
        };
        unpacked.map_err(|error| self.wrong(column, format_args!("a damaged buffer ({error})")))
    }

    /// The first value of the first list, once all lists were seen to have the column's width.
    fn first_of_lists(
        &self,
        column: &Column,
        number: usize,
        rows: usize,
        scratch: &mut Scratch,
    ) -> Result<usize, Fault> {
        let stored = self.stored(column, number)?;
        let offsets = self.whole(column, &stored, (rows + 1) * 4, scratch)?.as_chunks::<4>().0;
        let offset = |row: usize| i64::from(i32::from_le_bytes(offsets[row]));
        let (first, width) = (offset(0), i64::try_from(column.width).unwrap_or(i64::MAX));
        let wrong = (0..rows).find(|row| offset(row + 1) - offset(*row) != width);
        if let Some(row) = wrong {
            let (found, name) = (offset(row + 1) - offset(row), &column.name);
            let row = self.first_row + row;
            return Err(Fault::data(
                self.path,
                format_args!("row {row} of column {name:?} has {found} values instead of {width}"),
            ));
        }
        usize::try_from(first).map_err(|_| self.wrong(column, format_args!("a list that starts at {first}")))
    }
}

impl Index {
    fn read(path: &Path, file: &fs::File, bytes: u64, columns: &[Column]) -> Result<Self, Fault> {
        let mut tail = Vec::new();
        let is_file = bytes >= 24 && { pread::read(path, file, bytes - 10, 10, &mut tail)?.ends_with(MAGIC) };
        if is_file {
            return Self::from_footer(path, file, bytes, &tail, columns);
        }
        Self::from_stream(path, file, bytes, columns)
    }

    fn from_footer(path: &Path, file: &fs::File, bytes: u64, tail: &[u8], columns: &[Column]) -> Result<Self, Fault> {
        let length = tail.first_chunk().map_or(-1, |length| i32::from_le_bytes(*length));
        let start = u64::try_from(length).ok().and_then(|length| (bytes - 10).checked_sub(length));
        let start = start.ok_or_else(|| Fault::data(path, format_args!("has a footer of {length} bytes")))?;
        let mut footer = Vec::new();
        let footer = pread::read(path, file, start, usize::try_from(length).unwrap_or(0), &mut footer)?;
        let damaged = |error: &dyn std::fmt::Display| Fault::data(path, format_args!("has a damaged footer ({error})"));
        let footer = root_as_footer(footer).map_err(|error| damaged(&error))?;
        let schema = footer.schema().ok_or_else(|| Fault::data(path, "has no schema"))?;
        let blocks = footer.recordBatches();
        let place = |block: &arrow_ipc::Block| {
            let (offset, body_bytes) = (u64::try_from(block.offset()).ok()?, u64::try_from(block.bodyLength()).ok()?);
            let head_bytes = usize::try_from(block.metaDataLength()).ok()?;
            Place { offset, head_bytes, body_bytes }.within(start)
        };
        let batches = blocks.into_iter().flatten().map(place).collect::<Option<Vec<_>>>();
        let batches = batches.ok_or_else(|| Fault::data(path, "has a record batch outside the file"))?;
        Self::new(path, schema, batches, columns)
    }

    /// A stream has no footer: its messages are followed from the first to the last.
    fn from_stream(path: &Path, file: &fs::File, bytes: u64, columns: &[Column]) -> Result<Self, Fault> {
        let (mut at, mut head, mut index) = (0, Vec::new(), None);
        while at + 8 <= bytes {
            let prefix = pread::read(path, file, at, 8, &mut head)?;
            if !prefix.starts_with(&CONTINUES) {
                return Err(Fault::data(path, "is neither an Arrow file nor an Arrow stream, or is truncated"));
            }
            let length = prefix.last_chunk().map_or(0, |length| i32::from_le_bytes(*length));
            if length == 0 {
                return index.ok_or_else(|| Fault::data(path, "has no schema"));
            }
            let head_bytes = usize::try_from(length)
                .ok()
                .and_then(|length| length.checked_add(8))
                .filter(|n| *n as u64 <= bytes - at);
            let head_bytes = head_bytes.ok_or_else(|| Fault::data(path, format_args!("is truncated at {at}")))?;
            let message = root_as_message(unprefixed(pread::read(path, file, at, head_bytes, &mut head)?));
            let message = message.map_err(|error| Fault::data(path, format_args!("message at {at}: {error}")))?;
            let body_bytes = u64::try_from(message.bodyLength()).ok();
            let place = body_bytes.and_then(|body_bytes| Place { offset: at, head_bytes, body_bytes }.within(bytes));
            let place =
                place.ok_or_else(|| Fault::data(path, format_args!("is truncated: the message at {at} is longer")))?;
            match (message.header_type(), index.as_mut()) {
                (MessageHeader::Schema, None) => {
                    let schema = message.header_as_schema().ok_or_else(|| Fault::data(path, "has no schema"))?;
                    index = Some(Self::new(path, schema, Vec::new(), columns)?);
                }
                (MessageHeader::RecordBatch, Some(index)) => index.batches.push(place),
                (MessageHeader::DictionaryBatch, Some(_)) => {}
                _ => {
                    return Err(Fault::data(path, format_args!("has an unexpected message at {at}")));
                }
            }
            at = place.end();
        }
        Err(Fault::data(path, "is neither an Arrow file nor an Arrow stream, or is truncated"))
    }

    fn new(path: &Path, schema: arrow_ipc::Schema<'_>, batches: Vec<Place>, columns: &[Column]) -> Result<Self, Fault> {
        let little_endian = schema.endianness() == arrow_ipc::Endianness::Little;
        let schema = try_fb_to_schema(schema)
            .map_err(|error| Fault::data(path, format_args!("has a damaged schema ({error})")))?;
        let columns = columns.iter().map(|column| in_batch(path, &schema, column)).collect::<Result<_, _>>()?;
        if !little_endian {
            return Err(Fault::data(path, "is big-endian"));
        }
        Ok(Self { batches, columns })
    }
}

impl Place {
    fn end(&self) -> u64 {
        self.offset + self.head_bytes as u64 + self.body_bytes
    }

    fn within(self, bytes: u64) -> Option<Self> {
        let end = self.offset.checked_add(self.head_bytes as u64)?.checked_add(self.body_bytes)?;
        (end <= bytes).then_some(self)
    }
}

fn in_batch(path: &Path, schema: &Schema, column: &Column) -> Result<InBatch, Fault> {
    let name = &column.name;
    let number = schema.index_of(name).map_err(|_| Fault::data(path, format_args!("no column {name:?}")))?;
    let (mut node, mut buffer) = (0, 0);
    for field in &schema.fields()[..number] {
        let (nodes, buffers) = parts(field.data_type()).ok_or_else(|| {
            Fault::Unsupported(format!(
                "{}: column {:?} of type {} before {name:?}",
                path.display(),
                field.name(),
                field.data_type()
            ))
        })?;
        (node, buffer) = (node + nodes, buffer + buffers);
    }
    let (form, element, width) = match schema.field(number).data_type() {
        DataType::List(child) => (Form::List, child.data_type(), column.width),
        DataType::FixedSizeList(child, width) => {
            (Form::FixedList, child.data_type(), usize::try_from(*width).unwrap_or(0))
        }
        scalar => (Form::Scalar, scalar, 1),
    };
    if *element != arrow_type(column.dtype) {
        let wanted = column.dtype.name();
        return Err(Fault::data(path, format_args!("column {name:?} holds {element} instead of {wanted}")));
    }
    if width != column.width {
        let wanted = column.width;
        return Err(Fault::data(path, format_args!("column {name:?} has {width} values a row instead of {wanted}")));
    }
    Ok(InBatch { node, buffer, form })
}

fn arrow_type(dtype: Dtype) -> DataType {
    match dtype {
        Dtype::Bool => DataType::Boolean,
        Dtype::U8 => DataType::UInt8,
        Dtype::F16 => DataType::Float16,
        Dtype::I32 => DataType::Int32,
        Dtype::F32 => DataType::Float32,
        Dtype::I64 => DataType::Int64,
        Dtype::U64 => DataType::UInt64,
        Dtype::F64 => DataType::Float64,
    }
}

/// Nodes and buffers that a column of this type takes up in a record batch; none: it depends on the batch.
fn parts(dtype: &DataType) -> Option<(usize, usize)> {
    let below = |child: &DataType, own: usize| parts(child).map(|(nodes, buffers)| (nodes + 1, buffers + own));
    match dtype {
        DataType::Null => Some((1, 0)),
        DataType::Utf8 | DataType::Binary | DataType::LargeUtf8 | DataType::LargeBinary => Some((1, 3)),
        DataType::List(child) | DataType::LargeList(child) | DataType::Map(child, _) => below(child.data_type(), 2),
        DataType::FixedSizeList(child, _) => below(child.data_type(), 1),
        DataType::Struct(fields) => fields.iter().try_fold((1, 1), |(nodes, buffers), field| {
            parts(field.data_type()).map(|(more_nodes, more)| (nodes + more_nodes, buffers + more))
        }),
        DataType::Utf8View
        | DataType::BinaryView
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::Union(..)
        | DataType::RunEndEncoded(..) => None,
        _ => Some((1, 2)),
    }
}
