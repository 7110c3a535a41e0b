//! Mail between computing threads: each piece once and in order, as long as both sides live, whatever becomes of the link.
//!
//! A link that breaks may lose what was under way. So a piece is kept until the peer has acknowledged it, and sent again when the link
//! is back; the peer drops what it has had. Sans-IO: words go in and come out.

use std::collections::VecDeque;

/// First word of a piece: magic, number, length in bytes, bytes.
const PIECE: u32 = u32::from_le_bytes(*b"RZP1");
/// First word of an acknowledgement: magic, number of the last piece that has come.
const RECEIPT: u32 = u32::from_le_bytes(*b"RZA1");
/// Most pieces that wait for one peer; older ones are dropped then.
const WAITING_MAX: usize = 256;

/// The mail of one pair of ranks, seen from one side.
#[derive(Debug, Default)]
pub struct Post {
    /// Number of the last piece that was handed in.
    sent: u32,
    /// Pieces without a receipt.
    waiting: VecDeque<(u32, Vec<u32>)>,
    /// Number of the last piece that came.
    received: u32,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub enum Came {
    /// A piece, and the receipt to be sent back.
    Piece(Vec<u8>, Vec<u32>),
    /// A piece that has come before, and its receipt.
    Again(Vec<u32>),
    /// A receipt.
    Receipt,
}

impl Post {
    /// Takes a piece; the words to be sent, now and whenever the link comes back.
    pub fn hand_in(&mut self, bytes: &[u8]) -> Vec<u32> {
        self.sent += 1;
        let mut words = vec![0; 3 + bytes.len().div_ceil(4)];
        words[..3].copy_from_slice(&[PIECE, self.sent, bytes.len() as u32]);
        bytemuck::cast_slice_mut::<u32, u8>(&mut words[3..])[..bytes.len()].copy_from_slice(bytes);
        self.waiting.push_back((self.sent, words.clone()));
        if self.waiting.len() > WAITING_MAX {
            self.waiting.pop_front();
        }
        words
    }

    /// What is to be sent again now that the link is back.
    pub fn again(&self) -> impl Iterator<Item = Vec<u32>> + '_ {
        self.waiting.iter().map(|(_, words)| words.clone())
    }

    /// Whether nothing waits for a receipt.
    pub fn is_delivered(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes words of the peer; `None` where they are no mail.
    pub fn take(&mut self, words: &[u32]) -> Option<Came> {
        match *words {
            [RECEIPT, number] => {
                self.waiting.retain(|(waiting, _)| *waiting > number);
                Some(Came::Receipt)
            }
            [PIECE, number, bytes, ref body @ ..] if body.len() == (bytes as usize).div_ceil(4) => {
                // The link keeps the order, so a higher number is the next one that matters; what lies between was dropped.
                let fresh = number > self.received;
                self.received = self.received.max(number);
                let receipt = vec![RECEIPT, self.received];
                let bytes = || bytemuck::cast_slice::<u32, u8>(body)[..bytes as usize].to_vec();
                Some(if fresh { Came::Piece(bytes(), receipt) } else { Came::Again(receipt) })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_broken_link_lost_comes_once_it_is_back() {
        let (mut a, mut b) = (Post::default(), Post::default());
        let first = a.hand_in(b"one");
        let _lost = a.hand_in(b"two!");
        let Some(Came::Piece(bytes, receipt)) = b.take(&first) else { panic!("a piece") };
        assert_eq!(bytes, b"one");
        // The receipt is lost, too.
        let again: Vec<Vec<u32>> = a.again().collect();
        assert_eq!(again.len(), 2);
        assert_eq!(b.take(&again[0]), Some(Came::Again(receipt)));
        let Some(Came::Piece(bytes, receipt)) = b.take(&again[1]) else { panic!("a piece") };
        assert_eq!(bytes, b"two!");
        assert_eq!(a.take(&receipt), Some(Came::Receipt));
        assert!(a.is_delivered());
    }

    #[test]
    fn what_is_no_mail_is_refused() {
        let mut post = Post::default();
        for words in [&[][..], &[PIECE], &[PIECE, 1, 5, 0], &[RECEIPT], &[RECEIPT, 1, 2], &[7, 7]] {
            assert_eq!(post.take(words), None, "{words:?}");
        }
        assert_eq!(post.take(&[PIECE, 1, u32::MAX, 0]), None);
    }
}
