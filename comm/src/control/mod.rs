//! Who is alive, told by threads and connections of their own, so that neither long computing nor a broken data path passes for a death.
//!
//! - [`links`]: connections that come back by themselves;
//! - [`Control`]: the thread that runs [`crate::member::Membership`] over them;
//! - [`Desk`]: where it and the computing thread leave words for each other.

mod desk;
pub mod links;
mod nearby;
mod post;
mod stuck;
mod watch;

pub use desk::{Desk, Mail, Request};
pub use watch::{Alarm, Control, Offers, OnAlarm};
