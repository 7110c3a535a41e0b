//! One process of a run that others join: its membership, its fabric, and what it writes to everybody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rankzero_comm::control::links::Links;
use rankzero_comm::control::{Control, Desk, Offers, Request};
use rankzero_comm::member::{Settings, Status, Term, View};
use rankzero_comm::world::{self, Options, Wish, WorldFabric};
use rankzero_comm::{
    Endpoint, Event, Fabric, Left, Policy, Put, Rank, Resident, RunKey, Rung, Segment, SegmentId, Token, Write,
    node_identity,
};

use crate::members::{LIMIT, Meeting};

/// Ranks that there is room for.
pub const CAPACITY: u32 = 6;
/// Words of a write, and places for writes of one rank.
const WORDS: usize = 5000;
const PLACES: u32 = 8;
/// Writes that everybody must have had of everybody.
const WRITES: u32 = 200;

fn word(from: Rank, to: Rank, number: u32, at: usize) -> u32 {
    number.wrapping_mul(0x9e37_79b9) ^ (from.0 << 28) ^ (to.0 << 24) ^ at as u32
}

/// What the test has left for all parts.
pub struct Play {
    pub meeting: Meeting,
    /// How many start together.
    pub founders: u32,
    /// Who is there in the end.
    cast: BTreeSet<Rank>,
    pub only: Option<Rung>,
}

impl Play {
    pub fn of_parent() -> Play {
        let meeting = Meeting::of_parent();
        let text = |name: &str| String::from_utf8(meeting.wait(name)).expect("text");
        let numbers: Vec<u32> = text("cast").split(' ').map(|word| word.parse().expect("a number")).collect();
        let only = text("only").parse().ok();
        Play { founders: numbers[0], cast: numbers[1..].iter().copied().map(Rank).collect(), only, meeting }
    }

    pub fn wish(&self) -> Wish {
        let policy = Policy { only: self.only, ..Policy::default() };
        Wish { policy, newcomers: CAPACITY - self.founders, ..Wish::default() }
    }

    pub fn key(&self) -> RunKey {
        RunKey::from_bytes(self.meeting.wait("key").try_into().expect("32 bytes"))
    }

    /// Opens the control links and starts the watch over the members of the first view.
    fn watch(&self, me: Rank) -> Control {
        let links = Links::open(me, CAPACITY, 0..=0, self.key().control()).expect("links");
        self.meeting.put(&format!("node-{}", me.0), &node_identity());
        self.meeting.put(&format!("control-{}", me.0), &links.offer());
        let view = View::first(self.founders);
        let others = view.members.iter().filter(|&&rank| rank != me);
        let offers: Offers = others.map(|&rank| (rank, self.meeting.wait(&format!("control-{}", rank.0)))).collect();
        let settings = Settings { result_timeout: LIMIT, ..Settings::default() };
        Control::start(me, view, settings, links, &offers, &Default::default(), Box::new(|_| ())).expect("a thread")
    }

    fn resident(&self, rank: Rank) -> Resident {
        Resident { rank, node: self.meeting.wait(&format!("node-{}", rank.0)) }
    }

    fn residents(&self, me: Rank) -> Vec<Resident> {
        Rank::all(self.founders).filter(|&rank| rank != me).map(|rank| self.resident(rank)).collect()
    }

    /// A rank of a run without MPI, or one that comes later.
    pub fn join(self, me: Rank) -> Part {
        let control = self.watch(me);
        let courier = Box::new(control.desk().clone());
        let others = self.residents(me);
        let (wish, key) = (self.wish(), self.key());
        let fabric = world::join(me, CAPACITY, &others, &wish, &key, &Options::default(), courier).expect("a fabric");
        let mut part = Part::new(self, control, fabric);
        if me.0 < part.play.founders {
            part.fabric.admit(&others).expect("admitted");
        }
        part
    }

    /// A rank that MPI has started: `fabric` is equipped.
    pub fn found(self, mut fabric: WorldFabric) -> Part {
        let control = self.watch(fabric.rank());
        fabric.set_courier(Box::new(control.desk().clone()));
        Part::new(self, control, fabric)
    }
}

