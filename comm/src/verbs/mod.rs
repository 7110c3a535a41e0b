//! The rung between nodes: RDMA writes with immediate data, over reliable connections of libibverbs.
//!
//! The peer's memory is written by the two devices alone, no processor takes part; the immediate tells the peer. Ranges of
//! one write go as one chain of work requests, of which the last carries the notification: reliable connections deliver in
//! order, hence *data before word*. What arrives takes a receive without memory; where a peer has none left, its device
//! makes the sender wait, without end and without an error.
//!
//! - [`device`]: which ports serve, decided over plain data that [`discover`] gathers.
//! - [`offer`]: what a peer must know; checked to the last byte.
//! - `connection`, `lane`, `send_queue`, `plan`: one connection, one queue pair of it, their books, and how a write becomes messages.
//! - `context`, `memory`, `queue_pair`: the library's objects, as handles that end in the right order.
//!
//! **Several rails.** Of equally near ports each is a rail, with one queue pair a peer. Large writes are spread over them;
//! their notification is sent once the other rails' parts are acknowledged. With one rail nothing of this happens.
//!
//! **Greeting.** Of two ranks the lower one speaks first, with an empty write, and repeats it until the peer's queue pair is
//! there to acknowledge it: otherwise the first write to a peer that connects late would break the connection.

mod connection;
mod context;
pub mod device;
pub mod device_memory;
pub mod discover;
mod lane;
mod locality;
mod memory;
mod memory_keys;
pub mod offer;
pub(crate) mod opened;
mod options;
mod plan;
pub(crate) mod queue_pair;
mod reopen;
pub mod route;
mod rung;
mod send_queue;
mod transport;
mod watch;
mod work_id;

pub use options::Options;
pub use rung::Verbs;
