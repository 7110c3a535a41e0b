//! Runs of many ranks on a virtual clock and a virtual network, with faults that a seed decides.
//!
//! The state machines are those of the product; only what surrounds them is made up. A [`Node`] is the state machine of one
//! rank: what happens to it goes in, what it does comes out. A [`World`] has the nodes, the [`Links`] between them and a queue
//! of what is to happen. A [`Plan`] says which faults there are, and when. [`Checks`] look at every step of a run and at its end.
//!
//! **Invariants.** A run depends on its [`Setup`] and seed only, so that a failure is repeated exactly. A connection delivers in
//! order and loses nothing unless it breaks; then all is lost that was under way on it.
//!
//! To simulate another state machine, make it (or several together) a [`Node`], its commands the node's [`Node::Order`].

#![forbid(unsafe_code)]

mod checks;
mod epochs;
mod faults;
mod links;
mod member;
mod node;
mod random;
mod run;
mod scale;
mod world;

pub use checks::Checks;
pub use epochs::{Mutation, RunMessage, RunNode, RunOrder, RunOutcome, RunSetup, Truth, run_epochs, sweep_epochs};
pub use faults::{Death, Fault, Plan};
pub use links::Links;
pub use member::{MemberNode, MemberOrder};
pub use node::{Input, Node, Output};
pub use random::Random;
pub use run::{Failure, Outcome, Setup, run, sweep};
pub use scale::{Scale, scale};
pub use world::{Traffic, World};
