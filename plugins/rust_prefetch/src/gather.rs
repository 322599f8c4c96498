//! Cut a batch from decoded columns: gather rows, and widen them on the way.
//!
//! Rows are gathered span by span (rows that follow each other, as in a window), so that one loop over contiguous
//! elements does the widening; the compiler makes vectors of it.

use crate::columns::{Column, Decoded};
use crate::dtype::Dtype;
use crate::fault::Fault;
use crate::layout::{Layout, Tensor};
use half::f16;
use std::ops::Range;

/// Rows `row` to `row + count` of run `run`.
#[derive(Clone, Copy)]
struct Span {
    run: u32,
    row: u32,
    count: u32,
}

/// The days of a panel: windows reach back by days, at the same place in each.
pub struct Days {
    /// Row where each day starts, and the end.
    pub starts: Vec<usize>,
}

/// What batches are cut by: the same for all batches of a stream.
pub struct Cutter {
    tensors: Vec<Tensor>,
    columns: Vec<Column>,
    layout: Layout,
    days: Option<Days>,
    /// Number of the tensor that says the row of each sample, where no column does.
    ids: Option<usize>,
    /// Rows of the longest window.
    longest: usize,
    copies: Vec<Option<(usize, Copy)>>,
}

/// Memory that a thread uses again for each batch.
#[derive(Default)]
pub struct Spans {
    spans: Vec<Span>,
}

impl Cutter {
    /// A cutter for batches of `tensors`; number `ids` of them is filled with the rows themselves.
    ///
    /// # Errors
    /// [`Fault::Unsupported`]: a tensor has other elements than its column, or a type that it is not widened to; or rows
    /// would not fit where their numbers are to be put.
    pub fn new(
        tensors: Vec<Tensor>,
        columns: Vec<Column>,
        layout: Layout,
        days: Option<Days>,
        ids: Option<usize>,
    ) -> Result<Self, Fault> {
        if let Some(number) = ids
            && tensors.get(number).is_none_or(|ids| ids.dtype != Dtype::I64 || ids.width() != 1)
        {
            return Err(Fault::Unsupported(format!("tensor {number} has no room for the number of a row")));
        }
        let copy = |tensor: &Tensor| -> Result<Option<(usize, Copy)>, Fault> {
            let Some(index) = tensor.column else {
                return Ok(None);
            };
            let column = columns.get(index).ok_or_else(|| Fault::Unsupported(format!("no column {index}")))?;
            if !tensor.fits(column) {
                let (found, wanted) = (column.width, tensor.width());
                let name = &column.name;
                return Err(Fault::Unsupported(format!("column {name:?} has {found} elements a row, not {wanted}")));
            }
            Ok(Some((index, widening(column, tensor.dtype)?)))
        };
        let longest = tensors.iter().map(|tensor| tensor.window).max().unwrap_or(0);
        let copies = tensors.iter().map(copy).collect::<Result<_, _>>()?;
        Ok(Self { tensors, columns, layout, days, ids, longest, copies })
    }

    /// Where the tensors lie in a buffer.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The tensors of a batch.
    #[must_use]
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// Whether a batch of a block of `rows` rows that starts at row `first` may ask for `row`, counted from there, and
    /// its history.
    #[must_use]
    pub fn reaches(&self, row: usize, first: usize, rows: usize) -> bool {
        let Some(back) = self.longest.checked_sub(1) else { return row < rows };
        let oldest = match &self.days {
            None => row.checked_sub(back),
            Some(days) => days.at(first + row).and_then(|at| days.back(at, back)?.checked_sub(first)),
        };
        row < rows && oldest.is_some()
    }

    /// Rows of a block that all [reach](Self::reaches); there may be others.
    #[must_use]
    pub fn surely_reached(&self, first: usize, rows: usize) -> Range<usize> {
        let Some(back) = self.longest.checked_sub(1) else { return 0..rows };
        let oldest = match &self.days {
            None => back,
            Some(days) => {
                let day = days.starts.partition_point(|start| *start < first);
                days.starts.get(day + back).map_or(rows, |start| start - first)
            }
        };
        oldest.min(rows)..rows
    }

