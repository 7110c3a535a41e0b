//! The thread that watches over the membership: the core's events from sockets, clocks and the desk, and its actions back to them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::desk::{Desk, Mail, Request};
use super::links::{LinkEvent, Links};
use super::nearby::{Nearby, THREAD};
use super::post::{Came, Post};
use super::stuck::Stuck;
use crate::error::CommError;
use crate::ids::Rank;
use crate::member::{Action, Doing, Event, Membership, Message, Settings, Status, View};

/// First word of a message of the membership.
const MEMBERSHIP: u32 = u32::from_le_bytes(*b"RZM1");
/// First byte of mail between computing threads, and of that between their fabrics.
const MAIL: u8 = 0;
const FABRIC: u8 = 1;
/// The longest wait, so that the end of the process is noticed.
const WAIT_MAX: Duration = Duration::from_millis(500);
/// How long the last words may take.
const FAREWELL: Duration = Duration::from_millis(300);

/// The offers of all other ranks, by rank.
pub type Offers = BTreeMap<Rank, Vec<u8>>;

/// What has become of the computing thread of this rank, for whoever can look at it or end the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// It computes, and has done nothing for so long.
    Hangs(Duration),
    /// The others go on without this rank, and it has not noticed for so long.
    Unheeding(Duration),
}

/// Is told of an [`Alarm`], each once, by the control thread.
pub type OnAlarm = Box<dyn Fn(Alarm) + Send>;

/// The thread, which ends with this handle.
#[derive(Debug)]
pub struct Control {
    desk: Desk,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Watch {
    links: Links,
    core: Membership,
    desk: Desk,
    began: Instant,
    end: Arc<AtomicBool>,
    actions: Vec<Action>,
    on_alarm: OnAlarm,
    /// The computing thread's count of work, since when it is that, and whether that was alarming.
    work: (u64, Instant, bool),
    stuck: Stuck,
    result_timeout: Duration,
    /// Since when this rank is excluded, and whether that was told.
    excluded: Option<(Instant, bool)>,
    nearby: Nearby,
    posts: BTreeMap<Rank, Post>,
}

impl Control {
    /// Connects to all of `offers` and starts the thread; `nearby` are the process numbers of ranks of this node. A rank that is not in
    /// `view` is a newcomer.
    ///
    /// # Errors
    /// [`CommError::Io`] where the system refuses a thread.
    pub fn start(
        me: Rank,
        view: View,
        settings: Settings,
        mut links: Links,
        offers: &Offers,
        nearby: &BTreeMap<Rank, u32>,
        on_alarm: OnAlarm,
    ) -> Result<Control, CommError> {
        let newcomer = !view.contains(me);
        let result_timeout = settings.result_timeout;
        let nearby = Nearby::new(nearby, settings.timeout / 3);
        for (&peer, offer) in offers.iter().filter(|&(&peer, _)| peer != me) {
            if let Err(why) = links.connect(peer, offer) {
                tracing::warn!(%peer, %why, "no control link");
            }
        }
        let make = if newcomer { Membership::newcomer } else { Membership::new };
        let core = make(me, view.clone(), settings, Duration::ZERO);
        let desk = Desk::new(view);
        if newcomer {
            desk.set_status(core.status());
        }
        let waker = links.waker();
        desk.set_waker(move || waker.wake());
        let end = Arc::new(AtomicBool::new(false));
        let mut watch = Watch {
            links,
            core,
            desk: desk.clone(),
            began: Instant::now(),
            end: Arc::clone(&end),
            actions: Vec::new(),
            on_alarm,
            work: (0, Instant::now(), false),
            stuck: Stuck::new(result_timeout / 4),
            result_timeout,
            excluded: None,
            nearby,
            posts: BTreeMap::new(),
        };
        let thread = std::thread::Builder::new().name(THREAD.to_owned()).spawn(move || watch.run());
        let thread = thread.map_err(|source| CommError::Io { operation: "starting a thread", peer: None, source })?;
        Ok(Control { desk, end, thread: Some(thread) })
    }

