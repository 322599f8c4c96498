//! Tensors of a batch as `DLPack` describes them, the exchange format that torch reads without a copy.

use std::ffi::{CStr, c_int, c_void};
use std::ptr::NonNull;
use std::sync::Arc;

use crate::dtype::Dtype;
use crate::layout::Tensor;
use crate::memory::Memory;
use crate::ring::Lease;

/// Name of a capsule that nobody has taken a tensor from yet.
pub const UNUSED: &CStr = c"dltensor";

/// `DLDevice`: 1 is the host.
#[repr(C)]
struct Device {
    kind: i32,
    id: i32,
}

/// `DLDataType`.
#[repr(C)]
struct ElementType {
    code: u8,
    bits: u8,
    lanes: u16,
}

/// `DLTensor`.
#[repr(C)]
struct View {
    data: *mut c_void,
    device: Device,
    ndim: i32,
    dtype: ElementType,
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
}

/// `DLManagedTensor`, which travels in a capsule.
#[repr(C)]
pub struct Managed {
    view: View,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Managed)>,
}

/// `DLPackVersion`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Version {
    major: u32,
    minor: u32,
}

const VERSION: Version = Version { major: 1, minor: 0 };

/// `DLManagedTensorVersioned`, which an [`Exchange`] takes.
#[repr(C)]
pub struct Versioned {
    version: Version,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Versioned)>,
    flags: u64,
    view: View,
}

/// Makes an object of a tensor that it takes over; another number than 0: an error is set.
type ToObject = unsafe extern "C" fn(*mut Versioned, *mut *mut c_void) -> c_int;

/// `DLPackExchangeAPI`: functions of whoever makes objects of tensors, which need no capsule.
#[repr(C)]
pub struct Table {
    version: Version,
    previous: *const Table,
    _allocate: *const c_void,
    _from_object: *const c_void,
    to_object: Option<ToObject>,
}

/// The one function of a [`Table`] that is used here.
#[derive(Clone, Copy)]
pub struct Exchange {
    to_object: ToObject,
}

impl Exchange {
    /// Name of the capsule that holds a table.
    pub const NAME: &CStr = c"dlpack_exchange_api";

    /// What the table, or an older one behind it, offers; none: it is of another version.
    ///
    /// # Safety
    /// `table` is null or a table that lives as long as the process does.
    #[must_use]
    pub unsafe fn of(mut table: *const Table) -> Option<Self> {
        // SAFETY: the caller promises it of the first table, and each of them of the one behind it.
        while let Some(here) = unsafe { table.as_ref() } {
            if here.version.major == VERSION.major {
                return here.to_object.map(|to_object| Self { to_object });
            }
            table = here.previous;
        }
        None
    }

    /// An object made of the tensor: a new reference, which nobody owns yet; none: an error is set.
    ///
    /// # Safety
    /// `tensor` comes from [`versioned`] and is given up. The interpreter is attached.
    #[must_use]
    pub unsafe fn object(self, tensor: NonNull<Versioned>) -> Option<NonNull<c_void>> {
        let mut object = std::ptr::null_mut();
        // SAFETY: the caller gives the tensor up, which the function takes whether it succeeds or not.
        let failed = unsafe { (self.to_object)(tensor.as_ptr(), &raw mut object) };
        NonNull::new(object).filter(|_| failed == 0)
    }
}

/// A tensor's head, which others know by its address, and all that it points to.
#[repr(C)]
struct Owned<H> {
    head: H,
    _sizes: Vec<i64>,
    _lease: Arc<Lease<Memory>>,
}

/// `rows` samples of `tensor` at `start`, which `lease` keeps alive. Whoever takes it calls its deleter once, from any thread.
pub fn managed(start: NonNull<u8>, tensor: &Tensor, rows: usize, lease: Arc<Lease<Memory>>) -> NonNull<Managed> {
    let head = |view| Managed { view, context: std::ptr::null_mut(), deleter: Some(delete::<Managed>) };
    boxed(start, tensor, rows, lease, head)
}

/// The same, for an [`Exchange`].
pub fn versioned(start: NonNull<u8>, tensor: &Tensor, rows: usize, lease: Arc<Lease<Memory>>) -> NonNull<Versioned> {
    let (version, context, flags) = (VERSION, std::ptr::null_mut(), 0);
    let head = |view| Versioned { version, context, deleter: Some(delete::<Versioned>), flags, view };
    boxed(start, tensor, rows, lease, head)
}

fn boxed<H>(
    start: NonNull<u8>,
    tensor: &Tensor,
    rows: usize,
    lease: Arc<Lease<Memory>>,
    head: impl FnOnce(View) -> H,
) -> NonNull<H> {
    let dimensions = tensor.shape.len() + 1;
    let counted = |size: &usize| i64::try_from(*size).unwrap_or(i64::MAX);
    // The shape, then as many strides.
    let mut sizes = Vec::with_capacity(2 * dimensions);
    sizes.extend(std::iter::once(&rows).chain(&tensor.shape).map(counted));
    sizes.resize(2 * dimensions, 1);
    for axis in (1..dimensions).rev() {
        sizes[dimensions + axis - 1] = sizes[dimensions + axis] * sizes[axis];
    }
    let shape = sizes.as_mut_ptr();
    let view = View {
        data: start.as_ptr().cast(),
        device: Device { kind: 1, id: 0 },
        ndim: i32::try_from(dimensions).unwrap_or(0),
        dtype: element_type(tensor.dtype),
        shape,
        // SAFETY: `sizes` holds the shape, then as many strides.
        strides: unsafe { shape.add(dimensions) },
        byte_offset: 0,
    };
    // What a vector points to stays where it is when the vector moves.
    NonNull::from(Box::leak(Box::new(Owned { head: head(view), _sizes: sizes, _lease: lease }))).cast()
}

/// Free a tensor that [`managed`] or [`versioned`] made.
///
/// # Safety
/// `tensor` comes from there, with a head of this kind, and was not freed before.
pub unsafe extern "C" fn delete<H>(tensor: *mut H) {
    // SAFETY: the caller promises that it lives; the head lies where the box begins.
    let owned = unsafe { Box::from_raw(tensor.cast::<Owned<H>>()) };
    // Nothing unwinds out of this: the ring takes memory back, or unmaps it.
    drop(owned);
}

fn element_type(dtype: Dtype) -> ElementType {
    let code = match dtype {
        Dtype::I32 | Dtype::I64 => 0,
        Dtype::U8 | Dtype::U64 => 1,
        Dtype::F16 | Dtype::F32 | Dtype::F64 => 2,
        Dtype::Bool => 6,
    };
    let bits = match dtype.bytes() {
        1 => 8,
        2 => 16,
        4 => 32,
        _ => 64,
    };
    ElementType { code, bits, lanes: 1 }
}
