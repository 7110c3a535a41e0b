//! One rank of a run: its control thread is the membership, its computing thread a machine of phases.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use rankzero_comm::Rank;
use rankzero_comm::member::{Action, Doing, Event, Membership, Notice, Status, Term, View};
use rankzero_epoch::{Bases, Batch, Epoch, Inventory, Ledger, Shelf};

use super::checkpoint::Checkpoints;
use super::engine::Layout;
use super::link::Link;
use super::truth::{State, Truth};
use super::words::{Decision, RunMessage, What, Word};
use crate::{Input, Node, Output, Random};

/// What is asked of a rank.
#[derive(Clone, Debug)]
pub enum RunOrder {
    /// Its computing thread stands still from now on.
    Hang,
    /// This newcomer wants in.
    Admit(Rank),
    /// This member leaves.
    Dismiss(Rank),
}

/// A place at which a rank may be made to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// Before a step.
    Step,
    /// An epoch was declared, nothing is copied yet.
    Epoch,
    /// Copies wait to leave.
    Copied,
    /// Some pieces have left.
    Halfway,
    /// The master commits.
    Commit,
    /// A view is in force that this rank has not entered yet.
    View,
    /// It has entered the view.
    Entered,
    /// The master has all inventories.
    Gathered,
    /// The plan is known.
    Planned,
    /// The state is restored.
    Restored,
    /// The first step after a recovery is done.
    Resumed,
    /// A part of a checkpoint is written.
    Part,
    /// The master is about to make a checkpoint count.
    Manifest,
    /// The last step is done.
    End,
    /// The master has concluded the run.
    Summary,
}

impl Point {
    /// All of them.
    pub const ALL: [Point; 15] = [
        Point::Step,
        Point::Epoch,
        Point::Copied,
        Point::Halfway,
        Point::Commit,
        Point::View,
        Point::Entered,
        Point::Gathered,
        Point::Planned,
        Point::Restored,
        Point::Resumed,
        Point::Part,
        Point::Manifest,
        Point::End,
        Point::Summary,
    ];
}

/// Where the computing thread is.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// Before a step.
    Begin,
    /// A batch moves: before and after it was sent.
    Moving(bool),
    /// The header is ready, but older ones still leave.
    Ready([u64; super::words::HEADER_WORDS]),
    /// Waits for everybody's header.
    Exchange,
    /// Computes.
    Computing { until: Duration, next: Vec<(Batch, State)> },
    /// An epoch begins, but older copies still leave.
    Opening(Epoch),
    /// Hashes are to be sent, but older ones still leave.
    Hashing { end: bool },
    /// Waits for a view in force.
    Await,
    /// Waits for markers.
    Entering(View),
    /// The master gathers inventories.
    Leading(View, BTreeMap<Rank, Inventory>),
    /// Waits for the plan.
    Following(View),
    /// Loads a checkpoint, until then.
    Loading { until: Duration, view: View, recovery: super::words::Recovery },
    /// The master waits for the hashes of the end, then for everybody.
    Concluding { hashed: bool },
    /// Waits for the end of the run.
    HandedIn,
    /// The run has ended.
    Done,
    /// The run goes on without this rank.
    Out,
}

/// A rank.
pub struct RunNode {
    /// The state machine of the membership.
    pub membership: Membership,
    /// Proposals since these were looked at.
    pub proposed: Vec<(View, Vec<Term>)>,
    /// Whether the computing thread stands still.
    pub hung: bool,
    /// It is to stand still as soon as it computes: who waits, looks at the desk all the time.
    hangs: bool,
    /// It has come to the point at which it is to end.
    pub killed: bool,
    /// At which point, and at which pass.
    pub blow: Option<(Point, u32)>,
    pub(super) me: Rank,
    pub(super) truth: Rc<RefCell<Truth>>,
    pub(super) random: Random,
    pub(super) layout: Layout,
    pub(super) link: Link,
    pub(super) phase: Phase,
    pub(super) now: Duration,
    pub(super) out: Vec<Output<RunMessage>>,
    // The desk.
    pub(super) status: Status,
    pub(super) attended: Term,
    pub(super) inbox: VecDeque<(Rank, Word)>,
    pub(super) waits: Option<(Rank, Duration)>,
    waited_ms: u32,
    pub(super) work: u64,
    // The engine.
    pub(super) master: Rank,
    pub(super) owners: Vec<Rank>,
    /// As they were when the present epoch began.
    pub(super) epoch_owners: Vec<Rank>,
    pub(super) step: u64,
    pub(super) epoch: Option<Epoch>,
    pub(super) shelf: Shelf,
    /// As it was before the present epoch, for a mistake on purpose.
    pub(super) old_shelf: Shelf,
    pub(super) bases: Bases,
    pub(super) replicated: u32,
    pub(super) hashed: u64,
    // The drive.
    pub(super) view: View,
    pub(super) ledger: Ledger,
    /// The least index that anybody has delivered.
    pub(super) heard_replicated: u32,
    pub(super) heard: Decision,
    pub(super) pending: Option<(Batch, Rank)>,
    pub(super) fenced: BTreeSet<Rank>,
    pub(super) handed_in: BTreeSet<Rank>,
    pub(super) resuming: bool,
    pub(super) checkpoints: Checkpoints,
    traced: bool,
}

