//! Element types, on disk and in a batch.

use crate::fault::Fault;

/// Type of one element. Files store them little-endian; a bool is a byte that is 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    Bool,
    U8,
    F16,
    I32,
    F32,
    I64,
    U64,
    F64,
}

const NAMES: [(Dtype, &str); 8] = [
    (Dtype::Bool, "bool"),
    (Dtype::U8, "uint8"),
    (Dtype::F16, "float16"),
    (Dtype::I32, "int32"),
    (Dtype::F32, "float32"),
    (Dtype::I64, "int64"),
    (Dtype::U64, "uint64"),
    (Dtype::F64, "float64"),
];

impl Dtype {
    /// The type of that name, as numpy and torch spell it.
    ///
    /// # Errors
    /// [`Fault::Unsupported`]: there is none.
    pub fn named(name: &str) -> Result<Self, Fault> {
        let found = NAMES.iter().find(|(_, known)| *known == name);
        found.map(|(dtype, _)| *dtype).ok_or_else(|| Fault::Unsupported(format!("no element type {name:?}")))
    }

    /// As numpy and torch spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(dtype, _)| *dtype == self).map_or("", |(_, name)| name)
    }

    /// Bytes of one element.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Bool | Self::U8 => 1,
            Self::F16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }
}
