//! The packets of the rungs that move packets: layout, writing, and the reading of what strangers sent.
//!
//! A packet is a run of 32-bit words in the byte order of the machine (the magic tells a stranger's order):
//! a header of [`HEADER_WORDS`], `pieces` × (`to` low, `to` high, `len`), then the pieces' words.
//! [`Packet::parse`] checks the packet against itself; what it means here (segment, order) is checked by the engine.

use crate::delta::Mode;
use crate::error::Malformed;

/// First word: "RZP" and the protocol version.
pub const MAGIC: u32 = u32::from_le_bytes(*b"RZP2");
/// Length of the header, in words.
pub const HEADER_WORDS: usize = 12;
/// Length of the description of a piece, in words.
pub const PIECE_WORDS: usize = 3;

/// What a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Words for a segment; the last packet of a write raises the notification.
    Write {
        /// Whether the write ends with this packet.
        last: bool,
        /// How the words are encoded.
        mode: Mode,
    },
    /// An acknowledgement alone.
    Ack,
    /// One piece for a segment, whose words are not in the packet but follow by themselves.
    Direct {
        /// Whether the write ends with this piece.
        last: bool,
    },
}

/// The header, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What it is for.
    pub kind: Kind,
    /// The number that the receiver gave its side of the connection.
    pub connection: u32,
    /// Number of this packet from its sender to its receiver, from 0; for [`Kind::Ack`] not counted.
    pub sequence: u64,
    /// Words of packets that the sender has taken from the receiver so far.
    pub acknowledged: u64,
    /// Target segment.
    pub segment: u32,
    /// Raised with the last packet of a write.
    pub notification: u32,
    /// Number of pieces.
    pub pieces: u32,
    /// Words of all pieces together.
    pub payload: u32,
}

const KIND_WRITE: u32 = 1;
const KIND_ACK: u32 = 2;
const KIND_DIRECT: u32 = 3;
const FLAG_LAST: u32 = 1;
const FLAG_KEEP: u32 = 2;
const FLAG_DELTA: u32 = 4;

/// The low and the high half of a 64-bit number.
const fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

const fn whole(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

impl Header {
    /// The words of this header.
    pub fn encode(&self) -> [u32; HEADER_WORDS] {
        let (kind, flags) = match self.kind {
            Kind::Write { last, mode } => {
                let mode = match mode {
                    Mode::Raw => 0,
                    Mode::Keep => FLAG_KEEP,
                    Mode::Delta => FLAG_DELTA,
                };
                (KIND_WRITE, mode | if last { FLAG_LAST } else { 0 })
            }
            Kind::Ack => (KIND_ACK, 0),
            Kind::Direct { last } => (KIND_DIRECT, if last { FLAG_LAST } else { 0 }),
        };
        let [sequence_low, sequence_high] = halves(self.sequence);
        let [acknowledged_low, acknowledged_high] = halves(self.acknowledged);
        [
            MAGIC,
            self.connection,
            kind,
            flags,
            sequence_low,
            sequence_high,
            acknowledged_low,
            acknowledged_high,
            self.segment,
            self.notification,
            self.pieces,
            self.payload,
        ]
    }
}

/// Where a piece goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// First word in the target segment.
    pub to: u64,
    /// Words.
    pub len: u32,
}

impl Piece {
    /// The words that describe this piece.
    pub fn encode(&self) -> [u32; PIECE_WORDS] {
        let [low, high] = halves(self.to);
        [low, high, self.len]
    }

    /// The piece that these words describe.
    pub fn decode([low, high, len]: [u32; PIECE_WORDS]) -> Piece {
        Piece { to: whole(low, high), len }
    }
}

/// A packet whose lengths agree with each other.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Its header.
    pub header: Header,
    pieces: &'a [[u32; PIECE_WORDS]],
    payload: &'a [u32],
}

impl<'a> Packet<'a> {
    /// Reads a packet.
    ///
    /// # Errors
    /// What is wrong with it. No input panics.
    pub fn parse(words: &'a [u32]) -> Result<Packet<'a>, Malformed> {
        let Some((header, rest)) = words.split_first_chunk::<HEADER_WORDS>() else {
            return Err(Malformed::Length { words: words.len(), expected: HEADER_WORDS as u64 });
        };
        let [
            magic,
            connection,
            kind,
            flags,
            seq_low,
            seq_high,
            ack_low,
            ack_high,
            segment,
            notification,
            pieces,
            payload,
        ] = *header;
        if magic != MAGIC {
            return Err(Malformed::Magic(magic));
        }
        let kind = match kind {
            KIND_WRITE => Kind::Write { last: flags & FLAG_LAST != 0, mode: mode(flags & !FLAG_LAST)? },
            KIND_DIRECT if flags & !FLAG_LAST == 0 => Kind::Direct { last: flags & FLAG_LAST != 0 },
            KIND_ACK if flags == 0 => Kind::Ack,
            KIND_ACK | KIND_DIRECT => return Err(Malformed::Flags(flags)),
            other => return Err(Malformed::Kind(other)),
        };
        // One piece at most is announced, so that one payload follows.
        let inside = match kind {
            Kind::Direct { .. } if pieces != 1 => {
                return Err(Malformed::Length { words: pieces as usize, expected: 1 });
            }
            Kind::Direct { .. } => 0,
            Kind::Write { .. } | Kind::Ack => u64::from(payload),
        };
        let expected = HEADER_WORDS as u64 + u64::from(pieces) * PIECE_WORDS as u64 + inside;
        if expected != words.len() as u64 {
            return Err(Malformed::Length { words: words.len(), expected });
        }
        let (table, payload_words) = rest.split_at(pieces as usize * PIECE_WORDS);
        let (table, _) = table.as_chunks::<PIECE_WORDS>();
        let described: u64 = table.iter().map(|&[_, _, len]| u64::from(len)).sum();
        let encoded = matches!(kind, Kind::Write { mode: Mode::Delta, .. });
        if described != u64::from(payload) && !encoded {
            return Err(Malformed::Length { words: payload_words.len(), expected: described });
        }
        let header = Header {
            kind,
            connection,
            sequence: whole(seq_low, seq_high),
            acknowledged: whole(ack_low, ack_high),
            segment,
            notification,
            pieces,
            payload,
        };
        Ok(Packet { header, pieces: table, payload: payload_words })
    }

    /// Where the pieces go, in the order of their words.
    pub fn pieces(&self) -> impl Iterator<Item = Piece> + Clone + use<'a> {
        self.pieces.iter().copied().map(Piece::decode)
    }