    /// Write the samples at `rows` of a block that starts at row `first` into `buffer`. Every row [reaches](Self::reaches).
    pub fn cut(&self, block: &Decoded, first: usize, rows: &[u32], buffer: &mut [u8], kept: &mut Spans) {
        let mut made_for = None;
        for ((tensor, copy), offset) in self.tensors.iter().zip(&self.copies).zip(&self.layout.offsets) {
            let Some((index, copy)) = copy else { continue };
            if made_for != Some(tensor.window) {
                kept.fill(block, self.positions(first, rows, tensor.window));
                made_for = Some(tensor.window);
            }
            let bytes = rows.len() * tensor.sample_bytes();
            let target = &mut buffer[*offset..*offset + bytes];
            let runs: Vec<&[u8]> = block.column(*index).collect();
            copy(&runs, &kept.spans, self.columns[*index].width, target);
        }
        if let Some(number) = self.ids {
            let (places, _) = buffer[self.layout.offsets[number]..].as_chunks_mut::<8>();
            for (row, place) in rows.iter().zip(places) {
                *place = (first as u64 + u64::from(*row)).to_ne_bytes();
            }
        }
    }

    /// The rows of each sample, oldest first; rows that follow each other come as one.
    fn positions<'a>(
        &'a self,
        first: usize,
        rows: &'a [u32],
        window: usize,
    ) -> impl Iterator<Item = (usize, usize)> + 'a {
        let back = window.saturating_sub(1);
        let days = self.days.as_ref().filter(|_| window > 0);
        // Without days a window is one run of rows; with them it is a row of each day.
        let (each, count) = if days.is_some() { (window, 1) } else { (1, window.max(1)) };
        rows.iter().flat_map(move |row| {
            let row = *row as usize;
            let panel = days.and_then(|days| Some((days, days.at(first + row)?)));
            (0..each).map(move |step| match panel {
                None => (row - back, count),
                // `reaches` has seen that there are so many days.
                Some((days, at)) => (days.back(at, back - step).map_or(row, |old| old - first), count),
            })
        })
    }
}

impl Days {
    /// The day of a row, and its place in it.
    fn at(&self, row: usize) -> Option<(usize, usize)> {
        let day = self.starts.partition_point(|start| *start <= row).checked_sub(1)?;
        Some((day, row - self.starts[day]))
    }

    /// The row at the same place, `count` days before; none before the first day.
    fn back(&self, (day, place): (usize, usize), count: usize) -> Option<usize> {
        Some(self.starts[day.checked_sub(count)?] + place)
    }
}

#[allow(clippy::cast_possible_truncation, reason = "blocks hold fewer than 2^32 rows: the pipeline refuses others")]
impl Spans {
    fn fill(&mut self, block: &Decoded, positions: impl Iterator<Item = (usize, usize)>) {
        self.spans.clear();
        let runs = block.runs();
        for (row, count) in positions {
            if let Some(last) = self.spans.last_mut()
                && runs[last.run as usize] + (last.row + last.count) as usize == row
                && runs.get(last.run as usize + 1).is_none_or(|next| row + count <= *next)
            {
                last.count += count as u32;
            } else {
                self.split(runs, row, count);
            }
        }
    }

    fn split(&mut self, runs: &[usize], mut row: usize, mut count: usize) {
        let mut run = if runs.len() == 1 { 0 } else { runs.partition_point(|start| *start <= row) - 1 };
        while count > 0 {
            let here = runs.get(run + 1).map_or(count, |next| count.min(next - row));
            self.spans.push(Span { run: run as u32, row: (row - runs[run]) as u32, count: here as u32 });
            (row, count, run) = (row + here, count - here, run + 1);
        }
    }
}

/// Copies spans of rows of `width` elements from the runs of a column to the target.
type Copy = fn(&[&[u8]], &[Span], usize, &mut [u8]);

trait Widen {
    const FROM: usize;
    const TO: usize;
    fn widen(from: &[u8], to: &mut [u8]);
}

macro_rules! widen {
    ($name:ident, $from:ty => $to:ty, $value:ident => $made:expr) => {
        struct $name;

        impl Widen for $name {
            const FROM: usize = size_of::<$from>();
            const TO: usize = size_of::<$to>();

            #[allow(clippy::inline_always, reason = "it takes on the target features of the function it is put into")]
            #[inline(always)]
            fn widen(from: &[u8], to: &mut [u8]) {
                for (from, to) in from.as_chunks::<{ Self::FROM }>().0.iter().zip(to.as_chunks_mut::<{ Self::TO }>().0)
                {
                    let $value = <$from>::from_le_bytes(*from);
                    let made: $to = $made;
                    *to = made.to_ne_bytes();
                }
            }
        }
    };
}

/// Same type: bytes of elements that are `N` bytes wide.
struct Same<const N: usize>;

impl<const N: usize> Widen for Same<N> {
    const FROM: usize = N;
    const TO: usize = N;

