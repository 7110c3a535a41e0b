//! Assignment of batches to ranks, at the start and when the load has shifted.
//!
//! Pure functions of numbers: no clock, no sockets. None of it reaches the result, only the time that it takes.

mod balance;
mod strategy;

pub use balance::{Balancer, MOVES_MAX, Rule};
pub use strategy::{Capability, Demand, assign};
