//! How the ranks of one run talk: registered memory, writes with a notification, and events.
//!
//! The model is that of GASPI. A rank registers [`Segment`]s, writes ranges of its own into a segment of a peer and
//! raises a 32-bit notification there ([`Fabric::write_notify`]), and polls for [`Event`]s. Everything is bounded by
//! a deadline; nothing here knows what the words mean.
//!
//! A **rung** is one way to move data between two ranks, and a [`Transport`] what it takes to be one. The [`Ladder`] picks among
//! them for each pair of ranks, and goes to another when one breaks. Rungs that move packets (in-process, MPI, TCP) share
//! [`packets`], whose engine keeps order, flow control and validation without any I/O, over a [`port::Port`]; shared memory
//! and RDMA write into the memory of peers by themselves. [`world`] puts them together for the processes of a run.
//!
//! **Invariants.**
//! - *Data before word*: when `Arrived` is reported, every range of that write is in place.
//! - *Order*: notifications of one sender to one receiver arrive in the order in which they were sent.
//! - *Bounds*: nothing that a peer sends makes this process panic, write outside a segment, or allocate without limit.
//! - *No hang*: no call waits beyond its deadline; a peer that is gone is an event or an error that names it.

#![deny(unsafe_code)]

mod bootstrap;
pub mod control;
pub mod delta;
mod error;
mod fabric;
pub mod footprint;
mod idle;
mod ids;
mod key;
mod ladder;
pub mod local;
pub mod locality;
pub mod member;
#[allow(unsafe_code)]
pub mod mpi;
pub mod packets;
pub mod port;
pub mod rendezvous;
mod segment;
#[allow(unsafe_code)]
pub mod shm;
pub mod tcp;
mod transport;
#[allow(unsafe_code)]
pub mod verbs;
pub mod world;

pub use bootstrap::MAX_BOOTSTRAP_BYTES;
pub use error::{CommError, FailureCause, Malformed};
pub use fabric::{Bootstrap, Courier, Endpoint, Event, Fabric, Left, Pick, Put, Resident, RungTraffic, Write};
pub use ids::{Rank, Rung, SegmentId, Token, UnknownRung};
pub use key::RunKey;
pub use ladder::{Ladder, Policy, Standing, node_identity};
pub use packets::{Limits, Piece};
pub use segment::Segment;
pub use transport::{Happening, OFFER_BYTES_MAX, Posted, Transport, Unavailable};
