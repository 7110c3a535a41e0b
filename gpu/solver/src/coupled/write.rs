//! The tables of a step, as the kernels read them.

use bytemuck::Pod;
use rankzero_soft::pair::Pushes;
use rankzero_soft::rule::StepRule;

use super::cast::Cast;
use super::layout::{Mover, Pair, Seat, words_of};
use super::places::{Stage, Tables};
use crate::step::NEXT_REACH_WORDS;

/// Where things lie on the card.
#[derive(Debug)]
pub(super) struct Addresses {
    pub tables: u64,
    pub stage: u64,
    /// The form of each seat.
    pub forms: Vec<u64>,
    /// Where the surfaces of movers go that others look at.
    pub halos: Vec<[u64; 2]>,
}

/// Writes down who takes part.
pub(super) fn tables(
    arena: &mut [u32],
    rule: &StepRule,
    cast: &Cast,
    (tables, stage): (&Tables, &Stage),
    addresses: &Addresses,
) {
    let at = |base: u64, place: usize| base + 4 * place as u64;
    for (seat, body) in cast.seats().enumerate() {
        let seat_record = Seat {
            form: addresses.forms[seat],
            surface: at(addresses.stage, stage.surfaces[seat]),
            shell: at(addresses.stage, stage.shells[seat]),
            velocity: body.reach.velocity,
            spread: body.reach.spread,
        };
        record(arena, tables.seats, seat, seat_record);
    }
    for (index, pair) in cast.pairs.iter().enumerate() {
        let [a, b] = [pair.a, pair.b].map(|seat| &cast.seat(seat).reach);
        let pair_record = Pair {
            seats: [pair.a as u32, pair.b as u32],
            margin: a.approach(b.velocity, b.spread, rule.step),
            padding: 0,
            memory: at(addresses.stage, stage.pairs[index]),
        };
        record(arena, tables.pairs, index, pair_record);
    }
    for (mover, body) in cast.movers.iter().enumerate() {
        let mover_record = Mover {
            place: body.home.place(at(addresses.tables, tables.reaches + mover * NEXT_REACH_WORDS)),
            halo: addresses.halos.get(mover).copied().unwrap_or_default(),
            kept: at(addresses.stage, stage.kept[mover]),
            seat: mover as u32,
            pushers: body.pushed_by.start as u32,
            pusher_count: body.pushed_by.len() as u32,
            padding: 0,
        };
        record(arena, tables.movers, mover, mover_record);
    }
    for (place, pusher) in cast.pushers.iter().enumerate() {
        arena[tables.pushers + place] = (2 * pusher.pair + pusher.side) as u32;
    }
}

/// Writes down what the host has each of `movers` pushed by: where each one's entries begin and end, then the entries.
pub(super) fn given(words: &mut [u32], movers: usize, pushes: &[(usize, &Pushes)]) {
    let mut at = 2 * movers;
    words[..at].fill(at as u32);
    let mut sorted: Vec<_> = pushes.iter().collect();
    // Those of one mover stay in their order.
    sorted.sort_by_key(|(mover, _)| *mover);
    let mut last = None;
    for (mover, pushes) in sorted {
        assert!(*mover < movers, "a push on nobody");
        if last != Some(*mover) {
            words[2 * mover] = at as u32;
            last = Some(*mover);
        }
        for (node, push) in *pushes {
            words[at] = *node;
            words[at + 1..at + 4].copy_from_slice(&push.map(f32::to_bits));
            at += 4;
        }
        words[2 * mover + 1] = at as u32;
    }
}

fn record<T: Pod>(arena: &mut [u32], table: usize, index: usize, of: T) {
    let words = words_of::<T>();
    arena[table + index * words..][..words].copy_from_slice(bytemuck::cast_slice(&[of]));
}
