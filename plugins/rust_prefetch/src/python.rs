//! What Python sees: arguments and results are converted here, the interpreter is let go while Rust waits.

use std::ffi::c_void;
use std::path::PathBuf;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyNotImplementedError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyString};
use pyo3::{create_exception, ffi};

use crate::columns::{Column, slab_bytes};
use crate::dlpack::{self, Exchange};
use crate::dtype::Dtype;
use crate::fault::Fault;
use crate::files::File;
use crate::floor;
use crate::formats::hdf5::{Extents, Filters};
use crate::formats::ready::Ready;
use crate::formats::{self, Format};
use crate::gather::{Cutter, Days};
use crate::handover::{Lead, Next};
use crate::layout::{Layout, Tensor};
use crate::memory::{Memory, Pool};
use crate::order::{Key, Order};
use crate::pipeline::{self, Batch, Make};
use crate::reading::{Block, Part, Reading};
use crate::ring::Lease;
use crate::sync::Arc;

create_exception!(
    _native,
    DamagedError,
    PyRuntimeError,
    "A file is not what the manifest says; the text begins with its path."
);

/// How long a wait may last before signals are looked at.
const PATIENCE: Duration = Duration::from_millis(100);

impl From<Fault> for PyErr {
    fn from(fault: Fault) -> Self {
        let text = fault.to_string();
        match fault {
            Fault::Data(_) => DamagedError::new_err(text),
            Fault::Unsupported(_) => PyNotImplementedError::new_err(text),
            Fault::Panic(_) => PyRuntimeError::new_err(text),
        }
    }
}

/// A stored column: (name, dtype, shape of a row).
type RawColumn = (String, String, Vec<usize>);
/// A tensor of a batch: (number of its column or none, dtype, window, shape of a sample).
type RawTensor = (Option<usize>, String, usize, Vec<usize>);
/// (number of the file, first row, row after the last).
type RawPart = (usize, usize, usize);
/// First row and row after the last.
type RawSpan = (usize, usize);
/// (seed, epoch, number of the block).
type RawKey = (u64, u32, u32);
/// Samples in a batch, and whether one of fewer is left out.
type RawCut = (usize, bool);
/// (first row, parts, spans, how batches are cut or none, key or none).
type RawBlock = (usize, Vec<RawPart>, Vec<RawSpan>, Option<RawCut>, Option<RawKey>);

/// See `_native.pyi`.
#[pyclass(frozen)]
struct Source {
    format: String,
    files: Arc<Vec<File>>,
    columns: Vec<Column>,
    tensors: Vec<Tensor>,
    days: Option<Vec<usize>>,
    block_rows: usize,
    batch_rows: usize,
    extents: Arc<Extents>,
    ids: Option<usize>,
    decoded: Option<PathBuf>,
}

#[pymethods]
impl Source {
    #[new]
    #[pyo3(signature = (format, files, columns, tensors, *, days, block_rows, batch_rows, ids=None, decoded=None))]
    #[allow(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn new(
        format: String,
        files: Vec<(PathBuf, Vec<usize>)>,
        columns: Vec<RawColumn>,
        tensors: Vec<RawTensor>,
        days: Option<Vec<usize>>,
        block_rows: usize,
        batch_rows: usize,
        ids: Option<usize>,
        decoded: Option<PathBuf>,
    ) -> PyResult<Self> {
        let files: Vec<File> = files.into_iter().map(|(path, groups)| File::new(path, &groups)).collect();
        let columns = columns.into_iter().map(|(name, dtype, shape)| {
            let (width, is_scalar) = (shape.iter().product(), shape.is_empty());
            Ok(Column { name, dtype: Dtype::named(&dtype)?, width, is_scalar })
        });
        let columns: Vec<Column> = columns.collect::<Result<_, Fault>>()?;
        let tensors = tensors
            .into_iter()
            .map(|(column, dtype, window, shape)| Ok(Tensor { column, dtype: Dtype::named(&dtype)?, window, shape }));
        let tensors = tensors.collect::<Result<_, Fault>>()?;
        let extents = Arc::new(Extents::new(files.len()));
        Ok(Self {
            format,
            files: Arc::new(files),
            columns,
            tensors,
            days,
            block_rows,
            batch_rows,
            extents,
            ids,
            decoded,
        })
    }

    fn describe(&self, file: usize, columns: Vec<(usize, bool, bool, PyBuffer<i64>)>, py: Python<'_>) -> PyResult<()> {
        let columns = columns.into_iter().map(|(chunk_rows, shuffled, deflated, extents)| {
            Ok((chunk_rows, Filters { shuffled, deflated }, extents.to_vec(py)?))
        });
        let columns: Vec<_> = columns.collect::<PyResult<_>>()?;
        Ok(self.extents.describe(file, columns)?)
    }

    #[getter]
    fn bytes(&self) -> usize {
        Layout::of(&self.tensors, self.batch_rows).bytes
    }

    fn check(&self) -> PyResult<()> {
        self.reading()?;
        Ok(())
    }

    fn floor(
        &self,
        warm: Vec<RawBlock>,
        blocks: Vec<RawBlock>,
        readers: usize,
        buffers: usize,
        py: Python<'_>,
    ) -> PyResult<f64> {
        let reading = self.reading()?;
        let made = |(first, parts, spans, cut, key): RawBlock| -> PyResult<Block> {
            let block = Block::new(&reading, first, &converted(parts), order(spans, cut, key))?;
            // Not part of what is timed.
            block.samples(&reading)?;
            Ok(block)
        };
        let warm = warm.into_iter().map(made).collect::<PyResult<_>>()?;
        let blocks = blocks.into_iter().map(made).collect::<PyResult<_>>()?;
        let took = py.detach(|| floor::floor(&reading, warm, blocks, readers_or_all(readers), buffers))?;
        Ok(took.as_secs_f64())
    }
}

