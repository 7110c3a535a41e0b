//! How a pair goes from one rung to another, and how a peer is given up.

use std::time::{Duration, Instant};

use super::Ladder;
use super::message::Message;
use super::pair::{Out, Stage};
use crate::error::{CommError, FailureCause};
use crate::fabric::Event;
use crate::ids::{Rank, Rung};
use crate::transport::{Happening, Transport};

/// How long an answer may take before the question is asked again: the message may have been lost with its rung.
const ASK_AGAIN: Duration = Duration::from_millis(500);

impl<T: Transport + ?Sized> Ladder<T> {
    /// A connection is lost. What had arrived counts; what had not been delivered takes another rung.
    pub(super) fn break_link(&mut self, peer: Rank, at: usize, cause: FailureCause) -> Result<(), CommError> {
        let pair = &self.pairs[peer.index()];
        let stands = matches!(pair.links[at].stage, Stage::Verified | Stage::Testing | Stage::Offered);
        if pair.closing || !(stands || cause.proves_death()) {
            return Ok(());
        }
        if cause.proves_death() {
            // Without a word to it: MPICH may crash where it is to send to a process that has ended.
            return self.give_up(peer, cause);
        }
        self.fail_link(peer, at, cause.to_string(), self.now())?;
        let pair = &mut self.pairs[peer.index()];
        match pair.out {
            Out::Draining { to, from } if to == at => {
                pair.out = Out::On(from);
                self.flush(peer)
            }
            Out::Nowhere => Ok(()),
            out if out.rung() != Some(at) => Ok(()),
            _ => {
                pair.posted = 0;
                match pair.best() {
                    Some(on) => self.switch(peer, on, Some(at), Some(cause)),
                    None if self.is_new(peer) => {
                        self.wait_again(peer, at);
                        Ok(())
                    }
                    None => self.give_up(peer, cause),
                }
            }
        }
    }

    /// Breaks a rung for all pairs and keeps it so, as a test asks.
    pub(super) fn ban(&mut self, rung: Rung) -> Result<(), CommError> {
        self.banned.push(rung);
        let Some(at) = self.index_of(rung) else { return Ok(()) };
        for peer in self.peers() {
            self.break_link(peer, at, FailureCause::Injected)?;
        }
        Ok(())
    }

    /// Lets a rung be tried again, at once.
    pub(super) fn lift_ban(&mut self, rung: Rung) {
        self.banned.retain(|&banned| banned != rung);
        let Some(at) = self.index_of(rung) else { return };
        let now = self.now();
        for pair in &mut self.pairs {
            if matches!(pair.links[at].stage, Stage::Failed(_)) {
                pair.links[at].due = now;
            }
        }
    }

    /// The peer is gone: its rungs are closed, what waits for it is dropped, and the event is queued once.
    pub(super) fn give_up(&mut self, peer: Rank, cause: FailureCause) -> Result<(), CommError> {
        let pair = &mut self.pairs[peer.index()];
        if pair.closing {
            return Ok(());
        }
        pair.closing = true;
        pair.out = Out::Nowhere;
        // What it said and wrote before its end counts, by whichever rung it came.
        for at in 0..self.transports.len() {
            self.close(peer, at)?;
            self.pairs[peer.index()].links[at].stage = Stage::Failed(cause.to_string());
        }
        for (at, happening) in std::mem::take(&mut self.coming) {
            match happening {
                Happening::Message { from, words } if from == peer => self.take_message(from, &words)?,
                other => self.coming.push_back((at, other)),
            }
        }
        let pair = &mut self.pairs[peer.index()];
        pair.failed = Some(cause);
        pair.queue.clear();
        (pair.posted, pair.queued_words) = (0, 0);
        self.count_attempts();
        self.find_hot();
        self.events.push_back(Event::PeerFailed { peer, cause });
        Ok(())
    }

    /// A rung has passed its test: if it is better than the one that serves, it takes over once nothing is under way.
    pub(super) fn promote(&mut self, peer: Rank) -> Result<(), CommError> {
        let pair = &mut self.pairs[peer.index()];
        if let (Out::On(from), Some(to)) = (pair.out, pair.best())
            && to < from
        {
            pair.out = Out::Draining { from, to };
            return self.go_on_draining(peer);
        }
        Ok(())
    }

