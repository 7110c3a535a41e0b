//! Sends what has changed: the codec of packet rungs on links that are slower than it.
//!
//! A sender and a receiver both remember the words that last went to each address of the receiver's segments
//! ([`Encoder`], [`Decoder`]). Packets between them come in order and exactly once, so both remember the same, without
//! a word about it on the wire; a connection that is made afresh starts with a new pair. Against that baseline a
//! packet is encoded in chunks of 4096 words:
//!
//! 1. *Difference*: new minus old as integers, the sign moved to the lowest bit. Neighbouring floats of one sign have
//!    neighbouring bits, so what moves a little differs in its lower bits only, and what rests not at all.
//! 2. *Planes*: the first bytes of all words, then the second, and so on, so that equal bytes lie together.
//! 3. Each plane is left out where it is all zero, compressed by LZ4 where that looks worthwhile and is, or else stored.
//!
//! The encoding is lossless for any words, whatever they mean. Nothing here has a clock or does I/O: [`Bypass`] decides
//! from measurements that are given to it whether encoding pays.
//!
//! **Invariants.** A refused packet changes nothing. No packet panics, or makes the receiver hold more than the largest
//! packet and the baselines that it agreed to.
//!
//! # Layout of a chunk
//! One word with the kind of each plane in two bits, the lowest plane lowest, all other bits zero; for each plane that
//! is compressed one word with its length in bytes; the bytes of the planes, each padded to whole words.

#![forbid(unsafe_code)]

mod bypass;
mod chunk;
mod codec;
mod planes;
mod shadow;
#[cfg(test)]
mod tests;

pub use bypass::{Bypass, SMALL_BYTES, Sent};
pub use codec::{Decoder, Encoder, Mode};