pub struct Part {
    pub play: Play,
    control: Option<Control>,
    desk: Desk,
    pub fabric: WorldFabric,
    me: Rank,
    view: View,
    source: Arc<Segment>,
    inbox: Arc<Segment>,
    ids: (SegmentId, SegmentId),
    sent: Vec<u32>,
    arrived: Vec<u32>,
    pending: BTreeMap<Token, Rank>,
    /// Newcomers that were introduced to the control links.
    known: BTreeSet<Rank>,
    looked: Instant,
    /// When the view last changed, until all of it is reached.
    admitted: Option<Instant>,
    pub finished: bool,
}

impl Part {
    fn new(play: Play, control: Control, mut fabric: WorldFabric) -> Part {
        let words = CAPACITY as usize * PLACES as usize * WORDS;
        let [source, inbox] = [(); 2].map(|()| Segment::new(words).expect("memory"));
        let mut register = |segment: &Arc<Segment>| fabric.register(Arc::clone(segment)).expect("registered");
        let ids = (register(&source), register(&inbox));
        let me = fabric.rank();
        // Of a newcomer nobody is in the view yet.
        let view = View::of(Term { round: 0, candidate: Rank(0) }, me, []);
        let view = if me.0 < play.founders { View::first(play.founders) } else { view };
        Part {
            desk: control.desk().clone(),
            control: Some(control),
            me,
            view,
            source,
            inbox,
            ids,
            sent: vec![0; CAPACITY as usize],
            arrived: vec![0; CAPACITY as usize],
            pending: BTreeMap::new(),
            known: Rank::all(play.founders).collect(),
            looked: Instant::now(),
            admitted: Some(Instant::now()),
            finished: false,
            play,
            fabric,
        }
    }

    fn peers(&self) -> Vec<Rank> {
        self.view.members.iter().copied().filter(|&rank| rank != self.me).collect()
    }

    /// What a rank does between two steps.
    pub fn turn(&mut self) {
        if self.looked.elapsed() > Duration::from_millis(2) {
            self.looked = Instant::now();
            self.introduce();
            self.follow_the_view();
        }
        for peer in self.peers() {
            self.write(peer);
        }
        let mut events = Vec::new();
        self.fabric.poll(Instant::now() + Duration::from_micros(200), &mut events).expect("progress");
        events.into_iter().for_each(|event| self.take(event));
    }

    /// Connects to newcomers that have left their address; the master asks for their admission.
    fn introduce(&mut self) {
        self.desk.working();
        for rank in Rank::all(CAPACITY).filter(|&rank| rank != self.me && rank.0 >= self.play.founders) {
            if self.known.contains(&rank) {
                continue;
            }
            let Some(offer) = self.play.meeting.get(&format!("control-{}", rank.0)) else { continue };
            self.known.insert(rank);
            self.desk.request(Request::Connect(rank, offer));
        }
        if self.view.master() == self.me && self.me.0 < self.play.founders {
            let linked = self.desk.linked();
            let waiting = |rank: &&Rank| {
                linked.contains(rank) && !self.view.contains(**rank) && !self.desk.dead().contains(*rank)
            };
            for &rank in self.known.iter().filter(waiting) {
                self.desk.request(Request::Admit(rank));
            }
        }
    }

    fn follow_the_view(&mut self) {
        let Status::Steady(view) = self.desk.status() else { return };
        if view == self.view || !view.contains(self.me) {
            return;
        }
        self.desk.attend(view.term);
        let dead = self.desk.dead();
        let gone = self.view.members.iter().filter(|&&rank| !view.contains(rank));
        let left: Vec<Left> = gone.map(|&rank| Left { rank, dead: dead.contains(&rank) }).collect();
        self.fabric.exclude(&left).expect("excluded");
        self.view = view;
        let newcomers: Vec<Resident> = self.peers().into_iter().map(|rank| self.play.resident(rank)).collect();
        let newcomers = newcomers.into_iter().filter(|one| !self.fabric.present().contains(&one.rank));
        self.fabric.admit(&newcomers.collect::<Vec<Resident>>()).expect("admitted");
        self.admitted = Some(Instant::now());
    }