impl Source {
    fn reading(&self) -> Result<Reading, Fault> {
        let (files, columns) = (Arc::clone(&self.files), self.columns.clone());
        let format: Box<dyn Format> = match self.format.as_str() {
            "arrow" => Box::new(formats::arrow::Arrow::new(files, columns)),
            "parquet" => Box::new(formats::parquet::Parquet::new(files, columns)),
            "hdf5" => Box::new(formats::hdf5::Hdf5::new(files, columns, Arc::clone(&self.extents))),
            other => return Err(Fault::Unsupported(format!("no storage format {other:?}"))),
        };
        let layout = Layout::of(&self.tensors, self.batch_rows);
        let days = self.days.clone().map(|starts| Days { starts });
        let cutter = Cutter::new(self.tensors.clone(), self.columns.clone(), layout, days, self.ids)?;
        let pool = Pool::new(slab_bytes(&self.columns, self.block_rows));
        let limits = (self.block_rows, self.batch_rows);
        let (files, columns) = (Arc::clone(&self.files), self.columns.clone());
        let ready = self.decoded.clone().map(Ready::new);
        Ok(Reading { format, files, ready, columns, cutter, pool, limits })
    }
}

/// See `_native.pyi`.
#[pyclass]
struct Pipeline {
    running: Option<pipeline::Pipeline>,
    wrapping: Wrapping,
}

/// How a batch becomes objects of Python.
struct Wrapping {
    maker: Maker,
    /// Of the tensors, in the order of the source.
    names: Vec<Py<PyString>>,
    /// Number of the tensor that tells the rows.
    ids: usize,
}

/// What makes a tensor of Python.
enum Maker {
    /// A function of C; no object of Python is in between.
    Exchange(Exchange),
    /// A function that is called with a capsule.
    Function(Py<PyAny>),
}

/// The tensor of row ids, and the others by name.
type Wrapped<'py> = (Bound<'py, PyAny>, Bound<'py, PyDict>);

