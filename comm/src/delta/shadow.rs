//! The words that last went to each address of a peer's segments, as far as they are remembered.
//!
//! Remembered by address and not by piece: pieces are merged and split between packets as neighbours come and go, and
//! an address keeps its baseline through that.
//!
//! **Invariant.** What is remembered is a function of the calls alone, in their order; so both ends, which make the same
//! calls, remember the same.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use crate::packets::Piece;

/// Words of a page, the unit of remembering.
pub(super) const PAGE_WORDS: usize = 512;

type Page = [u32; PAGE_WORDS];

/// A segment and the number of a page in it.
type Place = (u32, u64);

/// Pages of a peer's segments. When there is room for no more, the page that came first makes room.
#[derive(Clone, PartialEq)]
pub(super) struct Shadow {
    slots: HashMap<Place, usize>,
    pages: Vec<(Place, Box<Page>)>,
    capacity: usize,
    /// The slot to use next once all are in use; slots are filled in turn, so it holds the oldest page.
    oldest: usize,
}

impl Shadow {
    /// Remembers at most `words` words, in whole pages. Memory is taken as pages come.
    pub(super) fn new(words: usize) -> Shadow {
        Shadow { slots: HashMap::new(), pages: Vec::new(), capacity: words / PAGE_WORDS, oldest: 0 }
    }

    /// Copies what is remembered of the pieces, one after the other, into `out`; zeros where nothing is.
    /// `out` is as long as the pieces together.
    pub(super) fn load(&self, segment: u32, pieces: impl Iterator<Item = Piece>, out: &mut [u32]) {
        let mut done = 0;
        for piece in pieces {
            for (page, within) in parts(piece) {
                let out = &mut out[done..done + within.len()];
                done += within.len();
                match self.slots.get(&(segment, page)) {
                    Some(&slot) => out.copy_from_slice(&self.pages[slot].1[within]),
                    None => out.fill(0),
                }
            }
        }
    }

    /// Whether `words`, which are those of the pieces, one after the other, are what [`Shadow::load`] would yield.
    pub(super) fn is(&self, segment: u32, pieces: impl Iterator<Item = Piece>, words: &[u32]) -> bool {
        let mut rest = words;
        pieces.into_iter().flat_map(parts).all(|(page, within)| {
            let (words, after) = rest.split_at(within.len());
            rest = after;
            match self.slots.get(&(segment, page)) {
                Some(&slot) => *words == self.pages[slot].1[within],
                None => words.iter().all(|&word| word == 0),
            }
        })
    }

    /// Remembers `words`, which are those of the pieces, one after the other.
    pub(super) fn store(&mut self, segment: u32, pieces: impl Iterator<Item = Piece>, words: &[u32]) {
        let mut rest = words;
        for piece in pieces {
            for (page, within) in parts(piece) {
                let (words, after) = rest.split_at(within.len());
                rest = after;
                if let Some(slot) = self.slot((segment, page)) {
                    self.pages[slot].1[within].copy_from_slice(words);
                }
            }
        }
    }

    /// The word at an address, if its page is remembered.
    pub(super) fn word(&self, segment: u32, at: u64) -> Option<u32> {
        let slot = *self.slots.get(&(segment, at / PAGE_WORDS as u64))?;
        Some(self.pages[slot].1[(at % PAGE_WORDS as u64) as usize])
    }

    fn slot(&mut self, place: Place) -> Option<usize> {
        if let Some(&slot) = self.slots.get(&place) {
            return Some(slot);
        }
        if self.capacity == 0 {
            return None;
        }
        let slot = if self.pages.len() < self.capacity {
            self.pages.push((place, Box::new([0; PAGE_WORDS])));
            self.pages.len() - 1
        } else {
            let slot = self.oldest;
            self.oldest = (slot + 1) % self.capacity;
            let (before, page) = &mut self.pages[slot];
            self.slots.remove(before);
            *before = place;
            page.fill(0);
            slot
        };
        self.slots.insert(place, slot);
        Some(slot)
    }
}

impl fmt::Debug for Shadow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shadow").field("pages", &self.pages.len()).field("capacity", &self.capacity).finish()
    }
}

/// The pages that a piece touches, and the words of each. The end of the piece fits 64 bits.
fn parts(piece: Piece) -> impl Iterator<Item = (u64, Range<usize>)> {
    const PAGE: u64 = PAGE_WORDS as u64;
    let end = piece.to + u64::from(piece.len);
    let mut at = piece.to;
    std::iter::from_fn(move || {
        let within = (at % PAGE) as usize;
        let len = (end - at).min(PAGE - at % PAGE);
        let page = at / PAGE;
        at += len;
        (len > 0).then_some((page, within..within + len as usize))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(shadow: &Shadow, segment: u32, to: u64, len: u32) -> Vec<u32> {
        let mut out = vec![7; len as usize];
        shadow.load(segment, [Piece { to, len }].into_iter(), &mut out);
        out
    }

    #[test]
    fn an_address_is_remembered_however_pieces_cut_it() {
        let mut shadow = Shadow::new(1 << 20);
        let words: Vec<u32> = (1..=2000).collect();
        shadow.store(3, [Piece { to: 100, len: 1500 }, Piece { to: 1600, len: 500 }].into_iter(), &words);
        assert_eq!(load(&shadow, 3, 100, 2000), words);
        assert_eq!(load(&shadow, 3, 612, 5), words[512..517]);
        assert_eq!(load(&shadow, 3, 98, 4), [0, 0, 1, 2]);
        assert_eq!(load(&shadow, 4, 100, 2), [0, 0], "another segment");
        let is = |to: u64, words: &[u32]| shadow.is(3, [Piece { to, len: words.len() as u32 }].into_iter(), words);
        assert!(is(100, &words) && is(98, &[0, 0, 1, 2]) && is(1 << 40, &[0, 0]));
        assert!(!is(101, &words[..1999]) && !is(1 << 40, &[0, 1]));
        assert_eq!((shadow.word(3, 2099), shadow.word(3, 1 << 40)), (Some(2000), None));
    }

    #[test]
    fn the_oldest_page_makes_room_and_comes_back_empty() {
        let mut shadow = Shadow::new(2 * PAGE_WORDS + 5);
        let page = |n: u64| [Piece { to: n * PAGE_WORDS as u64, len: 1 }].into_iter();
        for n in 0..3 {
            shadow.store(0, page(n), &[n as u32 + 1]);
        }
        let held = |shadow: &Shadow| (0..3).map(|n| load(shadow, 0, n * PAGE_WORDS as u64, 1)[0]).collect::<Vec<_>>();
        assert_eq!(held(&shadow), [0, 2, 3]);
        shadow.store(0, [Piece { to: 1, len: 1 }].into_iter(), &[9]);
        assert_eq!(held(&shadow), [0, 0, 3]);
        assert_eq!(shadow.pages.len(), 2);
    }

    #[test]
    fn the_last_address_is_one_like_any_other() {
        let mut shadow = Shadow::new(PAGE_WORDS);
        shadow.store(0, [Piece { to: u64::MAX - 2, len: 2 }].into_iter(), &[1, 2]);
        assert_eq!(load(&shadow, 0, u64::MAX - 2, 2), [1, 2]);
    }

    #[test]
    fn no_room_remembers_nothing() {
        let mut shadow = Shadow::new(0);
        shadow.store(0, [Piece { to: 0, len: 2 }].into_iter(), &[1, 2]);
        assert_eq!(load(&shadow, 0, 0, 2), [0, 0]);
    }
}
