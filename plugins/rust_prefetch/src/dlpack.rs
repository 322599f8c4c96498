//! Tensors of a batch as `DLPack` describes them, the exchange format that torch reads without a copy.

use std::ffi::{CStr, c_void};
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

/// `DLManagedTensor`.
#[repr(C)]
pub struct Managed {
    view: View,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Managed)>,
}

/// A managed tensor and all that it points to.
struct Owned {
    managed: Managed,
    sizes: Vec<i64>,
    _lease: Arc<Lease<Memory>>,
}

/// `rows` samples of `tensor` at `start`, which `lease` keeps alive. Whoever takes it calls its deleter once, from any thread.
pub fn managed(start: NonNull<u8>, tensor: &Tensor, rows: usize, lease: Arc<Lease<Memory>>) -> NonNull<Managed> {
    let dimensions = tensor.shape.len() + 1;
    let counted = |size: &usize| i64::try_from(*size).unwrap_or(i64::MAX);
    // The shape, then as many strides.
    let mut sizes: Vec<i64> = std::iter::once(&rows).chain(&tensor.shape).map(counted).collect();
    sizes.resize(2 * dimensions, 1);
    for axis in (1..dimensions).rev() {
        sizes[dimensions + axis - 1] = sizes[dimensions + axis] * sizes[axis];
    }
    let view = View {
        data: start.as_ptr().cast(),
        device: Device { kind: 1, id: 0 },
        ndim: i32::try_from(dimensions).unwrap_or(0),
        dtype: element_type(tensor.dtype),
        shape: std::ptr::null_mut(),
        strides: std::ptr::null_mut(),
        byte_offset: 0,
    };
    let managed = Managed { view, context: std::ptr::null_mut(), deleter: Some(delete) };
    let owned = Box::leak(Box::new(Owned { managed, sizes, _lease: lease }));
    let sizes = owned.sizes.as_mut_ptr();
    owned.managed.view.shape = sizes;
    // SAFETY: `sizes` holds the shape, then as many strides.
    owned.managed.view.strides = unsafe { sizes.add(dimensions) };
    owned.managed.context = std::ptr::from_mut(owned).cast();
    NonNull::from(&mut owned.managed)
}

/// Free a tensor that [`managed`] made.
///
/// # Safety
/// `tensor` comes from [`managed`] and was not freed before.
pub unsafe extern "C" fn delete(tensor: *mut Managed) {
    // SAFETY: the caller promises that it lives; `managed` put the box there.
    let owned = unsafe { Box::from_raw((*tensor).context.cast::<Owned>()) };
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
