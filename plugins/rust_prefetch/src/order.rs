//! The order of a block's samples: rows, or whole spans of them, shuffled as the plan has it.
//!
//! A plan's order is a function of (seed, epoch, block). Philox4x64-10 (J. Salmon and others, "Parallel random numbers: as
//! easy as 1, 2, 3", SC 2011), keyed with them, gives the numbers; R. Fisher's and F. Yates's shuffle, from the last place
//! down, takes 32 bits of them for a swap and rejects what lies beyond the place. It is what numpy's
//! `Generator.permutation` does, bit for bit, and a test holds the two together.

use std::ops::Range;

use crate::fault::Fault;

/// What a shuffle follows from.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub seed: u64,
    pub epoch: u32,
    pub block: u32,
}

/// Which rows of a block are samples, and how they become batches.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Rows of the data set, as stored.
    pub spans: Vec<Range<usize>>,
    /// Samples in a batch, of which the last may hold fewer; none: one span, one batch.
    pub batch_rows: Option<usize>,
    /// A batch of fewer samples than that is not made.
    pub drop_last: bool,
    /// None: as stored.
    pub key: Option<Key>,
}

/// The samples of all batches, one batch after the other.
#[derive(Debug)]
pub struct Samples {
    /// Rows counted from the first of the block.
    pub positions: Vec<u32>,
    /// Samples up to the end of each batch.
    pub ends: Vec<usize>,
}

impl Order {
    /// Batches in the block.
    #[must_use]
    pub fn batches(&self) -> usize {
        let samples = || self.spans.iter().map(ExactSizeIterator::len).sum::<usize>();
        self.batch_rows.map_or(self.spans.len(), |rows| {
            let rows = rows.max(1);
            if self.drop_last { samples() / rows } else { samples().div_ceil(rows) }
        })
    }

    /// Put the samples of a block of `rows` rows, of which row `first` is the first, into their order.
    ///
    /// # Errors
    /// [`Fault::Unsupported`]: a span lies outside the block.
    pub fn samples(&self, first: usize, rows: usize) -> Result<Samples, Fault> {
        let placed = |span: &Range<usize>| {
            let (low, high) = (span.start.checked_sub(first), span.end.checked_sub(first));
            let inside = low.zip(high).filter(|(low, high)| low <= high && *high <= rows);
            let placed = inside.and_then(|(low, high)| Some(u32::try_from(low).ok()?..u32::try_from(high).ok()?));
            placed.ok_or_else(|| Fault::Unsupported(format!("no rows {span:?} among the {rows} from {first}")))
        };
        let mut spans: Vec<Range<u32>> = self.spans.iter().map(placed).collect::<Result<_, _>>()?;
        let Some(batch_rows) = self.batch_rows else {
            self.shuffle(&mut spans);
            let ends = spans.iter().scan(0, |end, span| {
                *end += span.len();
                Some(*end)
            });
            let ends = ends.collect();
            return Ok(Samples { positions: spans.into_iter().flatten().collect(), ends });
        };
        let mut positions: Vec<u32> = spans.into_iter().flatten().collect();
        self.shuffle(&mut positions);
        let ends: Vec<usize> =
            (1..=self.batches()).map(|batch| positions.len().min(batch * batch_rows.max(1))).collect();
        positions.truncate(ends.last().copied().unwrap_or(0));
        Ok(Samples { positions, ends })
    }

    fn shuffle<T>(&self, values: &mut [T]) {
        if let Some(key) = self.key {
            shuffle(values, key);
        }
    }
}

/// Shuffle in an order that follows from `key` alone; fewer than 2^32 values.
fn shuffle<T>(values: &mut [T], key: Key) {
    let mut numbers = Philox::new(key);
    for place in (1..values.len()).rev() {
        values.swap(place, numbers.up_to(place));
    }
}

/// Philox4x64-10: each counter, enciphered with the key, is eight numbers of 32 bits.
struct Philox {
    key: [u64; 2],
    counter: u64,
    words: [u64; 4],
    /// Halves of `words` that were taken.
    taken: usize,
}

impl Philox {
    fn new(key: Key) -> Self {
        let block = u64::from(key.epoch) << 32 | u64::from(key.block);
        Self { key: [key.seed, block], counter: 0, words: [0; 4], taken: 8 }
    }

