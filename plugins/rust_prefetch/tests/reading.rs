//! From an Arrow file to batches, by the pipeline that Python uses; also run under `AddressSanitizer`:
//! `RUSTFLAGS=-Zsanitizer=address cargo +nightly test --target x86_64-unknown-linux-gnu --test reading`.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs::File as Raw;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use _native::columns::{Column, slab_bytes};
use _native::dtype::Dtype;
use _native::fault::{Fault, unpanicked};
use _native::files::File;
use _native::floor::floor;
use _native::formats::arrow::Arrow;
use _native::formats::ready::Ready;
use _native::gather::{Cutter, Days};
use _native::handover::{Lead, Next};
use _native::layout::{Layout, Tensor};
use _native::memory::{Memory, Pool};
use _native::order::Order;
use _native::pipeline::{Batch, Pipeline};
use _native::reading::{Block, Part, Reading};
use arrow_array::{ArrayRef, FixedSizeListArray, RecordBatch, UInt8Array, UInt64Array};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_schema::{DataType, Field, Schema};

const WIDTH: usize = 5;
const GROUPS: [usize; 3] = [40, 30, 50];
const ROWS: usize = 120;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rust-prefetch-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn value(row: usize, place: usize) -> u8 {
    u8::try_from((row * 7 + place) % 251).unwrap()
}

/// Row n holds the id n and `value(n, 0..WIDTH)`.
fn write(path: &Path, compression: Option<CompressionType>) {
    let item = Arc::new(Field::new("item", DataType::UInt8, false));
    let width = i32::try_from(WIDTH).unwrap();
    let list = Field::new("x", DataType::FixedSizeList(Arc::clone(&item), width), false);
    let schema = Arc::new(Schema::new(vec![Field::new("row_id", DataType::UInt64, false), list]));
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let mut out = FileWriter::try_new_with_options(Raw::create(path).unwrap(), &schema, options).unwrap();
    let mut start = 0;
    for rows in GROUPS {
        let ids = UInt64Array::from_iter_values((start..start + rows).map(|row| row as u64));
        let values = (start..start + rows).flat_map(|row| (0..WIDTH).map(move |place| value(row, place)));
        let values: ArrayRef = Arc::new(UInt8Array::from_iter_values(values));
        let lists = FixedSizeListArray::new(Arc::clone(&item), width, values, None);
        out.write(&RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(ids), Arc::new(lists)]).unwrap()).unwrap();
        start += rows;
    }
    out.finish().unwrap();
}

fn reading(path: &Path, window: usize, days: Option<Days>) -> Reading {
    let files = Arc::new(vec![File::new(path.to_path_buf(), &GROUPS)]);
    let columns = vec![
        Column { name: "row_id".to_owned(), dtype: Dtype::U64, width: 1, is_scalar: true },
        Column { name: "x".to_owned(), dtype: Dtype::U8, width: WIDTH, is_scalar: false },
    ];
    let shape = if window > 0 { vec![window, WIDTH] } else { vec![WIDTH] };
    let tensors = vec![
        Tensor { column: Some(0), dtype: Dtype::I64, window: 0, shape: vec![] },
        Tensor { column: Some(1), dtype: Dtype::F32, window, shape },
    ];
    let layout = Layout::of(&tensors, 16);
    let cutter = Cutter::new(tensors, columns.clone(), layout, days, None).unwrap();
    let format = Box::new(Arrow::new(Arc::clone(&files), columns.clone()));
    let pool = Pool::new(slab_bytes(&columns, ROWS));
    Reading { format, files, ready: None, columns, cutter, pool, limits: (ROWS, 16) }
}

fn started(reading: Reading, readers: usize) -> Pipeline {
    let bytes = reading.cutter.layout().bytes;
    let lead = Lead::of(4, 1);
    Pipeline::start(reading, readers, lead, Box::new(move || Memory::anonymous(bytes))).unwrap()
}

/// Batches of so many of these rows, as they stand here.
fn in_turn(rows: &[usize], batch_rows: usize) -> Order {
    let spans = rows.iter().map(|row| *row..row + 1).collect();
    Order { spans, batch_rows: Some(batch_rows), ..Order::default() }
}

fn drained(pipeline: &Pipeline) -> Result<Vec<Batch>, Fault> {
    let mut batches = Vec::new();
    loop {
        match pipeline.next(Duration::from_millis(50))? {
            Next::Batches(more) => batches.extend(more),
            Next::Pending => {}
            Next::End => return Ok(batches),
        }
    }
}

fn bytes(batch: &Batch, offset: usize, count: usize) -> Vec<u8> {
    let memory = batch.lease.memory().unwrap();
    assert!(offset + count <= memory.len());
    // SAFETY: the batch is leased, so that nobody writes; the range was checked.
    unsafe { std::slice::from_raw_parts(memory.start().add(offset).as_ptr(), count) }.to_vec()
}

