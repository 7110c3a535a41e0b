//! Who takes part: views of the members, evidence against them, and how a view gives way to the next one.
//!
//! [`Membership`] is one rank's part of it, without sockets, clocks or threads: what happens goes in as [`Event`]s with
//! the time since any fixed start, what is to be done comes out as [`Action`]s. The ranks form a **view**: a [`Term`],
//! a master and the other members, in an order that gives each a *position*; the master has position 0. A view is
//! **in force** (confirmed) until another one is.
//!
//! **Evidence.** A *proof* of death is a fact: it stays, and every message that bears on a change carries what its sender
//! knows. A *suspicion* (silence for `timeout`, no step for `result_timeout`) may be withdrawn. Heartbeats go between the
//! master and each member only, so the master watches all and the others watch the master. A rank that was itself not
//! scheduled forgives all others the time that it was away.
//!
//! **How a view changes.** As in Paxos, with terms as ballots:
//! 1. Who wants a change asks whether others would agree (`Ask`, `Would`); nothing is promised, so that a rank which
//!    alone sees a fault disturbs nobody.
//! 2. With a quorum for it, it stands (`Stand`, `Vote` or `Refuse`): voters promise to follow no lower term, and stop
//!    computing. They tell which view is in force for them and all views they have accepted since.
//! 3. With a quorum of the newest view in force, and of each view accepted since, it proposes the next view (`Propose`,
//!    `Accept`). When every voter and every member has accepted, the view is in force (`Confirm`).
//!
//! **Quorum** of a view: all members that are not proven dead; or more than half; or half, with the master. Dead members
//! count as members. (To count the living alone is not safe: of ranks 0, 1, 2 let 0 and 2 go on without 1, then 0 die;
//! for 1 as for 2 two are left, and each takes itself for half of them. `comm/tests/member_model.rs` finds this.)
//!
//! **Invariants.**
//! - *M-1*: only rank `c` stands with terms of candidate `c`, with each once, and proposes at most one view with it.
//! - *M-2*: views in force form a chain: of two confirmed views with a living member each, one descends from the other.
//!   This needs that every vote which is counted is also an acceptance (a voter that has died since is not counted, one
//!   that is to be left out accepts that, too), that a voter tells *all* that it has accepted since its view in force,
//!   and that a member of the next view belongs to every view that had to agree. Others are let in, newcomers as well as who
//!   was left out of one of those, only with the vote of everybody who may still believe to be a member: those who were
//!   left out count until they are proven dead or have said that they know (`estranged`). Else somebody let in goes on
//!   with others who die, and somebody left out, to whom all others seem dead, goes on without them.
//! - *M-3*: a rank that has promised a higher term than that of its view in force is never [`Status::Steady`].
//! - *M-4*: who is excluded stays so, and neither votes nor accepts any more.
//! - *M-5*: if a quorum lives and its messages arrive, some view comes into force after the last fault.

#![forbid(unsafe_code)]

mod acceptor;
mod ballot;
mod candidate;
mod change;
mod detector;
mod message;
mod quorum;
mod report;
mod settings;
mod state;
mod term;
#[cfg(test)]
mod tests;
mod view;
mod waits;
mod wire;

pub use message::{Message, RANKS_MAX, VIEWS_MAX};
pub use quorum::Quorum;
pub use report::{Action, Doing, Event, Notice, Status};
pub use settings::Settings;
pub use state::Membership;
pub use term::Term;
pub use view::View;
pub use wire::MalformedMessage;