#[pymethods]
#[allow(clippy::needless_pass_by_value, reason = "arguments are converted into values of ours")]
impl Pipeline {
    #[new]
    #[pyo3(signature = (source, *, tensor, names, ids, readers, depth, blocks_ahead, exchange=None, allocate=None))]
    #[allow(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn new(
        source: &Bound<'_, Source>,
        tensor: Py<PyAny>,
        names: Vec<String>,
        ids: usize,
        readers: usize,
        depth: usize,
        blocks_ahead: usize,
        exchange: Option<Bound<'_, PyCapsule>>,
        allocate: Option<Py<PyAny>>,
        py: Python<'_>,
    ) -> PyResult<Self> {
        let reading = source.get().reading()?;
        let lead = Lead::of(depth, blocks_ahead);
        let bytes = reading.cutter.layout().bytes;
        let make: Make = match allocate {
            None => Box::new(move || Memory::anonymous(bytes)),
            Some(allocate) => Box::new(move || borrowed(&allocate, bytes)),
        };
        let readers = readers_or_all(readers);
        let names = names.iter().map(|name| PyString::intern(py, name).unbind()).collect();
        let running = py.detach(|| pipeline::Pipeline::start(reading, readers, lead, make))?;
        let exchange = exchange.map(|capsule| offered(&capsule)).transpose()?.flatten();
        let maker = exchange.map_or(Maker::Function(tensor), Maker::Exchange);
        Ok(Self { running: Some(running), wrapping: Wrapping { maker, names, ids } })
    }

    #[pyo3(signature = (first, parts, spans, cut, key, offsets=None))]
    fn submit(
        &self,
        first: usize,
        parts: Vec<RawPart>,
        spans: Vec<RawSpan>,
        cut: Option<RawCut>,
        key: Option<RawKey>,
        offsets: Option<Vec<u64>>,
    ) -> PyResult<()> {
        let running = self.running()?;
        let block = Block::new(running.reading(), first, &converted(parts), order(spans, cut, key))?;
        running.append(match offsets {
            Some(offsets) => block.lying_at(running.reading(), offsets)?,
            None => block,
        });
        Ok(())
    }

    fn submit_fault(&self, text: String) -> PyResult<()> {
        self.running()?.submit_fault(Fault::Data(text));
        Ok(())
    }

    #[getter]
    fn is_hungry(&self) -> bool {
        self.running.as_ref().is_some_and(pipeline::Pipeline::is_hungry)
    }

    fn end(&self) -> PyResult<()> {
        self.running()?.end();
        Ok(())
    }

    fn take<'py>(&self, py: Python<'py>) -> PyResult<Vec<Wrapped<'py>>> {
        let running = self.running()?;
        let mut found = running.next(Duration::ZERO)?;
        while matches!(found, Next::Pending) {
            py.check_signals()?;
            found = py.detach(|| waited(running))?;
        }
        match found {
            Next::Batches(batches) => {
                batches.into_iter().map(|batch| self.wrapping.wrapped(py, running.reading(), batch)).collect()
            }
            Next::Pending | Next::End => Ok(Vec::new()),
        }
    }

    fn close(&mut self, py: Python<'_>) {
        let running = self.running.take();
        py.detach(|| drop(running));
    }
}

impl Pipeline {
    fn running(&self) -> PyResult<&pipeline::Pipeline> {
        self.running.as_ref().ok_or_else(|| PyRuntimeError::new_err("this pipeline is closed"))
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        let running = self.running.take();
        if running.is_some() {
            // The threads may want the interpreter for a buffer: it must not be held while they are waited for.
            Python::attach(|py| py.detach(|| drop(running)));
        }
    }
}

fn waited(running: &pipeline::Pipeline) -> Result<Next<Batch>, Fault> {
    let begin = Instant::now();
    loop {
        let found = running.next(PATIENCE)?;
        if !matches!(found, Next::Pending) || begin.elapsed() >= PATIENCE {
            return Ok(found);
        }
    }
}

fn readers_or_all(readers: usize) -> usize {
    if readers == 0 { pipeline::suitable_readers() } else { readers }
}

fn converted(parts: Vec<RawPart>) -> Vec<Part> {
    parts.into_iter().map(|(file, start, stop)| Part { file, rows: start..stop }).collect()
}

fn order(spans: Vec<RawSpan>, cut: Option<RawCut>, key: Option<RawKey>) -> Order {
    let key = key.map(|(seed, epoch, block)| Key { seed, epoch, block });
    let spans = spans.into_iter().map(|(start, stop)| start..stop).collect();
    let (batch_rows, drop_last) = cut.map_or((None, false), |(rows, drop)| (Some(rows), drop));
    Order { spans, batch_rows, drop_last, key }
}

/// A buffer that Python allocates: page-locked, say. `allocate()` returns (owner, address, bytes).
fn borrowed(allocate: &Py<PyAny>, bytes: usize) -> Result<Memory, Fault> {
    let allocated = Python::try_attach(|py| -> PyResult<(Py<PyAny>, usize, usize)> { allocate.call0(py)?.extract(py) });
    let refused = |why: String| Fault::Unsupported(format!("no {bytes} bytes of memory ({why})"));
    let allocated = allocated.ok_or_else(|| refused("the interpreter is ending".to_owned()))?;
    let (owner, address, found) = allocated.map_err(|error| refused(error.to_string()))?;
    let start = NonNull::new(std::ptr::with_exposed_provenance_mut::<u8>(address)).filter(|_| found >= bytes);
    let start = start.ok_or_else(|| refused(format!("{found} at {address}")))?;
    // SAFETY: the loader allocates a tensor for this ring alone and hands over its address and size.
    Ok(unsafe { Memory::foreign(start, bytes, Box::new(owner)) })
}

