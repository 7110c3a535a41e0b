//! Membership among a few ranks in one process, with virtual time.

mod codec;
mod net;
mod parts;
mod runs;
