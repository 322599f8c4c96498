//! The hand-over and the ring under every interleaving that loom finds: `RUSTFLAGS="--cfg loom" cargo test --release --test handover`.
//! Without loom the same stories are told once by real threads.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use _native::fault::Fault;
use _native::handover::{Handover, Lead, Next, Task};
use _native::ring::Ring;

#[cfg(loom)]
use loom::{model, sync::Arc, thread};
#[cfg(not(loom))]
use std::{sync::Arc, thread};

#[cfg(not(loom))]
fn model(story: impl Fn() + Sync + Send + 'static) {
    for _ in 0..200 {
        story();
    }
}

/// The made batch: block, batch.
type Made = (usize, usize);

fn work(handover: &Handover<usize, Made>) {
    while let Some(task) = handover.take() {
        match task {
            Task::Decode { number, unit, .. } => handover.decoded(number, unit, Ok(())),
            Task::Cut { block, number, batch, place } => handover.cut(number, place, Ok((*block, batch))),
        }
    }
}

fn drained(handover: &Handover<usize, Made>) -> (Vec<Made>, Option<Fault>) {
    let mut made = Vec::new();
    loop {
        match handover.next(Duration::from_secs(10)) {
            Ok(Next::Batches(batches)) => made.extend(batches),
            Ok(Next::Pending) => thread::yield_now(),
            Ok(Next::End) => return (made, None),
            Err(fault) => return (made, Some(fault)),
        }
    }
}

fn taken(handover: &Handover<usize, Made>) -> Made {
    loop {
        match handover.next(Duration::from_secs(10)) {
            Ok(Next::Batches(batches)) => return batches[0],
            Ok(Next::Pending) => thread::yield_now(),
            Ok(Next::End) => panic!("the stream is over"),
            Err(fault) => panic!("{fault}"),
        }
    }
}

fn started(count: usize, lead: Lead) -> (Arc<Handover<usize, Made>>, Vec<thread::JoinHandle<()>>) {
    let handover = Arc::new(Handover::new(lead));
    let threads = (0..count).map(|_| {
        let handover = Arc::clone(&handover);
        thread::spawn(move || work(&handover))
    });
    let threads = threads.collect();
    (handover, threads)
}

#[test]
fn batches_come_in_the_order_of_their_blocks() {
    model(|| {
        let (handover, threads) = started(2, Lead { batches: 2, together: 2, blocks: 1 });
        handover.submit(7, 1, 1, None);
        handover.submit(8, 1, 1, None);
        handover.end();
        assert_eq!(drained(&handover), (vec![(7, 0), (8, 0)], None));
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// Batches that are ready together are taken together; a thread that has no room for more is woken then.
#[test]
fn several_batches_are_taken_at_once_and_in_order() {
    model(|| {
        let (handover, threads) = started(1, Lead { batches: 2, together: 2, blocks: 1 });
        handover.submit(7, 1, 3, None);
        handover.submit(8, 1, 1, None);
        handover.end();
        assert_eq!(drained(&handover), (vec![(7, 0), (7, 1), (7, 2), (8, 0)], None));
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn nothing_comes_after_a_fault() {
    model(|| {
        let handover: Handover<usize, Made> = Handover::new(Lead { batches: 3, together: 3, blocks: 1 });
        handover.submit(7, 0, 3, None);
        let mut places = Vec::new();
        for _ in 0..3 {
            let Some(Task::Cut { number, place, .. }) = handover.take() else { panic!("no batch to cut") };
            places.push((number, place));
        }
        let fault = Fault::Data("file: is damaged".to_owned());
        handover.cut(places[0].0, places[0].1, Ok((7, 0)));
        handover.cut(places[2].0, places[2].1, Ok((7, 2)));
        handover.cut(places[1].0, places[1].1, Err(fault.clone()));
        assert_eq!(drained(&handover), (vec![(7, 0)], Some(fault)));
        assert!(matches!(handover.next(Duration::ZERO), Ok(Next::End)));
    });
}

#[test]
fn what_is_taken_at_once_counts_as_made_before_it_is_used() {
    for depth in 1..20 {
        let lead = Lead::of(depth, 0);
        assert_eq!(lead.batches + lead.together - 1, depth);
        assert!(lead.together <= lead.batches);
    }
}

#[test]
fn a_block_of_several_units_and_batches_is_cut_when_it_is_whole() {
    model(|| {
        let (handover, threads) = started(1, Lead { batches: 1, together: 1, blocks: 0 });
        handover.submit(7, 2, 2, None);
        handover.end();
        assert_eq!(drained(&handover), (vec![(7, 0), (7, 1)], None));
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// A consumer that sleeps is woken when half of those ahead are ready, or when no more will be before it acts itself.
#[test]
fn a_consumer_that_feeds_is_woken_when_work_runs_dry() {
    model(|| {
        let (handover, threads) = started(2, Lead { batches: 3, together: 1, blocks: 0 });
        handover.submit(7, 1, 2, None);
        let first = taken(&handover);
        let second = taken(&handover);
        handover.submit(8, 1, 1, None);
        handover.end();
        assert_eq!((first, second, drained(&handover)), ((7, 0), (7, 1), (vec![(8, 0)], None)));
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_fault_comes_after_the_batches_before_it() {
    model(|| {
        let (handover, threads) = started(2, Lead { batches: 2, together: 1, blocks: 1 });
        handover.submit(7, 1, 1, None);
        let fault = Fault::Data("file: is missing".to_owned());
        handover.submit(8, 0, 1, Some(fault.clone()));
        assert_eq!(drained(&handover), (vec![(7, 0)], Some(fault)));
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn closing_ends_every_thread_wherever_it_is() {
    model(|| {
        let (handover, threads) = started(2, Lead { batches: 1, together: 1, blocks: 1 });
        handover.submit(7, 1, 2, None);
        handover.close();
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(matches!(handover.next(Duration::ZERO), Ok(Next::End)));
    });
}

#[test]
fn a_buffer_is_lent_to_one_at_a_time() {
    model(|| {
        let ring = Ring::new(vec![Box::new(0_u32)], 1);
        let other = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || *Ring::lend(&ring, || Ok::<_, ()>(Box::new(1))).unwrap().memory().unwrap().as_ref())
        };
        let lease = Ring::lend(&ring, || Ok::<_, ()>(Box::new(2))).unwrap();
        let here = *lease.memory().unwrap().as_ref();
        drop(lease);
        let there = other.join().unwrap();
        assert!(here == 0 || there == 0);
        assert_eq!(ring.free(), 1);
    });
}

#[test]
fn a_closed_ring_keeps_nothing() {
    model(|| {
        let ring = Ring::new(vec![Box::new(0_u32)], 1);
        let lease = Ring::lend(&ring, || Ok::<_, ()>(Box::new(1))).unwrap();
        let other = thread::spawn(move || drop(lease));
        ring.close();
        other.join().unwrap();
        assert_eq!(ring.free(), 0);
    });
}
