//! The stop watch: rank 0 sends and times, its partner answers.
//!
//! Latency is half a round trip of 8 bytes. Bandwidth is what a batch of writes takes until the partner has seen the last one.
//! Both are medians, so that what else the machine does now and then does not count.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rankzero_comm::{CommError, Event, Fabric, Put, Rank, Segment, SegmentId, Write};
use serde::{Deserialize, Serialize};

use super::Rates;

/// Bytes of a small, a middling and a large message.
const SMALL: usize = 8;
pub(super) const MIDDLE: usize = 64 << 10;
pub(super) const LARGE: usize = 8 << 20;
/// Bytes of a batch of which the bandwidth is taken.
const BATCH: usize = 16 << 20;
/// Samples of one figure: at most so many, and no more after the time has passed, but at least a few.
const SAMPLES_MAX: usize = 5000;
const SAMPLES_MIN: usize = 5;
const SAMPLE_TIME: Duration = Duration::from_millis(400);
/// What is sent before the watch runs.
const WARM_UP: usize = 20;

/// The partner answers this write.
const ANSWER: u32 = 1;
/// The partner is free afterwards.
const LAST: u32 = 2;

/// What a rung is worth between two ranks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Half a round trip of 8 bytes, microseconds.
    pub latency_us: f64,
    /// Bandwidth.
    #[serde(flatten)]
    pub rates: Rates,
}

/// Memory for all sizes: the first half is sent, the second one written by the partner.
pub struct Field {
    id: SegmentId,
}

impl Field {
    /// Registers it; before the fabric is opened, on all ranks.
    pub fn register(fabric: &mut impl Fabric) -> Result<Self, CommError> {
        let words = LARGE / 4;
        let segment = Segment::new(2 * words)?;
        // Touched, so that its pages are there before the watch runs.
        segment.store(0, &vec![1; 2 * words]);
        Ok(Field { id: fabric.register(Arc::clone(&segment))? })
    }

    fn write(
        &self,
        fabric: &mut impl Fabric,
        to: Rank,
        bytes: usize,
        notification: u32,
        deadline: Instant,
        events: &mut Vec<Event>,
    ) -> Result<(), CommError> {
        let puts = [Put { from: 0, to: LARGE / 4, len: bytes / 4 }];
        let write = Write { source: self.id, target: self.id, puts: &puts, notification };
        fabric.write_notify_by(to, &write, deadline, events).map(drop)
    }

    /// One batch of `count` writes, from the first word to the answer.
    fn batch(
        &self,
        fabric: &mut impl Fabric,
        partner: Rank,
        bytes: usize,
        count: usize,
        last: u32,
        deadline: Instant,
    ) -> Result<Duration, CommError> {
        let mut events = Vec::new();
        let begun = Instant::now();
        for number in 1..=count {
            let notification = if number == count { ANSWER | last } else { 0 };
            self.write(fabric, partner, bytes, notification, deadline, &mut events)?;
        }
        while arrival(&mut events, partner)?.is_none() {
            wait(fabric, partner, deadline, &mut events)?;
        }
        Ok(begun.elapsed())
    }

    /// The median time of a batch, in seconds.
    fn median(
        &self,
        fabric: &mut impl Fabric,
        partner: Rank,
        bytes: usize,
        count: usize,
        deadline: Instant,
    ) -> Result<f64, CommError> {
        for _ in 0..WARM_UP.div_ceil(count) {
            self.batch(fabric, partner, bytes, count, 0, deadline)?;
        }
        median_of(|| self.batch(fabric, partner, bytes, count, 0, deadline))
    }

    /// Rank 0's side.
    pub fn measure(&self, fabric: &mut impl Fabric, partner: Rank, deadline: Instant) -> Result<Figures, CommError> {
        let latency = self.median(fabric, partner, SMALL, 1, deadline)? / 2.0;
        let mut rate = |bytes| {
            let count = BATCH / bytes;
            let seconds = self.median(fabric, partner, bytes, count, deadline)?;
            Ok::<f64, CommError>((bytes * count) as f64 / seconds / 1e6)
        };
        let rates = Rates { mb_s_64k: rate(MIDDLE)?, mb_s_8m: rate(LARGE)? };
        self.batch(fabric, partner, SMALL, 1, LAST, deadline)?;
        Ok(Figures { latency_us: latency * 1e6, rates })
    }

