//! Memory shared between the processes of one node.

mod mapping;

pub use mapping::Mapping;
