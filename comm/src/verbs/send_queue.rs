//! What one send queue holds: how much room is left, and what each completion says is done.

use std::collections::VecDeque;

use super::work_id::SENDS_MODULO;

/// What a completion means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Room alone.
    Data,
    /// The stripe of this write on this lane is in place.
    Stripe(u64),
    /// A write is in place and announced.
    Write,
    /// The peer took the greeting.
    Greeting,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    number: u32,
    slots: u32,
    done: Done,
}

/// The books of one send queue. A slot is free again when a later, reported operation has completed.
#[derive(Debug)]
pub struct SendQueue {
    depth: u32,
    used: u32,
    next: u32,
    silent: u32,
    reported: VecDeque<Entry>,
}

impl SendQueue {
    /// Of `depth` slots.
    pub fn new(depth: u32) -> SendQueue {
        SendQueue { depth, used: 0, next: 0, silent: 0, reported: VecDeque::new() }
    }

    /// Free slots.
    pub fn room(&self) -> usize {
        (self.depth - self.used) as usize
    }

    /// All slots.
    pub fn depth(&self) -> usize {
        self.depth as usize
    }

    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Takes a slot and tells the operation's number. Without `done`, whether it is to be reported is decided here: every
    /// so often, so that room comes back while a long chain is under way. The last operation of a chain needs a `done`.
    ///
    /// # Panics
    /// Without room.
    pub fn push(&mut self, done: Option<Done>) -> (u32, bool) {
        assert!(self.used < self.depth, "no room in the send queue");
        let number = self.next;
        self.next = (number + 1) % SENDS_MODULO;
        self.used += 1;
        self.silent += 1;
        let done = done.or_else(|| (self.silent >= (self.depth / 4).max(1)).then_some(Done::Data));
        if let Some(done) = done {
            self.reported.push_back(Entry { number, slots: self.silent, done });
            self.silent = 0;
        }
        (number, done.is_some())
    }

    /// Takes in a completion: frees room and appends what is done, oldest first. A number that is not under way has no
    /// effect.
    pub fn complete(&mut self, number: u32, into: &mut Vec<Done>) {
        if !self.reported.iter().any(|entry| entry.number == number) {
            return;
        }
        while let Some(entry) = self.reported.pop_front() {
            self.used -= entry.slots;
            into.push(entry.done);
            if entry.number == number {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(queue: &mut SendQueue, number: u32) -> Vec<Done> {
        let mut out = Vec::new();
        queue.complete(number, &mut out);
        out
    }

    #[test]
    fn a_reported_operation_frees_all_before_it() {
        let mut queue = SendQueue::new(8);
        assert_eq!(queue.push(None), (0, false));
        assert_eq!(queue.push(Some(Done::Write)), (1, true));
        assert_eq!(queue.room(), 6);
        assert_eq!(completed(&mut queue, 1), [Done::Write]);
        assert!(queue.is_empty());
    }

    #[test]
    fn every_quarter_of_the_queue_is_reported() {
        let mut queue = SendQueue::new(8);
        let reported: Vec<bool> = (0..8).map(|_| queue.push(None).1).collect();
        assert_eq!(reported, [false, true, false, true, false, true, false, true]);
        assert_eq!(queue.room(), 0);
        assert_eq!(completed(&mut queue, 3), [Done::Data, Done::Data]);
        assert_eq!(queue.room(), 4);
    }

    #[test]
    fn completions_may_be_skipped_and_strange_numbers_ignored() {
        let mut queue = SendQueue::new(4);
        for _ in 0..3 {
            queue.push(Some(Done::Write));
        }
        assert!(completed(&mut queue, 7).is_empty());
        assert_eq!(completed(&mut queue, 1), [Done::Write, Done::Write]);
        assert!(completed(&mut queue, 1).is_empty());
        assert_eq!(completed(&mut queue, 2), [Done::Write]);
    }

    #[test]
    fn numbers_wrap_around() {
        let mut queue = SendQueue::new(2);
        queue.next = SENDS_MODULO - 1;
        assert_eq!(queue.push(Some(Done::Write)).0, SENDS_MODULO - 1);
        assert_eq!(queue.push(Some(Done::Stripe(4))).0, 0);
        assert_eq!(completed(&mut queue, 0), [Done::Write, Done::Stripe(4)]);
    }
}
