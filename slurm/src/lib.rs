//! Who started this process, as which rank of how many, where: read from the environment that launchers leave.
//!
//! Plain parsing. The environment is passed in, so that every launcher can be tested without one.

#![forbid(unsafe_code)]

pub mod hostlist;
pub mod launch;

pub use hostlist::HostlistError;
pub use launch::{Allocation, EnvError, Launch, Launcher};