    /// 0 to `last`, each as likely.
    fn up_to(&mut self, last: usize) -> usize {
        let mask = usize::MAX >> last.leading_zeros();
        loop {
            let number = self.half() as usize & mask;
            if number <= last {
                return number;
            }
        }
    }

    /// The next 32 bits, the lower half of a word before its upper one.
    fn half(&mut self) -> u32 {
        if self.taken == 8 {
            self.counter += 1;
            self.words = enciphered([self.counter, 0, 0, 0], self.key);
            self.taken = 0;
        }
        let word = self.words[self.taken / 2] >> (32 * (self.taken % 2));
        self.taken += 1;
        #[allow(clippy::cast_possible_truncation, reason = "the lower half is meant")]
        let half = word as u32;
        half
    }
}

fn enciphered(mut counter: [u64; 4], mut key: [u64; 2]) -> [u64; 4] {
    for _ in 0..10 {
        let (high, low) = product(0xD2E7_470E_E14C_6C93, counter[0]);
        let (other_high, other_low) = product(0xCA5A_8263_9512_1157, counter[2]);
        counter = [other_high ^ counter[1] ^ key[0], other_low, high ^ counter[3] ^ key[1], low];
        key = [key[0].wrapping_add(0x9E37_79B9_7F4A_7C15), key[1].wrapping_add(0xBB67_AE85_84CA_A73B)];
    }
    counter
}

/// Both halves of a product.
fn product(one: u64, other: u64) -> (u64, u64) {
    let product = u128::from(one) * u128::from(other);
    #[allow(clippy::cast_possible_truncation, reason = "the lower half is meant")]
    let low = product as u64;
    ((product >> 64) as u64, low)
}

#[cfg(test)]
mod tests {
    use super::{Key, Order, Philox, enciphered};

    /// Vectors that the paper's authors give with their library, `Random123`, for ten rounds.
    #[test]
    fn numbers_are_those_of_the_paper() {
        let ones = u64::MAX;
        let zero = [0x1655_4d9e_ca36_314c, 0xdb20_fe9d_672d_0fdc, 0xd7e7_72ce_e186_176b, 0x7e68_b68a_ec7b_a23b];
        assert_eq!(enciphered([0; 4], [0; 2]), zero);
        let full = [0x87b0_92c3_013f_e90b, 0x438c_3c67_be8d_0224, 0x9cc7_d7c6_9cd7_77b6, 0xa09c_aebf_594f_0ba0];
        assert_eq!(enciphered([ones; 4], [ones; 2]), full);
    }

    #[test]
    fn each_number_up_to_the_last_comes_as_often() {
        let mut numbers = Philox::new(Key { seed: 3, epoch: 1, block: 4 });
        let mut counts = [0_i32; 5];
        for _ in 0..50_000 {
            counts[numbers.up_to(4)] += 1;
        }
        // Standard deviation: 89.
        assert!(counts.iter().all(|count| (count - 10_000).abs() < 500), "{counts:?}");
    }

    #[test]
    fn batches_end_where_a_span_does_or_where_they_are_full() {
        let spans = vec![10..13, 20..21, 15..19];
        let by_span = Order { spans: spans.clone(), ..Order::default() };
        let samples = by_span.samples(10, 11).unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!((samples.positions, samples.ends), (vec![0, 1, 2, 10, 5, 6, 7, 8], vec![3, 4, 8]));
        let by_rows = Order { spans, batch_rows: Some(3), ..Order::default() };
        assert_eq!((by_rows.batches(), by_span.batches()), (3, 3));
        let samples = by_rows.samples(10, 11).unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!((samples.positions, samples.ends), (vec![0, 1, 2, 10, 5, 6, 7, 8], vec![3, 6, 8]));
        let whole = Order { drop_last: true, ..by_rows };
        assert_eq!(whole.batches(), 2);
        let samples = whole.samples(10, 11).unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!((samples.positions, samples.ends), (vec![0, 1, 2, 10, 5, 6], vec![3, 6]));
    }

    #[test]
    fn a_span_outside_the_block_is_said_and_not_read() {
        let order = Order { spans: vec![5..7, 7..8], batch_rows: Some(2), ..Order::default() };
        for (first, rows) in [(6, 10), (0, 7)] {
            assert!(order.samples(first, rows).is_err());
        }
    }
}