    /// Whether all of the view are reached; says how long that took.
    pub fn is_ready(&mut self) -> bool {
        if !self.fabric.ready().expect("progress") {
            return false;
        }
        if let Some(admitted) = self.admitted.take() {
            let others = self.view.members.len() - 1;
            eprintln!("{} reaches all {others} others after {:?}", self.me, admitted.elapsed());
        }
        true
    }

    /// Writes the next one, if the peer has had those before it.
    fn write(&mut self, peer: Rank) {
        let (me, number) = (self.me, self.sent[peer.index()]);
        let under_way = self.pending.values().filter(|&&to| to == peer).count();
        if number >= self.arrived[peer.index()] + PLACES / 2 || under_way >= PLACES as usize {
            return;
        }
        let place = |rank: Rank| (rank.0 * PLACES + number % PLACES) as usize * WORDS;
        let words: Vec<u32> = (0..WORDS).map(|at| word(me, peer, number, at)).collect();
        self.source.store(place(peer), &words);
        let puts = [Put { from: place(peer), to: place(me), len: WORDS }];
        let write = Write { source: self.ids.0, target: self.ids.1, puts: &puts, notification: number };
        match self.fabric.write_notify(peer, &write) {
            Ok(token) => {
                self.sent[peer.index()] += 1;
                self.pending.insert(token, peer);
            }
            // The membership says what is to become of it.
            Err(error) => assert!(!self.play.cast.contains(&peer) || self.finished, "{me}: {error}"),
        }
    }

    fn take(&mut self, event: Event) {
        let me = self.me;
        match event {
            Event::Arrived { from, notification } => {
                assert_eq!(notification, self.arrived[from.index()], "{from} to {me}: lost, repeated or reordered");
                self.arrived[from.index()] += 1;
                let mut words = vec![0; WORDS];
                self.inbox.load((from.0 * PLACES + notification % PLACES) as usize * WORDS, &mut words);
                let right = words.iter().enumerate().all(|(at, &got)| got == word(from, me, notification, at));
                assert!(right, "{from} to {me}: write {notification} is not in place");
            }
            Event::Completed { token } => {
                assert!(self.pending.remove(&token).is_some(), "{me}: {token:?} completed twice");
            }
            Event::PeerFailed { peer, cause } => {
                assert!(!self.play.cast.contains(&peer) || self.finished, "{me} loses {peer}: {cause}");
                self.desk.report(peer, cause);
            }
            Event::RungChanged { peer, from, to, cause } => {
                eprintln!("{me} to {peer}: {to} after {from}, {cause:?}");
            }
        }
    }

    /// Takes part until all that are there in the end have had enough of each other.
    pub fn play(mut self) -> WorldFabric {
        let deadline = Instant::now() + LIMIT;
        let others: Vec<Rank> = self.play.cast.iter().copied().filter(|&rank| rank != self.me).collect();
        loop {
            assert!(Instant::now() < deadline, "{}: {:?} of {others:?}", self.me, self.arrived);
            self.turn();
            let all = self.view.members.iter().copied().collect::<BTreeSet<Rank>>() == self.play.cast;
            let enough = all && others.iter().all(|peer| self.arrived[peer.index()] >= WRITES);
            if self.is_ready() && enough && !self.finished {
                self.finished = true;
                let wanted = self.play.only.unwrap_or(Rung::Shm);
                for &peer in &others {
                    assert_eq!(self.fabric.rung(peer), Some(wanted), "{}: {:?}", self.me, self.fabric.picks());
                }
                self.play.meeting.put(&format!("done-{}", self.me.0), &[]);
            }
            let done = |rank: &Rank| self.play.meeting.get(&format!("done-{}", rank.0)).is_some();
            if self.finished && self.play.cast.iter().all(done) {
                break;
            }
        }
        if let Some(control) = self.control.take() {
            control.finish();
        }
        self.fabric
    }
}
