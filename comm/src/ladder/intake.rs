//! What transports report, and what peers say: each to who deals with it.

use super::Ladder;
use super::message::Message;
use crate::bootstrap;
use crate::error::CommError;
use crate::ids::Rank;
use crate::transport::{Happening, Transport};

impl<T: Transport + ?Sized> Ladder<T> {
    /// Deals with what the transports reported.
    pub(super) fn take_in(&mut self) -> Result<(), CommError> {
        while let Some((at, happening)) = self.coming.pop_front() {
            self.idle.reset();
            self.take(at, happening)?;
        }
        Ok(())
    }

    /// Deals with one thing that transport `at` reported.
    pub(super) fn take(&mut self, at: usize, happening: Happening) -> Result<(), CommError> {
        match happening {
            Happening::Broken { peer, cause } if self.is_vacant(peer) => {
                if cause.proves_death() {
                    self.write_off(peer, cause);
                }
                Ok(())
            }
            Happening::Up { peer } => self.link_up(peer, at),
            Happening::Delivered { peer, count } => self.delivered(peer, at, count),
            Happening::Arrived { from, notification } => self.arrived(from, at, notification),
            Happening::Message { from, words } => self.take_message(from, &words),
            Happening::Broken { peer, cause } => {
                tracing::debug!(%peer, rung = %self.transports[at].rung(), %cause, "a connection broke");
                self.break_link(peer, at, cause)
            }
            Happening::Refused { peer, what } => {
                tracing::warn!(peer = peer.0, %what, "refused a packet");
                self.refused_data.get_or_insert(CommError::Malformed { peer, what });
                Ok(())
            }
        }
    }

    pub(super) fn take_message(&mut self, from: Rank, words: &[u32]) -> Result<(), CommError> {
        if self.pairs[from.index()].failed.is_some() {
            return Ok(());
        }
        if self.is_vacant(from) {
            self.keep_for_later(from, words);
            return Ok(());
        }
        let heard = if words.first() == Some(&bootstrap::MAGIC) && from.0 < self.at_start {
            self.mailbox.take(from, words)
        } else {
            match Message::parse(words) {
                Ok(message) => {
                    tracing::trace!(%from, ?message, "hears");
                    return self.hear(from, message);
                }
                Err(what) => Err(what),
            }
        };
        if let Err(what) = heard {
            tracing::warn!(peer = from.0, %what, "refused a message");
            self.refused_start.get_or_insert(CommError::Malformed { peer: from, what });
        }
        Ok(())
    }

    fn hear(&mut self, from: Rank, message: Message) -> Result<(), CommError> {
        match message {
            // Nothing about rungs concerns it any more, or yet.
            _ if self.pairs[from.index()].closing || self.segments.is_empty() => Ok(()),
            Message::Offer { rung, attempt, nonce, offer } => self.hear_offer(from, rung, attempt, nonce, &offer),
            Message::Answer { rung, attempt, nonce, offer } => self.hear_answer(from, rung, attempt, nonce, &offer),
            Message::Ready { rung, attempt } => self.hear_ready(from, rung, attempt),
            Message::Verdict { rung, attempt } => self.hear_verdict(from, rung, attempt),
            Message::Decline { rung, attempt, reason } => self.hear_decline(from, rung, attempt, reason),
            Message::Switch { rung, question, closed, delivered } => {
                self.hear_switch(from, rung, question, closed, delivered)
            }
            Message::Resume { rung, question, arrived } => self.hear_resume(from, rung, question, arrived),
        }
    }
}