impl Wrapping {
    fn wrapped<'py>(&self, py: Python<'py>, reading: &Reading, batch: Batch) -> PyResult<Wrapped<'py>> {
        let cutter = &reading.cutter;
        let Some(start) = batch.lease.memory().map(Memory::start) else {
            return Err(PyRuntimeError::new_err("a batch without memory"));
        };
        let lease = std::sync::Arc::new(batch.lease);
        let (tensors, mut ids) = (PyDict::new(py), None);
        for (number, (tensor, offset)) in cutter.tensors().iter().zip(&cutter.layout().offsets).enumerate() {
            // SAFETY: the layout has its offsets within a buffer.
            let start = unsafe { start.add(*offset) };
            let made = self.maker.tensor(py, start, tensor, batch.rows, &lease)?;
            if number == self.ids {
                ids = Some(made);
            } else if let Some(name) = self.names.get(number) {
                tensors.set_item(name, made)?;
            }
        }
        let ids = ids.ok_or_else(|| PyRuntimeError::new_err(format!("no tensor number {}", self.ids)))?;
        Ok((ids, tensors))
    }
}

impl Maker {
    fn tensor<'py>(
        &self,
        py: Python<'py>,
        start: NonNull<u8>,
        tensor: &Tensor,
        rows: usize,
        lease: &std::sync::Arc<Lease<Memory>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let lease = std::sync::Arc::clone(lease);
        match self {
            Self::Exchange(exchange) => {
                // SAFETY: the tensor was just made and is known to nobody else; `py` says that the interpreter is attached.
                let object = unsafe { exchange.object(dlpack::versioned(start, tensor, rows, lease)) };
                let object = object.map_or(std::ptr::null_mut(), NonNull::as_ptr).cast();
                // SAFETY: the function returns a new reference, or sets an error.
                unsafe { Bound::from_owned_ptr_or_err(py, object) }
            }
            Self::Function(function) => {
                let capsule = capsule(py, dlpack::managed(start, tensor, rows, lease))?;
                function.bind(py).call1((capsule,))
            }
        }
    }
}

/// What the capsule that a class of tensors carries offers; none: nothing that is known here.
fn offered(capsule: &Bound<'_, PyCapsule>) -> PyResult<Option<Exchange>> {
    // SAFETY: the name is static.
    let table = unsafe { ffi::PyCapsule_GetPointer(capsule.as_ptr(), Exchange::NAME.as_ptr()) };
    if table.is_null() {
        return Err(PyErr::fetch(capsule.py()));
    }
    // SAFETY: a capsule of that name holds a table, which DLPack wants to live as long as the process does.
    Ok(unsafe { Exchange::of(table.cast()) })
}

fn capsule(py: Python<'_>, tensor: NonNull<dlpack::Managed>) -> PyResult<Bound<'_, PyAny>> {
    let (pointer, name) = (tensor.as_ptr().cast::<c_void>(), dlpack::UNUSED.as_ptr());
    // SAFETY: the name is static, and the destructor frees the tensor if nobody took it.
    let capsule = unsafe { ffi::PyCapsule_New(pointer, name, Some(free_unused)) };
    // SAFETY: the call returns a new reference, or null with an error set.
    let capsule = unsafe { Bound::from_owned_ptr_or_err(py, capsule) };
    if capsule.is_err() {
        // SAFETY: no capsule owns it.
        unsafe { dlpack::delete(tensor.as_ptr()) };
    }
    capsule
}

/// # Safety
/// Called by the interpreter with a capsule that [`capsule`] made.
unsafe extern "C" fn free_unused(capsule: *mut ffi::PyObject) {
    // SAFETY: a capsule's destructor is called with the capsule, attached to the interpreter.
    unsafe {
        if ffi::PyCapsule_IsValid(capsule, dlpack::UNUSED.as_ptr()) == 1 {
            dlpack::delete(ffi::PyCapsule_GetPointer(capsule, dlpack::UNUSED.as_ptr()).cast::<dlpack::Managed>());
        }
    }
}

/// Native part of feedrate's `rust_prefetch` loader.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("DamagedError", module.py().get_type::<DamagedError>())?;
    module.add_class::<Source>()?;
    module.add_class::<Pipeline>()
}
