//! Where the thread that computes and the thread that watches over the membership leave words for each other.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::FailureCause;
use crate::fabric::Courier;
use crate::ids::Rank;
use crate::member::{Doing, Notice, Status, Term, View};

/// Most words between fabrics that wait here, in pieces.
const PARCELS_MAX: usize = 1024;
/// Nobody is waited for.
const NOBODY: u32 = u32::MAX;

/// Bytes from the computing thread of another rank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The sender.
    pub from: Rank,
    /// What it says; its meaning is the caller's.
    pub bytes: Vec<u8>,
}

/// What the computing thread asks of the other one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A data path says this of a peer.
    Report(Rank, FailureCause),
    /// Take a newcomer in; on the master.
    Admit(Rank),
    /// Let a member go; on the master.
    Dismiss(Rank),
    /// Send this.
    Post(Rank, Vec<u8>),
    /// Send this to the fabric of another rank.
    Carry(Rank, Vec<u32>),
    /// Connect to a newcomer by its offer.
    Connect(Rank, Vec<u8>),
}

/// A desk; clones share it.
#[derive(Clone, Debug)]
pub struct Desk(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    standing: Mutex<Standing>,
    changed: Condvar,
    /// Whether the computing thread is to stop; kept beside the lock, as it is asked at every turn.
    disturbed: AtomicBool,
    waits_on: AtomicU32,
    waited_ms: AtomicU32,
    work: AtomicU64,
    /// Whether the computing thread is outside of what is watched: in a file system, say, which may take any time.
    outside: AtomicBool,
    /// Whether something is there for the fabric; kept beside the lock, likewise.
    brought: AtomicBool,
    requests: Mutex<Vec<Request>>,
    /// Wakes the other thread.
    waker: Mutex<Option<Waker>>,
}

struct Waker(Box<dyn Fn() + Send>);

impl std::fmt::Debug for Waker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waker")
    }
}

#[derive(Debug)]
struct Standing {
    status: Status,
    since: Instant,
    /// Whether it is to stop where there is no quorum.
    stops: bool,
    /// Of the view that the computing thread computes in.
    attended: Term,
    dead: BTreeSet<Rank>,
    suspects: BTreeSet<Rank>,
    linked: BTreeSet<Rank>,
    inbox: VecDeque<Mail>,
    /// For the fabric.
    parcels: VecDeque<(Rank, Vec<u32>)>,
    notices: Vec<(Instant, Notice)>,
    /// A newcomer has connected and waits to be taken in.
    callers: Vec<(Rank, Vec<u8>)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds one of these locks; what a poisoned one holds is whole all the same.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    /// A desk in a view that is in force.
    pub fn new(view: View) -> Desk {
        let standing = Standing {
            attended: view.term,
            status: Status::Steady(view),
            since: Instant::now(),
            stops: false,
            dead: BTreeSet::new(),
            suspects: BTreeSet::new(),
            linked: BTreeSet::new(),
            inbox: VecDeque::new(),
            parcels: VecDeque::new(),
            notices: Vec::new(),
            callers: Vec::new(),
        };
        Desk(Arc::new(Shared {
            standing: Mutex::new(standing),
            changed: Condvar::new(),
            disturbed: AtomicBool::new(false),
            waits_on: AtomicU32::new(NOBODY),
            waited_ms: AtomicU32::new(0),
            work: AtomicU64::new(0),
            outside: AtomicBool::new(false),
            brought: AtomicBool::new(false),
            requests: Mutex::new(Vec::new()),
            waker: Mutex::new(None),
        }))
    }

    // The computing thread's side.

    /// Whether the view that it computes in is no longer in force. Cheap. Without a quorum it is not disturbed: it may come back.
    pub fn disturbed(&self) -> bool {
        self.0.disturbed.load(Ordering::Acquire)
    }

    /// How things stand.
    pub fn status(&self) -> Status {
        lock(&self.0.standing).status.clone()
    }

    /// Since when.
    pub fn since(&self) -> Instant {
        lock(&self.0.standing).since
    }

    /// Whether the computing thread is to stop where there is no quorum, rather than wait for one.
    pub fn stop_without_quorum(&self, stop: bool) {
        lock(&self.0.standing).stops = stop;
    }

    /// See [`Desk::stop_without_quorum`].
    pub fn stops_without_quorum(&self) -> bool {
        lock(&self.0.standing).stops
    }

    /// It computes in the view of this term from now on.
    pub fn attend(&self, term: Term) {
        let mut standing = lock(&self.0.standing);
        standing.attended = term;
        self.judge(&standing);
    }

    /// Waits until something changes or comes in, at most until `deadline`.
    pub fn wait(&self, deadline: Instant) {
        let standing = lock(&self.0.standing);
        let left = deadline.saturating_duration_since(Instant::now());
        drop(self.0.changed.wait_timeout(standing, left));
    }

    /// Who is proven dead.
    pub fn dead(&self) -> BTreeSet<Rank> {
        lock(&self.0.standing).dead.clone()
    }

    /// Who has been silent for too long and is not proven dead, also where the others go on without it.
    pub fn suspects(&self) -> BTreeSet<Rank> {
        lock(&self.0.standing).suspects.clone()
    }

    /// To whom a control link stands.
    pub fn linked(&self) -> BTreeSet<Rank> {
        lock(&self.0.standing).linked.clone()
    }

