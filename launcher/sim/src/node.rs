//! What a simulated rank is.

use std::fmt::Debug;
use std::time::Duration;

use rankzero_comm::Rank;

/// What happens to a node.
#[derive(Clone, Debug)]
pub enum Input<M, O> {
    /// Its deadline has come.
    Tick,
    /// A message has arrived.
    Message {
        /// Its sender.
        from: Rank,
        /// The message.
        message: M,
    },
    /// There is a connection to `peer` again.
    Connected {
        /// To whom.
        peer: Rank,
    },
    /// The connection to `peer` is gone.
    Lost {
        /// To whom.
        peer: Rank,
        /// Whether its process has ended for certain.
        proof: bool,
    },
    /// Something beside the network tells of `peer`.
    Evidence {
        /// Of whom.
        peer: Rank,
        /// Whether its process has ended for certain.
        proof: bool,
    },
    /// What the user, or a fault, does to this node.
    Order(O),
}

/// What a node does.
#[derive(Clone, Debug)]
pub enum Output<M> {
    /// It sends; lost where there is no connection.
    Send {
        /// To whom.
        to: Rank,
        /// The message.
        message: M,
    },
    /// A line for the trace.
    Note(String),
}

/// The state machines of one rank, without I/O and without a clock.
pub trait Node {
    /// What nodes send to each other.
    type Message: Clone + Debug;
    /// What may be asked of a node from outside.
    type Order: Clone + Debug;

    /// Deals with `input` at `now`, and adds what it does to `out`.
    fn on(&mut self, input: Input<Self::Message, Self::Order>, now: Duration, out: &mut Vec<Output<Self::Message>>);

    /// When it wants [`Input::Tick`].
    fn deadline(&self) -> Duration;

    /// How many bytes a message takes on the wire.
    fn size(message: &Self::Message) -> usize;

    /// For who leads the run, as it believes itself: how new that claim is.
    fn leads(&self) -> Option<u64>;
}
