//! The membership of a rank as a node: the rank has a control thread and a computing thread, and does nothing else.

use std::time::Duration;

use rankzero_comm::Rank;
use rankzero_comm::member::{Action, Doing, Event, Membership, Message, Notice, Status, Term, View};

use crate::{Input, Node, Output};

/// What is asked of a rank.
#[derive(Clone, Debug)]
pub enum MemberOrder {
    /// Its computing thread stands still from now on.
    Hang,
    /// This newcomer wants in.
    Admit(Rank),
    /// This member leaves.
    Dismiss(Rank),
}

/// One rank.
#[derive(Clone, Debug)]
pub struct MemberNode {
    /// The state machine.
    pub membership: Membership,
    /// Views it has proposed since these were looked at, each with the terms of those which it follows.
    pub proposed: Vec<(View, Vec<Term>)>,
    /// Whether its computing thread stands still.
    pub hung: bool,
    traced: bool,
}

impl MemberNode {
    /// A rank with this state machine.
    pub fn new(membership: Membership, traced: bool) -> MemberNode {
        MemberNode { membership, proposed: Vec::new(), hung: false, traced }
    }
}

impl Node for MemberNode {
    type Message = Message;
    type Order = MemberOrder;

    fn on(&mut self, input: Input<Message, MemberOrder>, now: Duration, out: &mut Vec<Output<Message>>) {
        let mut actions = Vec::new();
        let event = match input {
            Input::Tick => {
                if !self.hung {
                    let progress = Event::Progress { steps: now.as_millis() as u64, doing: Doing::Computing };
                    self.membership.on(progress, now, &mut actions);
                }
                Some(Event::Tick)
            }
            Input::Message { from, message } => Some(Event::Message { from, message }),
            Input::Connected { peer } => Some(Event::Connected { peer }),
            Input::Lost { peer, proof } => Some(Event::Lost { peer, proof }),
            Input::Evidence { peer, proof } => Some(Event::Evidence { peer, proof }),
            Input::Order(MemberOrder::Admit(rank)) => Some(Event::Admit { rank }),
            Input::Order(MemberOrder::Dismiss(rank)) => Some(Event::Dismiss { rank }),
            Input::Order(MemberOrder::Hang) => {
                self.hung = true;
                None
            }
        };
        if let Some(event) = event {
            self.membership.on(event, now, &mut actions);
        }
        for action in actions {
            match action {
                Action::Send { to, message } => {
                    if self.traced {
                        out.push(Output::Note(format!("-> {to} {message:?}")));
                    }
                    out.push(Output::Send { to, message });
                }
                Action::Notice(Notice::Proposing { view, after }) => self.proposed.push((view, after)),
                Action::Status(status) if self.traced => out.push(Output::Note(format!("{status:?}"))),
                Action::Notice(notice) if self.traced => out.push(Output::Note(format!("{notice:?}"))),
                Action::Status(_) | Action::Notice(_) => {}
            }
        }
    }

    fn deadline(&self) -> Duration {
        self.membership.deadline()
    }

    fn size(message: &Message) -> usize {
        message.encode().len()
    }

    fn leads(&self) -> Option<u64> {
        let view = self.membership.view();
        let leads =
            view.master() == self.membership.me() && !matches!(self.membership.status(), Status::Excluded { .. });
        leads.then_some(u64::from(view.term.round) << 32 | u64::from(view.term.candidate.0))
    }
}