fn ids(batch: &Batch) -> Vec<i64> {
    let raw = bytes(batch, 0, batch.rows * 8);
    raw.as_chunks::<8>().0.iter().map(|id| i64::from_ne_bytes(*id)).collect()
}

fn values(batch: &Batch, offset: usize, each: usize) -> Vec<f32> {
    let raw = bytes(batch, offset, batch.rows * each * 4);
    raw.as_chunks::<4>().0.iter().map(|value| f32::from_ne_bytes(*value)).collect()
}

#[test]
fn rows_of_every_compression_come_in_the_order_asked_for() {
    let folder = Folder::new("order");
    for compression in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
        let path = folder.0.join("rows.arrow");
        write(&path, compression);
        let pipeline = started(reading(&path, 0, None), 3);
        // A block that starts and ends inside record batches.
        let rows: Vec<usize> = (0..100).map(|row| row * 37 % 100 + 10).collect();
        for _ in 0..4 {
            pipeline.submit(10, &[Part { file: 0, rows: 10..110 }], in_turn(&rows, 16)).unwrap();
        }
        pipeline.end();
        let batches = drained(&pipeline).unwrap();
        assert_eq!(batches.len(), 28);
        let offset = pipeline.reading().cutter.layout().offsets[1];
        for (number, batch) in batches.iter().enumerate() {
            let start = number % 7 * 16;
            let rows = &rows[start..start + batch.rows];
            assert_eq!(ids(batch), rows.iter().map(|row| i64::try_from(*row).unwrap()).collect::<Vec<_>>());
            let wanted: Vec<f32> =
                rows.iter().flat_map(|row| (0..WIDTH).map(move |at| f32::from(value(*row, at)))).collect();
            assert_eq!(values(batch, offset, WIDTH), wanted);
        }
    }
}

#[test]
fn windows_reach_back_by_rows_or_by_days() {
    let folder = Folder::new("windows");
    let path = folder.0.join("rows.arrow");
    write(&path, None);
    let row = |row: usize| (0..WIDTH).map(move |at| f32::from(value(row, at)));
    // Record batches end at rows 40 and 70: these windows cross them.
    let pipeline = started(reading(&path, 3, None), 1);
    pipeline.submit(0, &[Part { file: 0, rows: 0..120 }], in_turn(&[41, 2, 71], 3)).unwrap();
    pipeline.end();
    let batches = drained(&pipeline).unwrap();
    let offset = pipeline.reading().cutter.layout().offsets[1];
    let wanted: Vec<f32> = [39, 40, 41, 0, 1, 2, 69, 70, 71].into_iter().flat_map(row).collect();
    assert_eq!(values(&batches[0], offset, 3 * WIDTH), wanted);
    // Days of 10 rows, then of 20.
    let days = Days { starts: vec![0, 10, 20, 40, 60, 80, 100, 120] };
    let pipeline = started(reading(&path, 3, Some(days)), 1);
    pipeline.submit(0, &[Part { file: 0, rows: 0..120 }], in_turn(&[47, 25], 2)).unwrap();
    pipeline.end();
    let batches = drained(&pipeline).unwrap();
    let wanted: Vec<f32> = [17, 27, 47, 5, 15, 25].into_iter().flat_map(row).collect();
    assert_eq!(values(&batches[0], offset, 3 * WIDTH), wanted);
}

/// A file of decoded blocks in place of the data set's files, whose rows are others.
#[test]
fn a_block_that_lies_decoded_is_served_from_there() {
    let folder = Folder::new("decoded");
    let (path, ready) = (folder.0.join("rows.arrow"), folder.0.join("decoded"));
    write(&path, Some(CompressionType::LZ4_FRAME));
    // Eight bytes of something else, then 100 ids, then as many rows of `x`.
    let ids = (0..100_u64).flat_map(|row| (1000 + row).to_le_bytes());
    let values = (0..100).flat_map(|row| (0..WIDTH).map(move |at| 255 - value(row, at)));
    std::fs::write(&ready, [7; 8].into_iter().chain(ids).chain(values).collect::<Vec<u8>>()).unwrap();
    let mut reading = reading(&path, 0, None);
    reading.ready = Some(Ready::new(ready.clone()));
    let pipeline = started(reading, 2);
    let block =
        || Block::new(pipeline.reading(), 10, &[Part { file: 0, rows: 10..110 }], in_turn(&[15, 10, 109], 2)).unwrap();
    assert!(block().lying_at(pipeline.reading(), vec![8]).is_err());
    pipeline.append(block().lying_at(pipeline.reading(), vec![8, 808]).unwrap());
    pipeline.append(block());
    pipeline.append(block().lying_at(pipeline.reading(), vec![8, 809]).unwrap());
    pipeline.end();
    let mut batches = Vec::new();
    let fault = loop {
        match pipeline.next(Duration::from_millis(50)) {
            Ok(Next::Batches(more)) => batches.extend(more),
            Ok(Next::Pending) => {}
            Ok(Next::End) => panic!("no fault"),
            Err(fault) => break fault,
        }
    };
    let served: Vec<Vec<i64>> = batches.iter().map(crate::ids).collect();
    assert_eq!(served, [vec![1005, 1000], vec![1099], vec![15, 10], vec![109]]);
    let offset = pipeline.reading().cutter.layout().offsets[1];
    let wanted: Vec<f32> = (0..WIDTH).map(|at| f32::from(255 - value(99, at))).collect();
    assert_eq!(crate::values(&batches[1], offset, WIDTH), wanted);
    assert!(fault.to_string().starts_with(ready.to_str().unwrap()), "{fault}");
}

