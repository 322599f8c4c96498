//! Files of a data set, their groups of rows, and the units that threads decode.

use std::ops::Range;
use std::path::PathBuf;

/// One file of a data set.
pub struct File {
    pub path: PathBuf,
    /// Row after the last one of each record batch, row group or range.
    pub ends: Vec<usize>,
}

impl File {
    /// The file at `path`, whose groups have `groups` rows each.
    #[must_use]
    pub fn new(path: PathBuf, groups: &[usize]) -> Self {
        let ends = groups.iter().scan(0, |end, rows| {
            *end += rows;
            Some(*end)
        });
        Self { path, ends: ends.collect() }
    }

    /// Rows of a group.
    #[must_use]
    pub fn group(&self, group: usize) -> Range<usize> {
        let start = group.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends[group]
    }

    /// Groups that hold rows of `rows`.
    #[must_use]
    pub fn groups(&self, rows: &Range<usize>) -> Range<usize> {
        let first = self.ends.partition_point(|end| *end <= rows.start);
        let last = self.ends.partition_point(|end| *end < rows.end);
        first..(last + 1).min(self.ends.len())
    }
}

/// What one thread decodes at a time: rows of one file, in whole groups but for the ends. It is a run of its block.
#[derive(Clone, Debug)]
pub struct Unit {
    pub file: usize,
    pub groups: Range<usize>,
    /// Rows of the file.
    pub rows: Range<usize>,
}
