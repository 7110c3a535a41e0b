//! Whole runs: on top of the membership the epochs, the copies, their commit and the recovery, with the product's books.
//!
//! A run computes something of which every wrong word shows: each step mixes the state of a batch with those of two others
//! at the step's start. What every state must be is known beforehand ([`Truth`]). A rank ([`RunNode`]) does what
//! `launcher/src/run` and `launcher/src/engine` do, in the same order: headers as a barrier, decisions in the master's header,
//! copies that travel in pieces, markers after a change of the view, inventories, plan, restoration, copies made whole.
//!
//! Remote writes change the memory of their receiver piece by piece, whether or not it listens; notifications come behind them.
//! A piece is read from the sender's memory when it leaves, so that what changes too early is seen.
//!
//! **What is checked.** Every state computed, restored or committed is the right one. A copy in the books is what it claims
//! to be, a committed epoch is in place at all holders, and is not lost while one holder of each batch is left.
//! Nobody outside of the view changes a member's memory. Of two views only the newer one goes on. The run comes to its
//! end where a quorum lives. [`Mutation`]s show that the checks see what they are for.

mod checkpoint;
mod drive;
mod engine;
mod link;
mod node;
mod recover;
mod run;
mod steps;
mod truth;
mod words;

pub use node::{RunNode, RunOrder};
pub use run::{RunOutcome, RunSetup, run_epochs, sweep_epochs};
pub use truth::{Mutation, Truth};
pub use words::RunMessage;