    /// Tells what a data path says of a peer.
    pub fn report(&self, peer: Rank, cause: FailureCause) {
        self.request(Request::Report(peer, cause));
    }

    /// It waits for `peer`, since `waited`.
    pub fn waiting(&self, peer: Rank, waited: Duration) {
        self.0.waits_on.store(peer.0, Ordering::Relaxed);
        self.0.waited_ms.store(u32::try_from(waited.as_millis()).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// It computes again; also a sign of life, to be given now and then.
    pub fn working(&self) {
        self.0.waits_on.store(NOBODY, Ordering::Relaxed);
        self.0.work.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether it does something whose duration tells nothing of its health, such as writing a file: meanwhile it is not taken for hung.
    pub fn outside(&self, outside: bool) {
        self.0.outside.store(outside, Ordering::Relaxed);
        self.working();
    }

    /// Sends bytes to the computing thread of another rank; lost where there is no connection.
    pub fn post(&self, to: Rank, bytes: Vec<u8>) {
        self.request(Request::Post(to, bytes));
    }

    /// Asks something of the other thread.
    pub fn request(&self, request: Request) {
        lock(&self.0.requests).push(request);
        self.wake();
    }

    /// The oldest mail.
    pub fn take_mail(&self) -> Option<Mail> {
        lock(&self.0.standing).inbox.pop_front()
    }

    /// What happened since the last call, with its time.
    pub fn take_notices(&self) -> Vec<(Instant, Notice)> {
        std::mem::take(&mut lock(&self.0.standing).notices)
    }

    /// Newcomers that have connected since the last call, with what they say of themselves.
    pub fn take_callers(&self) -> Vec<(Rank, Vec<u8>)> {
        std::mem::take(&mut lock(&self.0.standing).callers)
    }

    // The other thread's side.

    pub(crate) fn wake(&self) {
        if let Some(Waker(wake)) = &*lock(&self.0.waker) {
            wake();
        }
    }

    pub(crate) fn set_waker(&self, wake: impl Fn() + Send + 'static) {
        *lock(&self.0.waker) = Some(Waker(Box::new(wake)));
    }

    pub(crate) fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut *lock(&self.0.requests))
    }

    /// What the computing thread does, and its count of work.
    pub(crate) fn doing(&self) -> (u64, Doing) {
        if self.0.outside.load(Ordering::Relaxed) {
            self.0.work.fetch_add(1, Ordering::Relaxed);
        }
        let doing = match self.0.waits_on.load(Ordering::Relaxed) {
            NOBODY => Doing::Computing,
            peer => Doing::Waiting { on: Rank(peer), for_ms: self.0.waited_ms.load(Ordering::Relaxed) },
        };
        (self.0.work.load(Ordering::Relaxed), doing)
    }

    pub(crate) fn set_status(&self, status: Status) {
        let mut standing = lock(&self.0.standing);
        standing.status = status;
        standing.since = Instant::now();
        self.judge(&standing);
        self.0.changed.notify_all();
    }

    pub(crate) fn set_dead(&self, dead: &BTreeSet<Rank>) {
        lock(&self.0.standing).dead.clone_from(dead);
    }

    pub(crate) fn set_linked(&self, peer: Rank, stands: bool) {
        let linked = &mut lock(&self.0.standing).linked;
        if stands {
            linked.insert(peer)
        } else {
            linked.remove(&peer)
        };
        self.0.changed.notify_all();
    }

    pub(crate) fn deliver(&self, mail: Mail) {
        lock(&self.0.standing).inbox.push_back(mail);
        self.0.changed.notify_all();
    }

    /// Puts words before the fabric of this rank. Where that takes none, the oldest are dropped: a fabric asks again.
    pub(crate) fn deliver_to_fabric(&self, from: Rank, words: Vec<u32>) {
        let mut standing = lock(&self.0.standing);
        standing.parcels.push_back((from, words));
        if standing.parcels.len() > PARCELS_MAX {
            standing.parcels.pop_front();
        }
        self.0.brought.store(true, Ordering::Release);
        self.0.changed.notify_all();
    }

    pub(crate) fn notice(&self, notice: Notice) {
        let mut standing = lock(&self.0.standing);
        match notice {
            Notice::Suspected { peer, .. } => drop(standing.suspects.insert(peer)),
            Notice::Trusted { peer } | Notice::ProvenDead { peer } => drop(standing.suspects.remove(&peer)),
            _ => {}
        }
        standing.notices.push((Instant::now(), notice));
        self.0.changed.notify_all();
    }

    fn judge(&self, standing: &Standing) {
        let disturbed = match &standing.status {
            Status::Steady(view) => view.term != standing.attended,
            Status::NoQuorum => standing.stops,
            Status::Changing | Status::Excluded { .. } => true,
        };
        self.0.disturbed.store(disturbed, Ordering::Release);
    }
}

impl Courier for Desk {
    fn send(&self, to: Rank, words: &[u32]) {
        self.request(Request::Carry(to, words.to_vec()));
    }

    fn take(&self) -> Option<(Rank, Vec<u32>)> {
        if !self.0.brought.load(Ordering::Acquire) {
            return None;
        }
        let mut standing = lock(&self.0.standing);
        let oldest = standing.parcels.pop_front();
        self.0.brought.store(!standing.parcels.is_empty(), Ordering::Release);
        oldest
    }
}