    pub(super) fn go_on_draining(&mut self, peer: Rank) -> Result<(), CommError> {
        let pair = &self.pairs[peer.index()];
        match pair.out {
            Out::Draining { to, .. } if pair.posted == 0 => self.switch(peer, to, None, None),
            _ => Ok(()),
        }
    }

    /// Asks how much has arrived, to go on by `on`.
    pub(super) fn switch(
        &mut self,
        peer: Rank,
        on: usize,
        closed: Option<usize>,
        cause: Option<FailureCause>,
    ) -> Result<(), CommError> {
        let pair = &mut self.pairs[peer.index()];
        let old = pair.out.rung();
        let now = (self.clock)();
        self.next_question = self.next_question.wrapping_add(1);
        pair.out = Out::Asking { on, question: self.next_question, closed, ask_again: now };
        let to = self.transports[on].rung();
        if let Some(from) = old.map(|at| self.transports[at].rung()).filter(|&from| from != to) {
            match cause {
                Some(cause) => tracing::warn!(%peer, %from, %to, %cause, "a rung failed, another takes over"),
                None => tracing::info!(%peer, %from, %to, "a better rung takes over"),
            }
            self.events.push_back(Event::RungChanged { peer, from, to, cause });
        }
        self.find_hot();
        self.ask(peer, now)
    }

    /// Asks, or asks again.
    pub(super) fn ask(&mut self, peer: Rank, now: Instant) -> Result<(), CommError> {
        let pair = &mut self.pairs[peer.index()];
        let delivered = pair.delivered;
        let Out::Asking { on, question, closed, ask_again } = &mut pair.out else { return Ok(()) };
        *ask_again = now + ASK_AGAIN;
        let (on, question, closed) = (*on, *question, *closed);
        let rung = self.transports[on].rung();
        let closed = closed.map(|at| self.transports[at].rung());
        self.say(peer, &Message::Switch { rung, question, closed, delivered })
    }

    pub(super) fn hear_switch(
        &mut self,
        from: Rank,
        rung: Rung,
        question: u32,
        closed: Option<Rung>,
        delivered: u64,
    ) -> Result<(), CommError> {
        let Some(on) = self.index_of(rung) else { return Ok(()) };
        // A question that is asked again closes nothing: what it meant is closed, and may be up anew.
        if self.pairs[from.index()].heard != Some(question) {
            if let Some(at) = closed.and_then(|rung| self.index_of(rung)) {
                self.break_link(from, at, FailureCause::Silent)?;
            }
            self.pairs[from.index()].heard = Some(question);
        }
        self.pairs[from.index()].asked = Some((on, question, delivered));
        self.answer_if_due(from)
    }

    /// Answers the peer's question once everything that it knows to be delivered has been seen here.
    pub(super) fn answer_if_due(&mut self, peer: Rank) -> Result<(), CommError> {
        let pair = &mut self.pairs[peer.index()];
        match pair.asked {
            Some((on, question, delivered)) if pair.arrived >= delivered => {
                pair.asked = None;
                pair.came_by = Some(on);
                let arrived = pair.arrived;
                let rung = self.transports[on].rung();
                self.find_hot();
                self.say(peer, &Message::Resume { rung, question, arrived })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn hear_resume(
        &mut self,
        from: Rank,
        _rung: Rung,
        question: u32,
        arrived: u64,
    ) -> Result<(), CommError> {
        let pair = &mut self.pairs[from.index()];
        let Out::Asking { on, question: mine, .. } = pair.out else { return Ok(()) };
        if mine != question {
            return Ok(());
        }
        if arrived < pair.delivered || arrived > pair.delivered + pair.queue.len() as u64 {
            return self.give_up(from, FailureCause::Protocol);
        }
        while pair.delivered < arrived {
            self.events.extend(pair.pop_delivered().map(|token| Event::Completed { token }));
        }
        pair.posted = 0;
        pair.out = Out::On(on);
        self.find_hot();
        self.flush(from)?;
        // A better rung may have passed its test meanwhile.
        self.promote(from)
    }

    /// Finds which transports serve a pair.
    pub(super) fn find_hot(&mut self) {
        self.hot.fill(false);
        for peer in &self.present {
            let pair = &self.pairs[peer.index()];
            if let Out::Draining { to, .. } = pair.out {
                self.hot[to] = true;
            }
            for at in pair.out.rung().into_iter().chain(pair.came_by) {
                self.hot[at] = true;
            }
            if matches!(pair.out, Out::Asking { .. }) {
                self.hot.fill(true);
            }
        }
    }
}
