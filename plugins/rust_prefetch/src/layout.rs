//! Where each tensor of a batch lies in a buffer of the ring.

use crate::columns::Column;
use crate::dtype::Dtype;

const ALIGN: usize = 64;

/// One tensor of a batch.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Column that it is cut from; none: it is made elsewhere and only has its place here.
    pub column: Option<usize>,
    pub dtype: Dtype,
    /// Rows of history, the sample's own last; 0: no history axis.
    pub window: usize,
    /// Shape of one sample.
    pub shape: Vec<usize>,
}

impl Tensor {
    /// Elements of one sample.
    #[must_use]
    pub fn width(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes of one sample.
    #[must_use]
    pub fn sample_bytes(&self) -> usize {
        self.width() * self.dtype.bytes()
    }

    /// Whether it has the elements of a sample of `column`.
    #[must_use]
    pub fn fits(&self, column: &Column) -> bool {
        self.width() == column.width * self.window.max(1)
    }
}

/// Offsets of the tensors in a buffer, each at a multiple of a cache line.
#[derive(Clone, Debug)]
pub struct Layout {
    pub offsets: Vec<usize>,
    pub bytes: usize,
}

impl Layout {
    /// The layout of batches of up to `rows` samples.
    #[must_use]
    pub fn of(tensors: &[Tensor], rows: usize) -> Self {
        let mut bytes = 0;
        let place = |tensor: &Tensor| {
            let offset = bytes;
            bytes += (tensor.sample_bytes() * rows).next_multiple_of(ALIGN);
            offset
        };
        let offsets = tensors.iter().map(place).collect();
        Self { offsets, bytes }
    }
}
