//! The fabric among the processes of a run: MPI to start, and every other rung that this build and machine have.

use std::ops::RangeInclusive;
use std::time::Instant;

use crate::control::draw_key;
use crate::error::{CommError, Malformed};
use crate::fabric::{Bootstrap, Endpoint};
use crate::idle::Patience;
use crate::ids::{Rank, Rung};
use crate::ladder::{Ladder, Policy, Standing};
use crate::mpi;
use crate::packets::{Compression, Limits, Packets};
use crate::port::Port;
use crate::shm::Shm;
use crate::tcp::TcpPort;
use crate::transport::{Transport, Unavailable};
use crate::verbs::{self, Verbs};

/// Who draws the key of a run.
const MASTER: Rank = Rank(0);

/// A fabric among processes. It stays in the thread that started it, as MPI demands.
pub type WorldFabric = Ladder<dyn Transport>;

/// How a fabric starts.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bounds of the packet rungs, and of what waits for delivery.
    pub limits: Limits,
    /// How ranks wait.
    pub patience: Patience,
}

impl Default for Options {
    fn default() -> Self {
        Self { limits: Limits::default(), patience: Patience::SHARED_CORE }
    }
}

/// What a run asks of its fabric; the same on all ranks.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Which rungs may serve.
    pub policy: Policy,
    /// When packets carry differences.
    pub compression: Compression,
    /// TCP ports to listen on: the first free one, or any where all are taken.
    pub ports: RangeInclusive<u16>,
}

impl Default for Wish {
    fn default() -> Self {
        Self { policy: Policy::default(), compression: Compression::default(), ports: 0..=0 }
    }
}

/// Starts MPI and returns the fabric among all ranks of the launcher, with MPI as its only rung so far. To be called once, from the
/// main thread.
///
/// # Errors
/// As [`mpi::start`].
pub fn start(options: &Options, deadline: Instant) -> Result<WorldFabric, CommError> {
    let Options { limits, patience } = *options;
    let port = mpi::start(patience, deadline)?;
    let (me, size) = (port.rank(), port.size());
    let first: Box<dyn Transport> = Box::new(Packets::new(port, limits));
    Ladder::new(me, size, first, Policy::default(), limits, patience)
}

/// Adds all other rungs that this machine has; before the first segment. All ranks call it with the same wish.
///
/// # Errors
/// [`CommError::Timeout`] or [`CommError::PeerFailed`] naming who is missing. A rung that is not to be had is no error.
pub fn equip(fabric: &mut WorldFabric, wish: &Wish, deadline: Instant) -> Result<(), CommError> {
    let (me, size) = (fabric.rank(), fabric.size());
    let limits = fabric.limits();
    let key = key(fabric, deadline)?;
    fabric.find_neighbours(deadline)?;
    let one_node = fabric.is_one_node();
    // What no pair may take is not even opened: it would register memory for nothing.
    let mut add = |rung: Rung, open: &dyn Fn() -> Result<Box<dyn Transport>, Unavailable>| {
        let between_nodes = wish.policy.standing(rung, false);
        let outcome = match wish.policy.standing(rung, true) {
            Standing::Barred(reason) if one_node || between_nodes != Standing::Allowed => Err(Unavailable::new(reason)),
            _ => open(),
        };
        match outcome {
            Ok(transport) => fabric.add(transport),
            Err(reason) => fabric.miss(rung, reason.0),
        }
    };
    add(Rung::Shm, &|| Ok(Box::new(Shm::open(me, size)?)));
    add(Rung::Verbs, &|| Ok(Box::new(Verbs::open(me, size, verbs::Options::from_env()?)?)));
    add(Rung::Tcp, &|| Ok(Box::new(Packets::new(TcpPort::open(me, size, wish.ports.clone(), key)?, limits))));
    fabric.set_policy(wish.policy);
    fabric.set_compression(wish.compression);
    Ok(())
}

/// The secret of this run, which rank 0 draws: who knows it belongs to the run.
fn key(fabric: &mut WorldFabric, deadline: Instant) -> Result<[u8; 32], CommError> {
    let mut bytes = Vec::new();
    if fabric.rank() == MASTER {
        bytes.extend(draw_key()?);
    }
    fabric.broadcast(MASTER, &mut bytes, deadline)?;
    let sent = <[u8; 32]>::try_from(bytes.as_slice());
    sent.map_err(|_| CommError::Malformed {
        peer: MASTER,
        what: Malformed::Length { words: bytes.len() / 4, expected: 8 },
    })
}

/// Ends the fabric and with it the use of MPI.
///
/// `clean`: all ranks call it, meet at a barrier, and MPI is finalised. Otherwise (some rank has failed) nothing is
/// said to MPI at all, as any word may hang or take the survivors down: the caller flushes its files and leaves by
/// [`mpi::exit_now`], so that the library's exit handlers do not run either.
///
/// # Errors
/// What kept the barrier from being passed: MPI is not finalised then, and the caller leaves as after a failure.
pub fn shutdown(mut fabric: WorldFabric, clean: bool, deadline: Instant) -> Result<(), CommError> {
    if !clean {
        return Ok(());
    }
    fabric.barrier(deadline)?;
    fabric.flush_all(deadline)?;
    drop(fabric);
    mpi::finalize()
}
