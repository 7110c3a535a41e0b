//! A rank with the verbs rung, in this process or driven line by line in a child process.

mod child;
mod node;

pub use child::{Child, hex, serve, unhex};
pub use node::Node;
