//! Where the things of a step lie in the memory of [`Coupled`](super::Coupled), in words.

use super::cast::Cast;
use super::layout::{Mover, Pair, Seat, kept_words, pair_words, shell_words, surface_words, words_of};
use crate::collider::RECORD_WORDS;
use crate::form::Form;
use crate::step::NEXT_REACH_WORDS;

/// Tables that the host writes and the card reads; `near` and reaches come back. Records with addresses in them come first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tables {
    pub seats: usize,
    pub pairs: usize,
    pub movers: usize,
    pub pushers: usize,
    pub blocks: usize,
    pub records: usize,
    pub near: usize,
    pub reaches: usize,
    pub end: usize,
}

impl Tables {
    pub(super) fn new(cast: &Cast, colliders: usize) -> Self {
        let (movers, guests, pairs) = (cast.movers.len(), cast.guests.len(), cast.pairs.len());
        let mut end = 0;
        let mut take = |words: usize| {
            end += words;
            end - words
        };
        Self {
            seats: take(words_of::<Seat>() * (movers + guests)),
            pairs: take(words_of::<Pair>() * pairs),
            movers: take(words_of::<Mover>() * movers),
            pushers: take(cast.pushers.len()),
            blocks: take(movers),
            records: take(RECORD_WORDS * colliders),
            near: take(pairs),
            reaches: take(NEXT_REACH_WORDS * movers),
            end,
        }
    }
}

/// What only the card touches.
#[derive(Clone, Debug, Default)]
pub(super) struct Stage {
    /// By seat.
    pub surfaces: Vec<usize>,
    pub shells: Vec<usize>,
    /// By mover.
    pub kept: Vec<usize>,
    /// By pair.
    pub pairs: Vec<usize>,
    pub end: usize,
}

impl Stage {
    pub(super) fn new<'a>(cast: &Cast, form: impl Fn(usize) -> &'a Form) -> Self {
        let mut end = 0;
        let mut take = |words: usize| {
            end += words;
            end - words
        };
        let surfaces = cast.seats().map(|body| take(surface_words(form(body.form)))).collect();
        let shells = cast.seats().map(|body| take(shell_words(form(body.form)))).collect();
        let kept = cast.movers.iter().map(|body| take(kept_words(form(body.form)))).collect();
        let pairs = cast.pairs.iter().map(|pair| {
            let [a, b] = [pair.a, pair.b].map(|seat| form(cast.seat(seat).form));
            take(pair_words(a, b))
        });
        let pairs = pairs.collect();
        Self { surfaces, shells, kept, pairs, end }
    }
}