    /// The words as they were sent, encoded or not; those of [`Kind::Direct`] are not among them.
    pub fn payload(&self) -> &'a [u32] {
        self.payload
    }
}

fn mode(flags: u32) -> Result<Mode, Malformed> {
    match flags {
        0 => Ok(Mode::Raw),
        FLAG_KEEP => Ok(Mode::Keep),
        FLAG_DELTA => Ok(Mode::Delta),
        other => Err(Malformed::Flags(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u32> {
        let header = Header {
            kind: Kind::Write { last: true, mode: Mode::Raw },
            connection: 3,
            sequence: 0x1_0000_0002,
            acknowledged: 0x2_0000_0001,
            segment: 1,
            notification: 77,
            pieces: 2,
            payload: 3,
        };
        let mut words = header.encode().to_vec();
        words.extend(Piece { to: 5, len: 1 }.encode());
        words.extend(Piece { to: 1 << 33, len: 2 }.encode());
        words.extend([10, 20, 21]);
        words
    }

    #[test]
    fn what_is_written_is_read() {
        let words = sample();
        let packet = Packet::parse(&words).expect("well-formed");
        assert_eq!(packet.header.encode(), words[..HEADER_WORDS]);
        let pieces: Vec<_> = packet.pieces().collect();
        assert_eq!(pieces, [Piece { to: 5, len: 1 }, Piece { to: 1 << 33, len: 2 }]);
        assert_eq!(packet.payload(), [10, 20, 21]);
    }

    #[test]
    fn every_truncation_is_refused() {
        let words = sample();
        for len in 0..words.len() {
            assert!(matches!(Packet::parse(&words[..len]), Err(Malformed::Length { .. })), "{len} words");
        }
    }

    #[test]
    fn no_change_of_one_header_word_panics_or_reads_beyond_the_packet() {
        let words = sample();
        for at in 0..words.len() - 3 {
            for value in [0, 1, 2, 3, 4, 0x7fff_ffff, u32::MAX, !words[at], words[at].wrapping_add(1)] {
                let mut changed = words.clone();
                changed[at] = value;
                if let Ok(packet) = Packet::parse(&changed) {
                    let described = packet.pieces().map(|piece| u64::from(piece.len)).sum::<u64>();
                    let elsewhere =
                        matches!(packet.header.kind, Kind::Write { mode: Mode::Delta, .. } | Kind::Direct { .. });
                    assert!(elsewhere || described == packet.payload().len() as u64);
                }
            }
        }
    }

    #[test]
    fn an_announcement_holds_one_piece_and_no_words() {
        let header = Header {
            kind: Kind::Direct { last: true },
            connection: 1,
            sequence: 0,
            acknowledged: 0,
            segment: 1,
            notification: 0,
            pieces: 1,
            payload: 1000,
        };
        let mut words = header.encode().to_vec();
        words.extend(Piece { to: 7, len: 1000 }.encode());
        let packet = Packet::parse(&words).expect("well-formed");
        assert_eq!(packet.header, header);
        assert_eq!(packet.pieces().collect::<Vec<_>>(), [Piece { to: 7, len: 1000 }]);
        for (at, value) in [(10, 0), (10, 2), (11, 999), (14, 999)] {
            let mut changed = words.clone();
            changed[at] = value;
            assert!(matches!(Packet::parse(&changed), Err(Malformed::Length { .. })), "word {at}");
        }
    }

    #[test]
    fn the_reason_is_named() {
        let with = |at: usize, value: u32| {
            let mut words = sample();
            words[at] = value;
            Packet::parse(&words).expect_err("malformed")
        };
        assert_eq!(with(0, 1), Malformed::Magic(1));
        assert_eq!(with(2, 2), Malformed::Flags(1));
        assert_eq!(with(2, 9), Malformed::Kind(9));
        assert_eq!(with(3, 6), Malformed::Flags(6));
        assert_eq!(with(10, u32::MAX), Malformed::Length { words: 21, expected: 12 + 3 * u64::from(u32::MAX) + 3 });
    }
}