impl RunNode {
    /// A rank of a run that begins with `view`.
    pub fn new(membership: Membership, view: View, truth: Rc<RefCell<Truth>>, random: Random, traced: bool) -> RunNode {
        let me = membership.me();
        let layout = Layout::new(&truth.borrow());
        let (capacity, batches, piece_us, mutation) = {
            let truth = truth.borrow();
            (truth.rules.capacity, truth.batches(), truth.rules.piece_us, truth.rules.mutation)
        };
        let mut link = Link::new(me, capacity, &view.members, layout.words(), piece_us);
        link.heedless = mutation == Some(super::Mutation::NoMarkers);
        let mut members = view.members.clone();
        members.sort_unstable();
        let mut node = RunNode {
            proposed: Vec::new(),
            hung: false,
            hangs: false,
            killed: false,
            blow: None,
            me,
            random,
            layout,
            link,
            phase: if view.contains(me) { Phase::Begin } else { Phase::Await },
            now: Duration::ZERO,
            out: Vec::new(),
            status: membership.status(),
            attended: view.term,
            inbox: VecDeque::new(),
            waits: None,
            waited_ms: 0,
            work: 0,
            master: view.master(),
            owners: (0..batches).map(|batch| members[batch as usize % members.len()]).collect(),
            epoch_owners: Vec::new(),
            step: 0,
            epoch: None,
            shelf: Shelf::default(),
            old_shelf: Shelf::default(),
            bases: Bases::default(),
            replicated: 0,
            hashed: 0,
            ledger: Ledger::resume(Epoch::START),
            heard_replicated: 0,
            heard: Decision::default(),
            pending: None,
            fenced: BTreeSet::new(),
            handed_in: BTreeSet::new(),
            resuming: false,
            checkpoints: Checkpoints::default(),
            membership,
            view,
            truth,
            traced,
        };
        node.load_start();
        node
    }

    /// Whether the run has ended for this rank, and all that it had to say is delivered.
    pub fn has_left(&self) -> bool {
        let dead = self.membership.dead();
        let delivered = |peer: &Rank| dead.contains(peer) || self.link.is_delivered(*peer);
        matches!(self.phase, Phase::Done) && self.link.others.iter().all(delivered)
    }

