//! Whether encoding a packet pays, decided from what earlier packets cost. A state machine without a clock: the same
//! measurements yield the same decisions.
//!
//! Encoding pays where `encode + decode + sent / link < raw / link`, in seconds: nothing is assumed to overlap, as a step
//! waits for the last packet of an exchange, whose encoding and decoding nothing hides. Decoding counts as much as
//! encoding, which it does not exceed.
//!
//! What a segment holds is of two kinds, bodies at rest and bodies that move, and they cost very differently. A sample
//! of the words tells one from the other, and each kind has estimates of its own.
//!
//! Estimates need trials, and trials need a baseline at the peer; both cost time that may not come back. So each
//! segment has a purse: a packet puts in 1/32 of the time that it takes raw, and whatever is slower than raw is paid
//! from it, once there is something in it again. Over a run encoding loses at most that share.

use std::collections::HashMap;

use super::codec::Mode;

/// Payloads of fewer bytes go raw: their latency is not one of length.
pub const SMALL_BYTES: usize = 512;

/// Share of the raw time that may be spent on finding out.
const SPARE: f64 = 1.0 / 32.0;
/// Encoding must promise at least this much less than the raw time.
const MARGIN: f64 = 0.95;
/// Packets of a kind after which the estimates are tried again.
const RETRY: u32 = 64;
/// Weight of a new measurement.
const WEIGHT: f64 = 0.25;
/// Likeness from which on a packet counts as one of bodies at rest.
const AT_REST: f64 = 0.75;
/// Seconds per byte to encode and decode what has not changed, less than any machine takes: one pass over memory at
/// each end. On a link faster than that nothing is worth a trial.
const LEAST: f64 = 1e-10;
/// Seconds per byte to remember a baseline at both ends, as long as it was not measured.
const REMEMBER: f64 = 2e-10;

/// What sending a packet cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sent {
    /// What [`Bypass::plan`] had asked for.
    pub wish: Mode,
    /// Bytes of the words.
    pub raw_bytes: usize,
    /// Bytes of the payload as sent.
    pub sent_bytes: usize,
    /// Time that [`Encoder::encode`](super::Encoder::encode) took, s.
    pub seconds: f64,
}

/// The decisions towards one peer.
#[derive(Clone, Debug)]
pub struct Bypass {
    /// Seconds per byte on the link.
    link: f64,
    /// Seconds per byte to remember a baseline, both ends together.
    remember: f64,
    segments: HashMap<u32, Purse>,
}

#[derive(Clone, Debug, Default)]
struct Purse {
    /// Seconds that may be lost; below zero nothing is risked.
    seconds: f64,
    kinds: [Kind; 2],
    /// Kind of the packet that was planned last.
    last: usize,
}

/// Packets that are alike.
#[derive(Clone, Debug, Default)]
struct Kind {
    estimate: Option<Estimate>,
    /// Packets since the last one that was encoded.
    idle: u32,
}

#[derive(Clone, Copy, Debug)]
struct Estimate {
    /// Seconds per raw byte to encode.
    encode: f64,
    /// Bytes sent per raw byte.
    ratio: f64,
}

impl Bypass {
    /// For a link of `bytes_per_second`, as far as is known before anything was sent.
    pub fn new(bytes_per_second: f64) -> Bypass {
        let mut bypass = Bypass { link: f64::INFINITY, remember: REMEMBER, segments: HashMap::new() };
        bypass.link(bytes_per_second);
        bypass
    }

    /// What the link was measured to carry while it was saturated, bytes per second on the wire. Without meaning unless
    /// it is finite and above zero.
    pub fn link(&mut self, bytes_per_second: f64) {
        if bytes_per_second.is_finite() && bytes_per_second > 0.0 {
            let link = 1.0 / bytes_per_second;
            self.link = if self.link.is_finite() { mix(self.link, link) } else { link };
        }
    }

    /// The rate that the link is taken for.
    pub fn bytes_per_second(&self) -> f64 {
        1.0 / self.link
    }

