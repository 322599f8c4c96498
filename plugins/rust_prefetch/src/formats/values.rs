//! Memory that decoders of column-wise formats use again and again.

use std::sync::Arc;

/// Values of a few columns, one after the other, and memory for a row group's bytes.
#[derive(Default)]
pub struct Values {
    pub(super) bool: Vec<bool>,
    pub(super) i32: Vec<i32>,
    pub(super) i64: Vec<i64>,
    pub(super) f32: Vec<f32>,
    pub(super) f64: Vec<f64>,
    pub(super) levels: Vec<i16>,
    pub(super) packed: Arc<Vec<u8>>,
}
