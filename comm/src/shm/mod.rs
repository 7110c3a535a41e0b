//! Memory shared between the processes of one node, and the rung over it.
//!
//! A rank maps the segments of a peer and writes into them by itself; then it puts the notification into a queue of the
//! pair (`ring`) that lies in the receiver's memory, and rings the receiver's doorbell (`bell`). All memory is of
//! anonymous files, which the peer opens by process and descriptor: they have no names, and vanish with their users.
//!
//! What a peer can write is not believed: see `ring` and `offer`. A peer that was closed can still write into segments
//! that it has mapped; [`Shm::fence`] takes them away.

mod bell;
mod copy;
mod mapping;
mod node;
mod offer;
pub(crate) mod pair;
mod ring;
#[cfg(test)]
mod ring_tests;
mod rung;
mod sync;

pub use mapping::Mapping;
pub use rung::Shm;