    /// How a packet of `raw_bytes` for `segment` is best sent. `likeness` is
    /// [`Encoder::likeness`](super::Encoder::likeness), asked only where it matters. What came of it is to be told with
    /// [`Bypass::sent`].
    pub fn plan(&mut self, segment: u32, raw_bytes: usize, likeness: impl FnOnce() -> Option<f64>) -> Mode {
        if raw_bytes < SMALL_BYTES || LEAST >= MARGIN * self.link {
            return Mode::Raw;
        }
        let purse = self.segments.entry(segment).or_default();
        let rich = purse.seconds >= 0.0;
        let otherwise = if rich { Mode::Keep } else { Mode::Raw };
        let Some(likeness) = likeness() else { return otherwise };
        purse.last = usize::from(likeness >= AT_REST);
        let kind = &mut purse.kinds[purse.last];
        kind.idle += 1;
        let pays = kind.estimate.is_some_and(|e| 2.0 * e.encode + e.ratio * self.link < MARGIN * self.link);
        let due = kind.estimate.is_none() || kind.idle > RETRY;
        if pays || due && rich { Mode::Delta } else { otherwise }
    }

    /// Takes what the packet that was planned last for `segment` has cost.
    pub fn sent(&mut self, segment: u32, sent: Sent) {
        let Some(purse) = self.segments.get_mut(&segment) else { return };
        if sent.raw_bytes < SMALL_BYTES {
            return;
        }
        let bytes = sent.raw_bytes as f64;
        let raw = bytes * self.link;
        let spent = match sent.wish {
            Mode::Raw => 0.0,
            Mode::Keep => {
                self.remember = mix(self.remember, 2.0 * sent.seconds / bytes);
                bytes * self.remember
            }
            Mode::Delta => {
                let now = Estimate { encode: sent.seconds / bytes, ratio: sent.sent_bytes as f64 / bytes };
                let kind = &mut purse.kinds[purse.last];
                kind.idle = 0;
                // A single measurement that something interrupted must not turn the decision.
                kind.estimate = Some(kind.estimate.map_or(now, |before| Estimate {
                    encode: mix(before.encode, now.encode.min(2.0 * before.encode)),
                    ratio: mix(before.ratio, now.ratio),
                }));
                2.0 * sent.seconds + sent.sent_bytes as f64 * self.link - raw
            }
        };
        // What is saved is not for spending, or a long rest would pay for a long loss.
        purse.seconds = (purse.seconds + SPARE * raw - spent.max(0.0)).min(SPARE * raw * f64::from(RETRY));
    }
}