    /// Whether the run has ended for this rank.
    pub fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Done)
    }

    /// Whether the run goes on without it.
    pub fn is_out(&self) -> bool {
        matches!(self.membership.status(), Status::Excluded { .. })
    }

    /// The view that it computes in, or has begun to enter.
    pub fn attended(&self) -> Term {
        self.attended
    }

    /// The view in which it was restored last.
    pub fn computes_in(&self) -> Term {
        self.view.term
    }

    /// In short, for a failure.
    pub fn line(&self) -> String {
        format!("{}: step {}, {:?}, {:?}, view {:?}", self.me, self.step, self.phase, self.status, self.view)
    }

    /// Passes a point at which it may be made to end. Whether it ends.
    pub(super) fn pass(&mut self, point: Point) -> bool {
        if let Some((at, passes)) = self.blow.as_mut().filter(|(at, _)| *at == point) {
            let _ = at;
            *passes = passes.saturating_sub(1);
            if *passes == 0 {
                self.killed = true;
                self.note(|| format!("ends at {point:?}"));
            }
        }
        self.killed
    }

    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        if self.traced {
            self.out.push(Output::Note(line()));
        }
    }

    /// Whether the view that it computes in is no longer in force; without a quorum it may come back.
    pub(super) fn disturbed(&self) -> bool {
        match &self.status {
            Status::Steady(view) => view.term != self.attended,
            Status::NoQuorum => false,
            Status::Changing | Status::Excluded { .. } => true,
        }
    }

    /// The newest commit that it knows of.
    pub(super) fn knows(&self, epoch: Epoch) {
        self.truth.borrow_mut().known.insert(self.me, (self.view.term, epoch));
    }

    pub(super) fn post(&mut self, to: Rank, term: Term, what: What) {
        self.link.post(to, Word { term, what }, &mut self.out);
    }

    fn feed(&mut self, event: Event) {
        let mut actions = Vec::new();
        self.membership.on(event, self.now, &mut actions);
        for action in actions {
            match action {
                Action::Send { to, message } => {
                    self.out.push(Output::Send { to, message: RunMessage::Member(message) })
                }
                Action::Status(status) => {
                    self.note(|| format!("{status:?}"));
                    self.status = status;
                }
                Action::Notice(Notice::Proposing { view, after }) => self.proposed.push((view, after)),
                Action::Notice(notice) => self.note(|| format!("{notice:?}")),
            }
        }
    }

    fn message(&mut self, from: Rank, message: RunMessage) {
        match message {
            RunMessage::Member(message) => self.feed(Event::Message { from, message }),
            RunMessage::Data(number, data) => {
                let writes = self.link.arrived(from, number, data, &mut self.out);
                self.store(from, writes);
            }
            RunMessage::Mail(number, word) => {
                if self.link.takes_mail(from, number, &mut self.out) {
                    self.inbox.push_back((from, word));
                }
            }
            RunMessage::DataAck(count) => self.link.acknowledged(from, count),
            RunMessage::MailAck(count) => self.link.mail_acknowledged(from, count),
            RunMessage::Resume { data, mail } => self.link.resume(from, data, mail, &mut self.out),
        }
    }

    fn progress(&mut self) -> Event {
        let beside = matches!(
            self.phase,
            Phase::Await
                | Phase::Leading(..)
                | Phase::Following(_)
                | Phase::HandedIn
                | Phase::Concluding { hashed: true }
        );
        // Who waits for mail is well, and looks for it all the time.
        if beside && !self.hung && self.truth.borrow().rules.mutation != Some(super::Mutation::MuteWaiting) {
            self.works();
        }
        let doing = match self.waits {
            Some((on, since)) => {
                if !beside {
                    self.waited_ms = self.now.saturating_sub(since).as_millis() as u32;
                }
                Doing::Waiting { on, for_ms: self.waited_ms }
            }
            None => Doing::Computing,
        };
        Event::Progress { steps: self.work, doing }
    }

    /// The computing thread goes on as far as it can.
    fn go_on(&mut self) {
        // An end to what would never end is a failure that is told.
        for _ in 0..10_000 {
            self.hung |= self.hangs && matches!(self.phase, Phase::Computing { .. });
            if self.killed || self.hung {
                return;
            }
            self.tend_disk();
            if self.killed || !self.turn() {
                return;
            }
        }
        let line = self.line();
        self.truth.borrow_mut().fail(|| format!("does not come to rest: {line}"));
    }

    /// When the computing thread has something to do by itself.
    fn due(&self) -> Duration {
        let phase = match &self.phase {
            Phase::Computing { until, .. } | Phase::Loading { until, .. } => *until,
            _ => Duration::MAX,
        };
        phase.min(self.checkpoints.due()).min(self.link.deadline())
    }
}

impl Node for RunNode {
    type Message = RunMessage;
    type Order = RunOrder;

    fn on(&mut self, input: Input<RunMessage, RunOrder>, now: Duration, out: &mut Vec<Output<RunMessage>>) {
        if self.killed {
            return;
        }
        self.now = now;
        match input {
            Input::Tick => {
                // Whoever computes gives signs of life; who has ended its part is waited for by nobody.
                if !self.hung && matches!(self.phase, Phase::Computing { .. } | Phase::Loading { .. } | Phase::Done) {
                    self.work += 1;
                }
                let progress = self.progress();
                self.feed(progress);
                self.feed(Event::Tick);
            }
            Input::Message { from, message } => self.message(from, message),
            Input::Connected { peer } => {
                self.feed(Event::Connected { peer });
                self.link.connected(peer, &mut self.out);
            }
            Input::Lost { peer, proof } => self.feed(Event::Lost { peer, proof }),
            Input::Evidence { peer, proof } => self.feed(Event::Evidence { peer, proof }),
            Input::Order(RunOrder::Admit(rank)) => self.feed(Event::Admit { rank }),
            Input::Order(RunOrder::Dismiss(rank)) => self.feed(Event::Dismiss { rank }),
            Input::Order(RunOrder::Hang) => self.hangs = true,
        }
        self.go_on();
        if !self.killed {
            self.link.flush(now, &mut self.random, &mut self.out);
        }
        out.append(&mut self.out);
    }

    fn deadline(&self) -> Duration {
        if self.killed {
            return Duration::MAX;
        }
        if self.hung {
            self.membership.deadline().min(self.link.deadline())
        } else {
            self.membership.deadline().min(self.due())
        }
    }

    fn size(_: &RunMessage) -> usize {
        0
    }

    fn leads(&self) -> Option<u64> {
        let view = self.membership.view();
        let leads = view.master() == self.membership.me() && !self.is_out();
        leads.then_some(u64::from(view.term.round) << 32 | u64::from(view.term.candidate.0))
    }
}
