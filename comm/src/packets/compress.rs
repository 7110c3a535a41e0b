//! When and how the words of packets go as differences: one end towards one peer.
//!
//! The decision looks at a clock, so it differs from run to run; the words that arrive never do.

use std::time::Instant;

use super::wire::Piece;
use crate::delta::{Bypass, Decoder, Encoder, Mode, Sent};

/// Most words that a rank remembers of what went to all peers, and as many of what came from them: 64 MiB each, taken as they come.
const BASELINES_WORDS: usize = 1 << 24;

/// Words of it for one peer in a run of so many ranks: 16 MiB at most, 64 KiB at least. Both ends must agree.
pub(crate) const fn baseline_words(ranks: usize) -> usize {
    let share = BASELINES_WORDS / if ranks == 0 { 1 } else { ranks };
    if share > 1 << 22 {
        1 << 22
    } else if share < 1 << 14 {
        1 << 14
    } else {
        share
    }
}
/// What a link is taken for until it was measured: 10 gigabit Ethernet, bytes per second.
const LINK_FIRST: f64 = 1.25e9;
/// About as fast as moving bodies are encoded, bytes per second.
const ENCODING: f64 = 1e9;
/// Shorter runs of unbroken sending tell of latency rather than of the rate of the link. Unit: bytes.
const RUN_BYTES_MIN: u64 = 1 << 20;

/// Whether packets go as differences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Where that is faster than sending the words as they are.
    #[default]
    Auto,
    /// Always, where they are shorter.
    On,
    /// Never.
    Off,
}

/// Both directions of one connection.
#[derive(Debug)]
pub struct Compressor {
    wish: Compression,
    encoder: Encoder,
    decoder: Decoder,
    bypass: Bypass,
    encoded: Vec<u32>,
    run: Option<Run>,
}

/// A time in which something was always unacknowledged.
#[derive(Clone, Copy, Debug)]
struct Run {
    since: Instant,
    acknowledged_words: u64,
}

impl Compressor {
    /// For a new connection in a run of `ranks`; packets have up to `packet_words` words when decoded.
    pub fn new(wish: Compression, packet_words: usize, ranks: u32) -> Self {
        let baseline = baseline_words(ranks as usize);
        Self {
            wish,
            encoder: Encoder::new(baseline),
            decoder: Decoder::new(baseline, packet_words),
            bypass: Bypass::new(LINK_FIRST),
            encoded: Vec::new(),
            run: None,
        }
    }

    /// Encodes the words of a packet from word `at` on, which are those of `pieces` of `segment`, in place.
    pub fn encode(
        &mut self,
        segment: u32,
        pieces: impl Iterator<Item = Piece> + Clone,
        packet: &mut Vec<u32>,
        at: usize,
    ) -> Mode {
        let words = &packet[at..];
        let raw_bytes = words.len() * 4;
        let wish = match self.wish {
            Compression::Off => Mode::Raw,
            Compression::On if raw_bytes > 0 => Mode::Delta,
            Compression::On => Mode::Raw,
            Compression::Auto => {
                let encoder = &self.encoder;
                self.bypass.plan(segment, raw_bytes, || encoder.likeness(segment, pieces.clone(), words))
            }
        };
        if wish == Mode::Raw {
            return Mode::Raw;
        }
        let begun = Instant::now();
        let mode = self.encoder.encode(wish, segment, pieces, words, &mut self.encoded);
        let seconds = begun.elapsed().as_secs_f64();
        if mode == Mode::Delta {
            packet.truncate(at);
            packet.extend_from_slice(&self.encoded);
        }
        let sent_bytes = self.encoded.len() * 4;
        self.bypass.sent(segment, Sent { wish, raw_bytes, sent_bytes, seconds });
        mode
    }

    /// Whether large pieces may go without being looked at, for the link is about as fast as encoding.
    pub fn may_go_raw(&self) -> bool {
        match self.wish {
            Compression::Off => true,
            Compression::On => false,
            Compression::Auto => self.bypass.bytes_per_second() >= ENCODING,
        }
    }

    /// The receiver's end.
    pub fn decoder(&mut self) -> &mut Decoder {
        &mut self.decoder
    }

    /// Tells what is unacknowledged after an acknowledgement, to learn how fast the link is.
    pub fn acknowledged(&mut self, acknowledged_words: u64, in_flight_words: u64) {
        let Some(run) = self.run else { return };
        let bytes = (acknowledged_words - run.acknowledged_words) * 4;
        let seconds = run.since.elapsed().as_secs_f64();
        if bytes >= RUN_BYTES_MIN && seconds > 0.0 {
            self.bypass.link(bytes as f64 / seconds);
            self.run = Some(Run { since: Instant::now(), acknowledged_words });
        }
        if in_flight_words == 0 {
            self.run = None;
        }
    }

    /// Tells that a packet goes out while `acknowledged_words` of those before are acknowledged.
    pub fn sends(&mut self, acknowledged_words: u64) {
        if self.wish == Compression::Auto && self.run.is_none() {
            self.run = Some(Run { since: Instant::now(), acknowledged_words });
        }
    }
}