fn mix(before: f64, now: f64) -> f64 {
    before + WEIGHT * (now - before)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: usize = 256 << 10;

    /// What encoding does to words of one kind.
    #[derive(Clone, Copy)]
    struct World {
        likeness: Option<f64>,
        ratio: f64,
        /// Bytes per second.
        encode: f64,
    }

    const RESTING: World = World { likeness: Some(1.0), ratio: 0.001, encode: 10e9 };
    const MOVING: World = World { likeness: Some(0.0), ratio: 0.74, encode: 1.5e9 };

    /// Modes of `packets` packets and the time of all against the time of raw ones.
    fn drive(bypass: &mut Bypass, link: f64, world: World, packets: u32) -> ([u32; 3], f64) {
        let mut modes = [0; 3];
        let mut time = 0.0;
        for _ in 0..packets {
            let wish = bypass.plan(1, PACKET, || world.likeness);
            modes[wish as usize] += 1;
            let (ratio, seconds) = match wish {
                Mode::Raw => (1.0, 0.0),
                Mode::Keep => (1.0, PACKET as f64 / 10e9),
                Mode::Delta => (world.ratio, PACKET as f64 / world.encode),
            };
            let sent_bytes = (ratio * PACKET as f64) as usize;
            bypass.sent(1, Sent { wish, raw_bytes: PACKET, sent_bytes, seconds });
            time += 2.0 * seconds + sent_bytes as f64 / link;
        }
        (modes, time / (f64::from(packets) * PACKET as f64 / link))
    }

    #[test]
    fn a_slow_link_gets_differences_of_whatever_shrinks() {
        for world in [RESTING, MOVING] {
            let ([raw, keep, delta], time) = drive(&mut Bypass::new(1e8), 1e8, world, 1000);
            assert_eq!((raw, keep, delta), (0, 0, 1000));
            assert!(time < 0.95);
        }
    }

    #[test]
    fn a_fast_link_gets_moving_bodies_raw_and_resting_ones_by_arithmetic() {
        let ([_, _, delta], time) = drive(&mut Bypass::new(5e9), 5e9, MOVING, 10_000);
        assert!(delta < 200 && time < 1.04, "{delta} {time}");
        // 0.2 s/GB raw; encoding and decoding take 0.2 s/GB at 10 GB/s each, 0.08 s/GB at 25 GB/s.
        let ([_, _, delta], time) = drive(&mut Bypass::new(5e9), 5e9, RESTING, 10_000);
        assert!(delta < 5000 && time < 1.04, "{delta} {time}");
        let quick = World { encode: 25e9, ..RESTING };
        let ([_, _, delta], time) = drive(&mut Bypass::new(5e9), 5e9, quick, 10_000);
        assert!(delta > 9900 && time < 0.5, "{delta} {time}");
    }

    #[test]
    fn beyond_what_any_encoder_does_nothing_is_tried() {
        let ([raw, _, _], _) = drive(&mut Bypass::new(20e9), 20e9, RESTING, 100);
        assert_eq!(raw, 100);
    }

    #[test]
    fn it_never_loses_more_than_its_share() {
        for link in [1e7, 1e8, 1e9, 3e9, 5e9, 9e9] {
            for likeness in [None, Some(0.0), Some(1.0)] {
                for (ratio, encode) in [(1.0, 1e9), (0.7, 3e8), (0.9, 2e9), (0.01, 8e9), (0.5, 1e10)] {
                    let world = World { likeness, ratio, encode };
                    let (modes, time) = drive(&mut Bypass::new(link), link, world, 5000);
                    assert!(time < 1.04, "{link} {likeness:?} {ratio} {encode}: {modes:?} {time}");
                }
            }
        }
    }

    #[test]
    fn it_follows_bodies_that_start_and_stop() {
        let mut bypass = Bypass::new(1e9);
        for _ in 0..3 {
            let ([_, _, delta], _) = drive(&mut bypass, 1e9, RESTING, 200);
            assert!(delta > 190, "{delta}");
            let ([_, _, delta], _) = drive(&mut bypass, 1e9, MOVING, 200);
            assert!(delta < 20, "{delta}");
        }
    }

    #[test]
    fn one_bad_measurement_changes_nothing() {
        let mut bypass = Bypass::new(1e9);
        drive(&mut bypass, 1e9, RESTING, 100);
        bypass.plan(1, PACKET, || RESTING.likeness);
        bypass.sent(1, Sent { wish: Mode::Delta, raw_bytes: PACKET, sent_bytes: 32, seconds: 1.0 });
        let ([_, _, delta], _) = drive(&mut bypass, 1e9, RESTING, 100);
        assert_eq!(delta, 100);
    }

    #[test]
    fn a_link_that_slows_down_is_noticed() {
        let mut bypass = Bypass::new(5e9);
        let ([_, _, before], _) = drive(&mut bypass, 5e9, MOVING, 1000);
        (0..20).for_each(|_| bypass.link(1e8));
        let ([_, _, after], _) = drive(&mut bypass, 1e8, MOVING, 1000);
        assert!(before < 50 && after > 900, "{before} {after}");
    }

    #[test]
    fn small_packets_and_senseless_rates_are_harmless() {
        let mut bypass = Bypass::new(f64::NAN);
        assert_eq!(bypass.plan(0, SMALL_BYTES - 1, || unreachable!("it is not asked")), Mode::Raw);
        [0.0, -1.0, f64::INFINITY].into_iter().for_each(|rate| bypass.link(rate));
        bypass.link(1e8);
        let ([_, _, delta], _) = drive(&mut bypass, 1e8, RESTING, 100);
        assert_eq!(delta, 100);
    }
}
