//! The fabric among the processes of a run: MPI to start, or TCP where ranks meet in a directory, and every other rung that this build and
//! machine have; without either for processes that come later.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use crate::error::CommError;
use crate::fabric::{Bootstrap, Courier, Endpoint, Resident};
use crate::idle::Patience;
use crate::ids::{Rank, Rung};
use crate::key::RunKey;
use crate::ladder::{Ladder, Policy, Standing, node_identity};
use crate::mpi;
use crate::packets::{Compression, Limits, Packets};
use crate::port::Port;
use crate::rendezvous::{Rendezvous, RendezvousError};
use crate::shm::Shm;
use crate::tcp::{TcpCarrier, TcpPort};
use crate::transport::{Transport, Unavailable};
use crate::verbs::{self, Verbs};

/// Who leaves last.
const MASTER: Rank = Rank(0);
/// Between two looks at the directory where ranks meet, while they connect.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How long the last messages may take to leave.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How long rank 0 waits for the end of the others where no library ends them together.
const LEAVE_LAST: Duration = Duration::from_secs(2);

/// A fabric among processes. It stays in the thread that started it, as MPI demands.
pub type WorldFabric = Ladder<dyn Transport>;

/// How a fabric starts.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bounds of the packet rungs, and of what waits for delivery.
    pub limits: Limits,
    /// How ranks wait.
    pub patience: Patience,
    /// Room for so many ranks beyond those that the launcher starts. What is known only once the ranks talk goes into [`Wish`].
    pub newcomers: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { limits: Limits::default(), patience: Patience::SHARED_CORE, newcomers: 0 }
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
    /// Room for so many ranks beyond those that the launcher started, if it is more than at the start.
    pub newcomers: u32,
}

impl Default for Wish {
    fn default() -> Self {
        Self { policy: Policy::default(), compression: Compression::default(), ports: 0..=0, newcomers: 0 }
    }
}

/// Starts MPI and returns the fabric among all ranks of the launcher, with MPI as its only rung so far. To be called once, from the
/// main thread.
///
/// # Errors
/// As [`mpi::start`].
pub fn start(options: &Options, deadline: Instant) -> Result<WorldFabric, CommError> {
    let Options { limits, patience, newcomers } = *options;
    let port = mpi::start(patience, deadline)?;
    let (me, size) = (port.rank(), port.size());
    let first: Box<dyn Transport> = Box::new(Packets::new(port, limits));
    let mut ladder = Ladder::new(me, size, first, Policy::default(), limits, patience)?;
    ladder.make_room(newcomers);
    Ok(ladder)
}

/// The fabric among ranks that meet in a directory, without MPI: TCP is its only rung so far. `at` opens the meeting, again where
/// another one has begun in its place; of `wish` the ports count, and whether the policy asks for encryption. The key of the run follows from
/// that of the meeting, so that it never goes over a network.
///
/// # Errors
/// [`CommError::Rendezvous`] or [`CommError::Timeout`] naming who is missing, or what a meeting or a port says.
pub fn start_bare(
    at: impl Fn() -> Result<Rendezvous, RendezvousError>,
    options: &Options,
    wish: &Wish,
    deadline: Instant,
) -> Result<WorldFabric, CommError> {
    // As MPI's start does; without it short sleeps take fifty times as long as asked for.
    let _ = nix::sys::prctl::set_timerslack(1000);
    loop {
        match meet(&at()?, options, wish, deadline) {
            Err(CommError::Rendezvous(RendezvousError::Renewed(dir))) => {
                tracing::info!(dir = %dir.display(), "what was there is of an earlier run; meeting again");
            }
            outcome => return outcome,
        }
    }
}

/// All ranks connected.
fn meet(meeting: &Rendezvous, options: &Options, wish: &Wish, deadline: Instant) -> Result<WorldFabric, CommError> {
    let begun = Instant::now();
    let Options { limits, patience, newcomers } = *options;
    let (me, size) = (meeting.rank(), meeting.size());
    let failed = |reason: Unavailable| CommError::Io {
        operation: "listening for the other ranks",
        peer: None,
        source: std::io::Error::other(reason.0),
    };
    // Ranks that come later know this key, and connect by it to the same port.
    let key = RunKey::from_bytes(meeting.key_for("run"));
    let mut port = TcpCarrier::open(me, size, wish.ports.clone(), key.data()).map_err(failed)?;
    if wish.policy.encrypted {
        port.seal();
    }
    // An earlier process of this number may have left its word, until rank 0 comes and makes it worthless.
    while let Err(error) = meeting.publish("tcp", port.address()) {
        if !matches!(error, RendezvousError::Twice { .. }) || Instant::now() >= deadline {
            return Err(error.into());
        }
        meeting.check_on(&[])?;
        std::thread::sleep(LOOK_AGAIN);
    }
    let addresses = meeting.collect("tcp", deadline)?;
    for (peer, address) in Rank::all(size).zip(&addresses).filter(|&(peer, _)| peer != me) {
        port.reach(peer, address).map_err(|reason| CommError::NoPath { rank: me, reasons: reason.0 })?;
    }
    let first: Box<dyn Transport> = Box::new(Packets::new(port, limits));
    let mut fabric = Ladder::new(me, size, first, Policy::default(), limits, patience)?;
    fabric.share_key(key);
    fabric.make_room(newcomers);
    let mut look_at = begun;
    loop {
        fabric.progress(true)?;
        let missing = fabric.unheard();
        let now = Instant::now();
        if missing.is_empty() {
            break;
        }
        if let Some((peer, cause)) = missing.iter().find_map(|&peer| Some((peer, fabric.failure(peer)?))) {
            return Err(CommError::PeerFailed { peer, cause });
        }
        if now >= deadline {
            let operation = "connecting all ranks over TCP";
            return Err(CommError::Timeout { operation, waited: begun.elapsed(), missing });
        }
        if now >= look_at {
            look_at = now + LOOK_AGAIN;
            meeting.check_on(&missing)?;
        }
        fabric.wait(deadline.min(look_at));
    }
    // Whoever is through has read everything that is there.
    fabric.barrier(deadline)?;
    if me == MASTER {
        meeting.clear();
    }
    Ok(fabric)
}