    #[allow(clippy::inline_always, reason = "it takes on the target features of the function it is put into")]
    #[inline(always)]
    fn widen(from: &[u8], to: &mut [u8]) {
        if from.len() == N {
            // One element is a load and a store, not a call.
            for (from, to) in from.as_chunks::<N>().0.iter().zip(to.as_chunks_mut::<N>().0) {
                *to = *from;
            }
        } else {
            to.copy_from_slice(from);
        }
    }
}

widen!(U8ToF32, u8 => f32, value => f32::from(value));
widen!(U8ToF64, u8 => f64, value => f64::from(value));
widen!(U8ToI32, u8 => i32, value => i32::from(value));
widen!(U8ToI64, u8 => i64, value => i64::from(value));
widen!(I32ToI64, i32 => i64, value => i64::from(value));
widen!(I32ToF64, i32 => f64, value => f64::from(value));
widen!(F32ToF64, f32 => f64, value => f64::from(value));
widen!(F16ToF32, f16 => f32, value => value.to_f32());
widen!(F16ToF64, f16 => f64, value => value.to_f64());
#[allow(clippy::cast_precision_loss, reason = "as torch rounds")]
mod rounding {
    use super::Widen;
    widen!(I32ToF32, i32 => f32, value => value as f32);
    widen!(I64ToF32, i64 => f32, value => value as f32);
    widen!(I64ToF64, i64 => f64, value => value as f64);
    pub(super) fn of(from: super::Dtype, to: super::Dtype) -> Option<super::Copy> {
        use super::Dtype::{F32, F64, I32, I64, U64};
        match (from, to) {
            (I32, F32) => Some(super::copied::<I32ToF32>),
            (I64 | U64, F32) => Some(super::copied::<I64ToF32>),
            (I64 | U64, F64) => Some(super::copied::<I64ToF64>),
            _ => None,
        }
    }
}

/// How a column becomes a tensor of another type.
fn widening(column: &Column, to: Dtype) -> Result<Copy, Fault> {
    use Dtype::{Bool, F16, F32, F64, I32, I64, U8, U64};
    let copy: Copy = match (column.dtype, to) {
        (from, to) if from == to => same(from),
        // torch gathers no uint64: row ids are read as int64. A bool is a byte, 0 or 1.
        (U64, I64) | (Bool, U8) => same(to),
        (U8 | Bool, F32) => copied::<U8ToF32>,
        (U8 | Bool, F64) => copied::<U8ToF64>,
        (U8 | Bool, I32) => copied::<U8ToI32>,
        (U8 | Bool, I64) => copied::<U8ToI64>,
        (I32, I64) => copied::<I32ToI64>,
        (I32, F64) => copied::<I32ToF64>,
        (F32, F64) => copied::<F32ToF64>,
        (F16, F32) => copied::<F16ToF32>,
        (F16, F64) => copied::<F16ToF64>,
        (from, to) => {
            let refused = || {
                let (name, from, to) = (&column.name, from.name(), to.name());
                Fault::Unsupported(format!("column {name:?} is not widened from {from} to {to}; use cast=device"))
            };
            rounding::of(from, to).ok_or_else(refused)?
        }
    };
    Ok(copy)
}

fn same(dtype: Dtype) -> Copy {
    match dtype.bytes() {
        1 => copied::<Same<1>>,
        2 => copied::<Same<2>>,
        4 => copied::<Same<4>>,
        _ => copied::<Same<8>>,
    }
}

fn copied<W: Widen>(runs: &[&[u8]], spans: &[Span], width: usize, target: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c") {
        // SAFETY: the processor has what the function was compiled for.
        return unsafe { copied_with_avx2::<W>(runs, spans, width, target) };
    }
    copied_plainly::<W>(runs, spans, width, target);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,f16c")]
fn copied_with_avx2<W: Widen>(runs: &[&[u8]], spans: &[Span], width: usize, target: &mut [u8]) {
    copied_plainly::<W>(runs, spans, width, target);
}

#[allow(clippy::inline_always, reason = "it takes on the target features of the function it is put into")]
#[inline(always)]
fn copied_plainly<W: Widen>(runs: &[&[u8]], spans: &[Span], width: usize, target: &mut [u8]) {
    let (row_bytes, mut rest) = (width * W::FROM, target);
    for span in spans {
        let start = span.row as usize * row_bytes;
        let from = &runs[span.run as usize][start..start + span.count as usize * row_bytes];
        let (to, after) = rest.split_at_mut(span.count as usize * width * W::TO);
        W::widen(from, to);
        rest = after;
    }
}
