//! What can go wrong, in one line that names the file.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Once;

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
        Self::Panic(text_of(payload))
    }
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    one_line(&text.unwrap_or_else(|| "no text".to_owned()))
}

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}
static HOOK: Once = Once::new();

/// What `decode` returns, or the text of its panic, which nobody else hears of: a decoder of somebody else's that met
/// bytes it did not expect. Only what nobody looks at afterwards may be left half-done by it.
///
/// # Errors
/// The text of the panic.
pub fn unpanicked<T>(decode: impl FnOnce() -> T) -> Result<T, String> {
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |about| {
            if !EXPECTED.get() {
                usual(about);
            }
        }));
    });
    let before = EXPECTED.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(decode));
    EXPECTED.set(before);
    outcome.map_err(|payload| text_of(payload.as_ref()))
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