    /// Where to talk to it.
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Says goodbye to all peers, so that none takes this rank for dead, and ends the thread.
    pub fn finish(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        self.end.store(true, Ordering::Release);
        self.desk.wake();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the control thread had panicked");
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Watch {
    fn run(&mut self) {
        let mut events = Vec::new();
        while !self.end.load(Ordering::Acquire) {
            if let Err(error) = self.turn(&mut events) {
                tracing::error!(%error, "the control thread cannot go on");
                return;
            }
        }
        self.farewell(&mut events);
    }

    fn turn(&mut self, events: &mut Vec<LinkEvent>) -> Result<(), CommError> {
        self.links.progress(events)?;
        for event in events.drain(..) {
            self.on_link(event);
        }
        for request in self.desk.take_requests() {
            self.on_request(request);
        }
        let (steps, doing) = self.desk.doing();
        let doing = self.stuck.judge(doing, Instant::now());
        self.look_after(steps, doing);
        for peer in self.nearby.starved() {
            self.feed(Event::Alive { peer });
        }
        self.feed(Event::Progress { steps, doing });
        self.feed(Event::Tick);
        // Who is excluded has no deadline: the longest duration there is.
        let latest = Instant::now() + WAIT_MAX;
        let due = self.began.checked_add(self.core.deadline()).map_or(latest, |due| due.min(latest));
        self.links.wait(due)
    }

    /// Raises the alarm where this rank's own computing thread hangs: shortly before the others will leave it out for that, and when it
    /// does not notice that they have.
    fn look_after(&mut self, steps: u64, doing: Doing) {
        let now = Instant::now();
        let (count, since, told) = &mut self.work;
        if *count != steps || doing != Doing::Computing {
            (*count, *since, *told) = (steps, now, false);
        }
        let idle = now.duration_since(*since);
        if !*told && idle >= self.result_timeout * 3 / 4 {
            *told = true;
            (self.on_alarm)(Alarm::Hangs(idle));
        }
        if let Some((since, told)) = &mut self.excluded
            && !*told
            && now.duration_since(*since) >= self.result_timeout
        {
            *told = true;
            (self.on_alarm)(Alarm::Unheeding(now.duration_since(*since)));
        }
    }

    fn on_link(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Up { peer } => {
                for words in self.posts.entry(peer).or_default().again() {
                    self.links.send(peer, words);
                }
                self.desk.set_linked(peer, true);
                self.feed(Event::Connected { peer });
            }
            LinkEvent::Down { peer, cause } => {
                tracing::debug!(%peer, %cause, "a control link is down");
                self.desk.set_linked(peer, false);
                self.feed(Event::Lost { peer, proof: cause.proves_death() });
            }
            LinkEvent::Message { from, words } => {
                self.nearby.heard(from);
                self.on_words(from, &words);
            }
        }
    }

    fn on_words(&mut self, from: Rank, words: &[u32]) {
        match words {
            [MEMBERSHIP, bytes, message @ ..] if (*bytes as usize).div_ceil(4) == message.len() => {
                self.on_message(from, &bytemuck::cast_slice(message)[..*bytes as usize]);
            }
            mail => match self.posts.entry(from).or_default().take(mail) {
                Some(Came::Piece(bytes, receipt)) => {
                    self.deliver(from, &bytes);
                    self.links.send(from, receipt);
                }
                Some(Came::Again(receipt)) => {
                    self.links.send(from, receipt);
                }
                Some(Came::Receipt) => {}
                None => tracing::warn!(%from, "refused a control message of no known kind"),
            },
        }
    }

    /// Puts a piece of mail before whom it is for.
    fn deliver(&self, from: Rank, piece: &[u8]) {
        match piece {
            [MAIL, bytes @ ..] => self.desk.deliver(Mail { from, bytes: bytes.to_vec() }),
            [FABRIC, bytes @ ..] if bytes.len().is_multiple_of(4) => {
                self.desk.deliver_to_fabric(from, bytemuck::pod_collect_to_vec(bytes));
            }
            _ => tracing::warn!(%from, "refused mail of no known kind"),
        }
    }

    fn on_message(&mut self, from: Rank, bytes: &[u8]) {
        match Message::decode(bytes) {
            Ok(message) => {
                tracing::trace!(%from, ?message, "hears");
                self.feed(Event::Message { from, message });
            }
            Err(why) => tracing::warn!(%from, %why, "refused a control message"),
        }
    }

    fn on_request(&mut self, request: Request) {
        match request {
            Request::Report(peer, cause) => {
                tracing::debug!(%peer, %cause, "a data path failed");
                self.feed(Event::Evidence { peer, proof: cause.proves_death() });
            }
            Request::Admit(rank) => self.feed(Event::Admit { rank }),
            Request::Dismiss(rank) => self.feed(Event::Dismiss { rank }),
            Request::Post(to, bytes) => self.post(to, MAIL, &bytes),
            Request::Carry(to, words) => self.post(to, FABRIC, bytemuck::cast_slice(&words)),
            Request::Connect(peer, offer) => {
                if let Err(why) = self.links.connect(peer, &offer) {
                    tracing::warn!(%peer, %why, "no control link to a newcomer");
                }
            }
        }
    }

    fn post(&mut self, to: Rank, kind: u8, bytes: &[u8]) {
        let words = self.posts.entry(to).or_default().hand_in(&[&[kind], bytes].concat());
        // Where the link does not stand, it follows once that does.
        self.links.send(to, words);
    }

    /// Gives the core an event and does what it asks for.
    fn feed(&mut self, event: Event) {
        let mut actions = std::mem::take(&mut self.actions);
        let known = self.core.dead().len();
        self.core.on(event, self.began.elapsed(), &mut actions);
        if self.core.dead().len() != known {
            self.desk.set_dead(self.core.dead());
        }
        for action in actions.drain(..) {
            match action {
                Action::Send { to, message } => {
                    tracing::trace!(%to, ?message, "says");
                    self.links.send(to, words_of(&message.encode()));
                }
                Action::Status(status) => {
                    if status == Status::NoQuorum {
                        tracing::warn!(
                            "this rank finds no majority of the ranks; it keeps its state and waits for one"
                        );
                    }
                    if matches!(status, Status::Excluded { .. }) {
                        self.excluded.get_or_insert((Instant::now(), false));
                    }
                    self.desk.set_status(status);
                }
                Action::Notice(notice) => self.desk.notice(notice),
            }
        }
        self.actions = actions;
    }

    /// Sends what was asked for last, then closes all links with a goodbye.
    fn farewell(&mut self, events: &mut Vec<LinkEvent>) {
        for request in self.desk.take_requests() {
            self.on_request(request);
        }
        let until = Instant::now() + FAREWELL;
        let delivered = |posts: &BTreeMap<Rank, Post>| posts.values().all(Post::is_delivered);
        while (self.links.unsent() || !delivered(&self.posts)) && Instant::now() < until {
            events.clear();
            if self.links.progress(events).and_then(|()| self.links.wait(Instant::now() + LINGER)).is_err() {
                return;
            }
            for event in events.iter() {
                if let LinkEvent::Message { from, words } = event {
                    self.posts.entry(*from).or_default().take(words);
                }
            }
        }
        let peers: Vec<Rank> = self.core.view().members.clone();
        peers.into_iter().for_each(|peer| self.links.close(peer));
    }
}

/// A message of the membership, given as bytes, in words: magic, length in bytes, bytes.
fn words_of(bytes: &[u8]) -> Vec<u32> {
    let mut words = vec![0; 2 + bytes.len().div_ceil(4)];
    words[..2].copy_from_slice(&[MEMBERSHIP, bytes.len() as u32]);
    bytemuck::cast_slice_mut::<u32, u8>(&mut words[2..])[..bytes.len()].copy_from_slice(bytes);
    words
}

/// Between two looks at what has left.
const LINGER: Duration = Duration::from_millis(2);