    /// The partner's side: answers until it is told that this was the last time.
    pub fn answer(&self, fabric: &mut impl Fabric, to: Rank, deadline: Instant) -> Result<(), CommError> {
        let mut events = Vec::new();
        loop {
            while let Some(notification) = arrival(&mut events, to)? {
                if notification & ANSWER != 0 {
                    self.write(fabric, to, SMALL, 0, deadline, &mut events)?;
                }
                if notification & LAST != 0 {
                    return Ok(());
                }
            }
            wait(fabric, to, deadline, &mut events)?;
        }
    }
}

/// The next word of `from` that has come.
fn arrival(events: &mut Vec<Event>, from: Rank) -> Result<Option<u32>, CommError> {
    while !events.is_empty() {
        match events.remove(0) {
            Event::Arrived { from: sender, notification } if sender == from => return Ok(Some(notification)),
            Event::PeerFailed { peer, cause } => return Err(CommError::PeerFailed { peer, cause }),
            _ => {}
        }
    }
    Ok(None)
}

fn wait(fabric: &mut impl Fabric, partner: Rank, deadline: Instant, events: &mut Vec<Event>) -> Result<(), CommError> {
    let begun = Instant::now();
    if begun >= deadline {
        let (operation, missing) = ("measurement", vec![partner]);
        return Err(CommError::Timeout { operation, waited: begun - deadline, missing });
    }
    fabric.poll(deadline, events)
}

/// The median of many samples, in seconds.
fn median_of(mut sample: impl FnMut() -> Result<Duration, CommError>) -> Result<f64, CommError> {
    let (begun, mut samples) = (Instant::now(), Vec::new());
    while samples.len() < SAMPLES_MIN || (samples.len() < SAMPLES_MAX && begun.elapsed() < SAMPLE_TIME) {
        samples.push(sample()?);
    }
    samples.sort_unstable();
    Ok(samples[samples.len() / 2].as_secs_f64().max(1e-9))
}

/// What the memory of this machine gives now: copying `bytes`, MB/s.
pub(super) fn memcpy_mb_s(bytes: usize) -> f64 {
    let (from, mut to) = (vec![1u8; bytes], vec![2u8; bytes]);
    let seconds = median_of(|| {
        let begun = Instant::now();
        std::hint::black_box(&mut to).copy_from_slice(std::hint::black_box(&from));
        Ok(begun.elapsed())
    });
    seconds.map_or(0.0, |seconds| bytes as f64 / seconds / 1e6)
}

#[cfg(test)]
mod tests {
    use rankzero_comm::{Bootstrap, local};

    use super::*;

    #[test]
    fn two_threads_measure_and_go_on_together() {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut fabrics = local::hub(2).expect("a hub");
        let mut partner = fabrics.remove(1);
        let answering = std::thread::spawn(move || {
            let field = Field::register(&mut partner).expect("memory");
            partner.open(deadline).expect("open");
            field.answer(&mut partner, Rank(0), deadline).expect("answers");
            partner.barrier(deadline)
        });
        let fabric = &mut fabrics[0];
        let field = Field::register(fabric).expect("memory");
        fabric.open(deadline).expect("open");
        let figures = field.measure(fabric, Rank(1), deadline).expect("figures");
        fabric.barrier(deadline).expect("both are there");
        answering.join().expect("no panic").expect("a barrier");
        let Figures { latency_us, rates } = figures;
        assert!(latency_us > 0.0 && rates.mb_s_64k > 0.0 && rates.mb_s_8m > 0.0, "{figures:?}");
    }

    #[test]
    fn a_partner_that_is_silent_is_named_in_time() {
        let mut fabrics = local::hub(2).expect("a hub");
        let mut silent = fabrics.remove(1);
        let soon = Instant::now() + Duration::from_secs(60);
        let opening = std::thread::spawn(move || {
            let field = Field::register(&mut silent).map(drop);
            silent.open(soon).and(field).map(|()| silent)
        });
        let fabric = &mut fabrics[0];
        let field = Field::register(fabric).expect("memory");
        fabric.open(soon).expect("open");
        let _silent = opening.join().expect("no panic").expect("open");
        let error = field.measure(fabric, Rank(1), Instant::now() + Duration::from_millis(50)).expect_err("nobody");
        assert!(error.to_string().contains("rank 1"), "{error}");
    }

    #[test]
    fn memory_can_be_copied() {
        assert!(memcpy_mb_s(MIDDLE) > 0.0);
    }
}