#[test]
fn a_row_without_its_history_is_refused() {
    let folder = Folder::new("history");
    let path = folder.0.join("rows.arrow");
    write(&path, None);
    let refused = |order: Order| {
        let pipeline = started(reading(&path, 3, None), 1);
        pipeline.submit(10, &[Part { file: 0, rows: 10..120 }], order).unwrap();
        pipeline.end();
        matches!(drained(&pipeline), Err(Fault::Unsupported(_)))
    };
    for row in [11, 9, 120] {
        assert!(refused(in_turn(&[row], 1)), "{row}");
    }
    assert!(refused(in_turn(&[13; 17], 17)));
    assert!(!refused(in_turn(&[12, 119], 2)));
    let pipeline = started(reading(&path, 3, None), 1);
    assert!(pipeline.submit(0, &[Part { file: 0, rows: 100..121 }], in_turn(&[103], 1)).is_err());
}

#[test]
fn a_file_cut_short_anywhere_is_named() {
    let folder = Folder::new("short");
    let path = folder.0.join("rows.arrow");
    for compression in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
        write(&path, compression);
        let whole = std::fs::read(&path).unwrap();
        for len in (0..whole.len()).step_by(7) {
            std::fs::write(&path, &whole[..len]).unwrap();
            let pipeline = started(reading(&path, 0, None), 2);
            pipeline.submit(0, &[Part { file: 0, rows: 0..120 }], in_turn(&[0, 119], 2)).unwrap();
            pipeline.end();
            let fault = drained(&pipeline).map(|batches| batches.len()).unwrap_err();
            assert!(fault.to_string().starts_with(path.to_str().unwrap()), "{fault}");
        }
    }
}

#[test]
fn a_changed_byte_anywhere_harms_nobody() {
    let folder = Folder::new("changed");
    let path = folder.0.join("rows.arrow");
    for compression in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
        write(&path, compression);
        let whole = std::fs::read(&path).unwrap();
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            changed[place] ^= 1 << (place % 8);
            std::fs::write(&path, &changed).unwrap();
            let pipeline = started(reading(&path, 0, None), 1);
            pipeline.submit(0, &[Part { file: 0, rows: 0..120 }], in_turn(&[0, 119], 2)).unwrap();
            pipeline.end();
            match drained(&pipeline) {
                Ok(batches) => assert_eq!(batches.len(), 1),
                Err(fault) => assert!(matches!(fault, Fault::Data(_) | Fault::Unsupported(_)), "{fault}"),
            }
        }
    }
}

#[test]
fn a_pipeline_dropped_early_joins_its_threads_and_its_batches_live_on() {
    let folder = Folder::new("early");
    let path = folder.0.join("rows.arrow");
    write(&path, None);
    let pipeline = started(reading(&path, 0, None), 4);
    for _ in 0..3 {
        pipeline.submit(0, &[Part { file: 0, rows: 0..120 }], in_turn(&[5; 16], 4)).unwrap();
    }
    let Next::Batches(batches) = pipeline.next(Duration::from_secs(10)).unwrap() else { panic!("no batch came") };
    drop(pipeline);
    assert_eq!(ids(&batches[0]), [5; 4]);
}

#[test]
fn the_floor_reads_everything() {
    let folder = Folder::new("floor");
    let path = folder.0.join("rows.arrow");
    write(&path, None);
    let reading = reading(&path, 0, None);
    let block = || Block::new(&reading, 0, &[Part { file: 0, rows: 0..120 }], in_turn(&[1, 2, 3], 2)).unwrap();
    assert!(floor(&reading, vec![block()], vec![block(), block()], 2, 4).is_ok());
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(floor(&reading, vec![], vec![block()], 2, 4), Err(Fault::Data(_))));
}

#[test]
fn a_decoder_that_panics_is_an_error_with_its_text() {
    assert_eq!(unpanicked(|| 7), Ok(7));
    assert_eq!(unpanicked(|| panic!("odd {}", "page")), Err::<(), _>("odd page".to_owned()));
}
