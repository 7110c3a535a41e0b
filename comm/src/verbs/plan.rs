//! How the ranges of a write become messages: neighbours join, what is too long is cut, large writes spread over rails.

use crate::fabric::Put;

/// Appends the ranges of a write to `into`: empty ones are dropped, ranges that follow one another on both sides joined,
/// and none is longer than `most` words (at least 1). Order is kept. Tells the words in all.
pub fn pieces(puts: &[Put], most: usize, into: &mut Vec<Put>) -> usize {
    let first = into.len();
    let mut total = 0;
    for put in puts {
        total += put.len;
        let mut rest = *put;
        if let Some(last) = into[first..].last_mut()
            && last.from + last.len == rest.from
            && last.to + last.len == rest.to
        {
            let taken = rest.len.min(most - last.len);
            last.len += taken;
            rest = behind(rest, taken);
        }
        while rest.len > 0 {
            let piece = Put { len: rest.len.min(most), ..rest };
            into.push(piece);
            rest = behind(rest, piece.len);
        }
    }
    total
}

fn behind(put: Put, words: usize) -> Put {
    Put { from: put.from + words, to: put.to + words, len: put.len - words }
}

/// Spreads pieces of `total` words evenly over `lanes`, cutting them where a share ends.
pub fn stripes(pieces: &[Put], total: usize, lanes: usize) -> Vec<Vec<Put>> {
    let mut out = vec![Vec::new(); lanes];
    let (mut lane, mut sent) = (0, 0);
    for piece in pieces {
        let mut rest = *piece;
        while rest.len > 0 {
            let end = (lane + 1) * total / lanes;
            let now = rest.len.min(end - sent);
            if now > 0 {
                out[lane].push(Put { len: now, ..rest });
                sent += now;
                rest = behind(rest, now);
            }
            if sent == end && lane + 1 < lanes {
                lane += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(from: usize, to: usize, len: usize) -> Put {
        Put { from, to, len }
    }

    fn planned(puts: &[Put], most: usize) -> Vec<Put> {
        let mut out = Vec::new();
        assert_eq!(pieces(puts, most, &mut out), puts.iter().map(|put| put.len).sum());
        out
    }

    #[test]
    fn neighbours_on_both_sides_join() {
        assert_eq!(planned(&[put(0, 10, 4), put(4, 14, 2), put(6, 99, 1)], 100), [put(0, 10, 6), put(6, 99, 1)]);
        assert_eq!(planned(&[put(0, 10, 4), put(9, 14, 2)], 100), [put(0, 10, 4), put(9, 14, 2)]);
    }

    #[test]
    fn empty_ranges_vanish() {
        assert_eq!(planned(&[put(0, 0, 0), put(3, 5, 1), put(4, 6, 0)], 9), [put(3, 5, 1)]);
        assert!(planned(&[], 9).is_empty());
    }

    #[test]
    fn long_ranges_are_cut() {
        assert_eq!(planned(&[put(0, 100, 10)], 4), [put(0, 100, 4), put(4, 104, 4), put(8, 108, 2)]);
        assert_eq!(planned(&[put(0, 0, 3), put(3, 3, 3)], 4), [put(0, 0, 4), put(4, 4, 2)]);
    }

    #[test]
    fn what_was_there_before_is_not_joined() {
        let mut out = vec![put(0, 0, 1)];
        pieces(&[put(1, 1, 1)], 9, &mut out);
        assert_eq!(out.len(), 2);
    }

    #[test]
    fn stripes_cover_every_word_once() {
        for (puts, lanes) in
            [(vec![put(0, 0, 1000)], 3), (vec![put(5, 7, 1), put(50, 70, 2)], 2), (vec![put(0, 9, 1)], 4)]
        {
            let total = puts.iter().map(|put| put.len).sum();
            let stripes = stripes(&puts, total, lanes);
            assert_eq!(stripes.len(), lanes);
            let words = |list: &[Put]| -> Vec<(usize, usize)> {
                list.iter().flat_map(|put| (0..put.len).map(|at| (put.from + at, put.to + at))).collect()
            };
            assert_eq!(stripes.iter().flat_map(|stripe| words(stripe)).collect::<Vec<_>>(), words(&puts));
            let longest = stripes.iter().map(|stripe| words(stripe).len()).max().expect("lanes");
            assert!(longest <= total.div_ceil(lanes), "{longest} of {total} words on one of {lanes} lanes");
        }
    }
}