/// Adds all other rungs that this machine has; before the first segment. All ranks call it with the same wish and key.
///
/// # Errors
/// [`CommError::Timeout`] or [`CommError::PeerFailed`] naming who is missing. A rung that is not to be had is no error.
pub fn equip(fabric: &mut WorldFabric, wish: &Wish, key: &RunKey, deadline: Instant) -> Result<(), CommError> {
    fabric.make_room(wish.newcomers);
    fabric.find_neighbours(deadline)?;
    let one_node = fabric.is_one_node();
    add_rungs(fabric, wish, key, one_node);
    Ok(())
}

/// The fabric of a process that comes later, as rank `me`, to a run with room for `capacity` ranks: all rungs that this machine has but MPI,
/// and `courier` for what has to be said until one of them serves. `wish` and `key` are those of the run, `others` who takes part. To be
/// followed by the segments, as on all ranks, and then by [`crate::Fabric::admit`] with `others`.
///
/// # Errors
/// [`CommError::NoPath`] where this machine has no rung at all.
pub fn join(
    me: Rank,
    capacity: u32,
    others: &[Resident],
    wish: &Wish,
    key: &RunKey,
    options: &Options,
    courier: Box<dyn Courier + Send>,
) -> Result<WorldFabric, CommError> {
    if me.0 >= capacity {
        return Err(CommError::UnknownPeer { peer: me, size: capacity });
    }
    let mut fabric = Ladder::newcomer(me, capacity, wish.policy, options.limits, options.patience);
    crate::Fabric::set_courier(&mut fabric, courier);
    fabric.miss(Rung::Mpi, "started after the others, without MPI".to_owned());
    let here = node_identity();
    // More may come, from elsewhere.
    let one_node = others.iter().all(|other| other.node == here) && others.len() as u32 + 1 >= capacity;
    add_rungs(&mut fabric, wish, key, one_node);
    match fabric.reasons_without_rungs() {
        Some(reasons) => Err(CommError::NoPath { rank: me, reasons }),
        None => Ok(fabric),
    }
}

fn add_rungs(fabric: &mut WorldFabric, wish: &Wish, key: &RunKey, one_node: bool) {
    let (me, size) = (fabric.rank(), fabric.size());
    let limits = fabric.limits();
    let bare = is_bare(fabric);
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
    if bare {
        fabric.miss(Rung::Mpi, "the run was started without MPI".to_owned());
    } else {
        let tcp = || {
            let mut port = TcpPort::open(me, size, wish.ports.clone(), key.data())?;
            if wish.policy.encrypted {
                port.seal();
            }
            Ok::<_, Unavailable>(port)
        };
        add(Rung::Tcp, &|| Ok(Box::new(Packets::new(tcp()?, limits))));
    }
    fabric.set_policy(wish.policy);
    fabric.set_compression(wish.compression);
}

/// Whether a fabric came about without MPI.
fn is_bare(fabric: &WorldFabric) -> bool {
    fabric.messenger() == Some(Rung::Tcp)
}

/// Ends the fabric and with it the use of MPI, where that has started it.
///
/// `clean`: all ranks call it; those that started together meet at a barrier, and MPI is finalised. Otherwise (some rank has failed) nothing is
/// said to MPI at all, as any word may hang or take the survivors down: the caller flushes its files and leaves by
/// [`mpi::exit_now`], so that the library's exit handlers do not run either.
///
/// # Errors
/// What kept the barrier from being passed: MPI is not finalised then, and the caller leaves as after a failure.
pub fn shutdown(mut fabric: WorldFabric, clean: bool, deadline: Instant) -> Result<(), CommError> {
    if !clean {
        return Ok(());
    }
    if fabric.at_start() == 0 {
        // It came later and knows nothing of MPI.
        return fabric.flush_all(deadline);
    }
    fabric.barrier(deadline)?;
    // All have said that they are through; what a library still holds back then may never leave.
    fabric.flush_all(deadline.min(Instant::now() + LAST_WORDS))?;
    if !is_bare(&fabric) {
        drop(fabric);
        return mpi::finalize();
    }
    if fabric.rank() == MASTER {
        // Its last word lets the others go, and the end of a process may take words away that are still on their way.
        leave_last(&mut fabric, deadline.min(Instant::now() + LEAVE_LAST))?;
    }
    Ok(())
}

/// Waits until the processes of all others have ended.
fn leave_last(fabric: &mut WorldFabric, deadline: Instant) -> Result<(), CommError> {
    let others = Rank::all(fabric.at_start()).filter(|&peer| peer != MASTER);
    for peer in others {
        while fabric.failure(peer).is_none() && Instant::now() < deadline {
            fabric.progress(true)?;
            fabric.wait(deadline);
        }
    }
    Ok(())
}
