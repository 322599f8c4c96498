//! What can go wrong, in one line that names the file.

use std::any::Any;
use std::fmt;
use std::io;
use std::path::Path;

/// Why a batch cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A file is not what the manifest says; the text begins with its path.
    Data(String),
    /// This reader cannot do what is asked; the data may be fine.
    Unsupported(String),
    /// A thread panicked, which is a bug of this crate.
    Panic(String),
}

impl Fault {
    /// `what` is wrong with the file at `path`.
    pub fn data(path: &Path, what: impl fmt::Display) -> Self {
        Self::Data(one_line(&format!("{}: {what}", path.display())))
    }

    /// The system could not open or read the file.
    #[must_use]
    pub fn io(path: &Path, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound {
            return Self::data(path, "is missing; `feedrate data make --force` renews the data set");
        }
        Self::data(path, format_args!("cannot be read ({error})"))
    }

    /// What a panic carried.
    #[must_use]
    pub fn panic(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        Self::Panic(one_line(&text.unwrap_or_else(|| "no text".to_owned())))
    }
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(text) | Self::Unsupported(text) => out.write_str(text),
            Self::Panic(text) => write!(out, "rust_prefetch: a reader thread panicked ({text})"),
        }
    }
}

impl std::error::Error for Fault {}
