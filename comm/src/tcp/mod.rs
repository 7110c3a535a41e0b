//! The TCP rung: packets over connections of our own, for hosts that share nothing better.
//!
//! One connection serves a pair of ranks: the lower rank connects, the higher accepts. Both prove with the key of the
//! run that they belong to it before anything else counts (`handshake`); what comes from outside costs a bounded number
//! of small, short-lived guests (`guests`). Packets travel as frames (`frame`); nothing is copied on the way out, and
//! large packets are read to where they are handed over from. Nothing here ever blocks.
//!
//! **Sealed connections.** A port can be told to encrypt and authenticate whatever its connections carry (`seal`), with
//! keys of each connection's own; who listens on the network learns how much is said and when, and who rewrites it
//! can do no more than end the connection.
//!
//! **How a loss is told from a death.** A connection that ends leads to one more attempt to reach the port of the peer
//! (`probe`). Only a refusal proves that the process has ended: its host lives and says that nobody listens. A peer
//! that closes on purpose says goodbye first, so it is never taken for dead. What a refusal cannot tell apart is a
//! firewall that refuses connections in the peer's name; the accepting side, which never reached the peer's port, asks
//! only after the host of the peer has ended the connection itself.
//!
//! **A host that falls silent** is noticed after 5 s (`watch::SILENCE_MAX`), whether the connection is idle or not; a
//! process that is stopped or computes is not, however long it takes, as its host answers.
//!
//! **Connections that come back.** For words that count whatever becomes of a path, a port can be told to keep its
//! connections alive (`lasting`): one that is lost is made again, by the same offers, until the peer is proven dead.

mod carrier;
mod diag;
mod dial;
mod frame;
mod guests;
mod handshake;
mod interfaces;
mod lasting;
mod link;
mod offer;
mod outbox;
mod poller;
mod port;
mod probe;
mod seal;
mod serve;
mod socket;
mod spares;
mod watch;

pub use carrier::TcpCarrier;
pub use interfaces::{Choice, VARIABLE};
pub use port::TcpPort;
