//! How packets lie in the byte stream of a connection: a header of two words, `mark | kind` and the length in words,
//! then the packet's words. Words are in the byte order of the machine; the handshake refuses a stranger's order.
//!
//! [`Decoder`] has no I/O. Memory is taken as bytes really arrive, so a header that lies costs nothing.

use super::spares::Spares;
use crate::bootstrap::MAX_BOOTSTRAP_BYTES;
use crate::error::Malformed;
use crate::port::Lane;

/// Length of the header, in bytes.
pub const HEADER_BYTES: usize = 8;
/// Longest packet of [`Lane::Data`], in words.
pub const DATA_WORDS_MAX: usize = 2 << 20;
/// Longest packet of [`Lane::Message`], in words.
pub const MESSAGE_WORDS_MAX: usize = (MAX_BOOTSTRAP_BYTES + 4096) / 4;
/// Least memory taken for a packet that has begun to arrive, in words; what has arrived is doubled from there.
const STEP_WORDS: usize = 1 << 14;

/// Upper 24 bits of the first word of a header.
const MARK: u32 = 0x525a_5000;
const KIND_DATA: u32 = 0;
const KIND_MESSAGE: u32 = 1;
const KIND_GOODBYE: u32 = 2;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A packet of this lane.
    Packet(Lane),
    /// The sender closes the connection on purpose and lives on.
    Goodbye,
}

/// Longest packet of a lane, in words.
pub const fn words_max(lane: Lane) -> usize {
    match lane {
        Lane::Data => DATA_WORDS_MAX,
        Lane::Message => MESSAGE_WORDS_MAX,
    }
}

/// The header of a frame with `words` words.
pub fn header(kind: Kind, words: u32) -> [u8; HEADER_BYTES] {
    let kind = match kind {
        Kind::Packet(Lane::Data) => KIND_DATA,
        Kind::Packet(Lane::Message) => KIND_MESSAGE,
        Kind::Goodbye => KIND_GOODBYE,
    };
    bytemuck::cast([MARK | kind, words])
}

/// Kind and length, in words.
///
/// # Errors
/// What no frame begins with.
pub fn parse(header: [u8; HEADER_BYTES]) -> Result<(Kind, usize), Malformed> {
    let [mark, words]: [u32; 2] = bytemuck::cast(header);
    if mark & !0xff != MARK {
        return Err(Malformed::Magic(mark));
    }
    let (kind, most) = match mark & 0xff {
        KIND_DATA => (Kind::Packet(Lane::Data), DATA_WORDS_MAX),
        KIND_MESSAGE => (Kind::Packet(Lane::Message), MESSAGE_WORDS_MAX),
        KIND_GOODBYE => (Kind::Goodbye, 0),
        other => return Err(Malformed::Kind(other)),
    };
    if words as usize > most {
        return Err(Malformed::TooLarge { bytes: u64::from(words) * 4, limit: most as u64 * 4 });
    }
    Ok((kind, words as usize))
}

/// What came out of a run of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// More may follow.
    Open,
    /// The sender has said goodbye; what follows is ignored.
    Goodbye,
}

/// A packet that has begun to arrive.
#[derive(Debug)]
struct Body {
    lane: Lane,
    words: usize,
    filled_bytes: usize,
    /// Not shorter than what has arrived.
    buffer: Vec<u32>,
}

impl Body {
    /// The place of the bytes that come next; never empty, ends between two words.
    fn room(&mut self) -> &mut [u8] {
        let arrived = self.filled_bytes / 4;
        if self.filled_bytes.is_multiple_of(4) && self.buffer.len() <= arrived {
            let most = arrived + arrived.max(STEP_WORDS);
            self.buffer.resize(self.words.min(most), 0);
        }
        let end = self.words.min(self.buffer.len());
        &mut bytemuck::cast_slice_mut(&mut self.buffer[..end])[self.filled_bytes..]
    }
}

/// Takes the byte stream apart.
#[derive(Debug, Default)]
pub struct Decoder {
    header: [u8; HEADER_BYTES],
    header_filled: usize,
    body: Option<Body>,
    /// Longest packet in either lane, in words, where the lane allows as much.
    words_max: Option<usize>,
}

impl Decoder {
    /// Refuses packets of more than `words_max` words, in either lane.
    pub fn up_to(words_max: usize) -> Decoder {
        Decoder { words_max: Some(words_max), ..Decoder::default() }
    }

    /// Whether part of a frame has arrived.
    pub fn amid_frame(&self) -> bool {
        self.header_filled > 0 || self.body.is_some()
    }

    /// Where the next bytes of the packet that has begun may be put; see [`Decoder::filled`]. Empty between packets.
    pub fn room(&mut self) -> &mut [u8] {
        self.body.as_mut().map_or(&mut [], Body::room)
    }

    /// Offset within a word of the first byte that [`Decoder::take`] is given next: data at this alignment is not
    /// copied.
    pub fn offset(&self) -> usize {
        self.header_filled % 4
    }

    /// The first `bytes` of [`Decoder::room`] hold what came next.
    pub fn filled(&mut self, bytes: usize, spares: &mut Spares, sink: &mut dyn FnMut(Lane, &[u32])) {
        let Some(body) = &mut self.body else { return };
        body.filled_bytes += bytes;
        if body.filled_bytes == body.words * 4
            && let Some(body) = self.body.take()
        {
            sink(body.lane, &body.buffer[..body.words]);
            spares.put(body.buffer);
        }
    }

    /// Takes the bytes that came next and hands over the packets that are whole.
    ///
    /// # Errors
    /// What no frame begins with. The stream is of no use then.
    pub fn take(
        &mut self,
        mut bytes: &[u8],
        spares: &mut Spares,
        sink: &mut dyn FnMut(Lane, &[u32]),
    ) -> Result<Flow, Malformed> {
        while !bytes.is_empty() {
            if let Some(body) = &mut self.body {
                let room = body.room();
                let len = room.len().min(bytes.len());
                let (now, later) = bytes.split_at(len);
                room[..len].copy_from_slice(now);
                self.filled(len, spares, sink);
                bytes = later;
                continue;
            }
            let len = (HEADER_BYTES - self.header_filled).min(bytes.len());
            let (now, later) = bytes.split_at(len);
            self.header[self.header_filled..self.header_filled + len].copy_from_slice(now);
            self.header_filled += len;
            bytes = later;
            if self.header_filled < HEADER_BYTES {
                break;
            }
            self.header_filled = 0;
            let (kind, words) = parse(self.header)?;
            if let Some(most) = self.words_max.filter(|&most| words > most) {
                return Err(Malformed::TooLarge { bytes: words as u64 * 4, limit: most as u64 * 4 });
            }
            let Kind::Packet(lane) = kind else { return Ok(Flow::Goodbye) };
            if let Some((body, later)) = bytes.split_at_checked(words * 4)
                && let Ok(packet) = bytemuck::try_cast_slice(body)
            {
                sink(lane, packet);
                bytes = later;
            } else {
                self.body = Some(Body { lane, words, filled_bytes: 0, buffer: spares.take() });
            }
        }
        Ok(Flow::Open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets of several lengths and their byte stream.
    fn sample() -> (Vec<(Lane, Vec<u32>)>, Vec<u8>) {
        let packets: Vec<(Lane, Vec<u32>)> = [0u32, 1, 2, 7, 0, 33, 5]
            .into_iter()
            .enumerate()
            .map(|(at, len)| {
                let lane = if at % 2 == 0 { Lane::Data } else { Lane::Message };
                (lane, (0..len).map(|word| word * 0x0101_0101 + at as u32).collect())
            })
            .collect();
        let mut bytes = Vec::new();
        for (lane, words) in &packets {
            bytes.extend(header(Kind::Packet(*lane), words.len() as u32));
            bytes.extend_from_slice(bytemuck::cast_slice(words));
        }
        (packets, bytes)
    }

    /// Feeds `bytes` in pieces of the given lengths, through the two ways in by turns.
    fn feed(decoder: &mut Decoder, bytes: &[u8], cuts: &[usize], direct: bool) -> Vec<(Lane, Vec<u32>)> {
        let (mut got, mut spares) = (Vec::new(), Spares::default());
        let mut from = 0;
        for &to in cuts.iter().chain([&bytes.len()]) {
            let mut piece = &bytes[from..to];
            from = to;
            let mut sink = |lane, words: &[u32]| got.push((lane, words.to_vec()));
            if direct {
                let room = decoder.room();
                let len = room.len().min(piece.len());
                room[..len].copy_from_slice(&piece[..len]);
                decoder.filled(len, &mut spares, &mut sink);
                piece = &piece[len..];
            }
            assert_eq!(decoder.take(piece, &mut spares, &mut sink), Ok(Flow::Open));
        }
        got
    }

    #[test]
    fn every_split_in_three_gives_the_same_packets() {
        let (packets, bytes) = sample();
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                for direct in [false, true] {
                    let mut decoder = Decoder::default();
                    assert_eq!(feed(&mut decoder, &bytes, &[first, second], direct), packets, "{first} {second}");
                    assert!(!decoder.amid_frame());
                }
            }
        }
    }

    #[test]
    fn single_bytes_give_the_same_packets() {
        let (packets, bytes) = sample();
        let cuts: Vec<usize> = (0..bytes.len()).collect();
        assert_eq!(feed(&mut Decoder::default(), &bytes, &cuts, true), packets);
    }

    #[test]
    fn a_header_that_lies_costs_no_memory() {
        let mut decoder = Decoder::default();
        let header = header(Kind::Packet(Lane::Message), MESSAGE_WORDS_MAX as u32);
        assert_eq!(decoder.take(&header, &mut Spares::default(), &mut |_, _| ()), Ok(Flow::Open));
        assert_eq!(decoder.take(&[1; 6], &mut Spares::default(), &mut |_, _| ()), Ok(Flow::Open));
        assert_eq!(decoder.room().len(), STEP_WORDS * 4 - 6);
        let body = decoder.body.as_ref().expect("begun");
        assert!(body.buffer.capacity() <= 2 * STEP_WORDS);
    }

    #[test]
    fn a_long_packet_grows_with_its_bytes() {
        let words: Vec<u32> = (0..DATA_WORDS_MAX as u32).collect();
        let mut bytes = header(Kind::Packet(Lane::Data), words.len() as u32).to_vec();
        bytes.extend_from_slice(bytemuck::cast_slice(&words));
        let cuts: Vec<usize> = (0..bytes.len()).step_by(100_003).collect();
        let got = feed(&mut Decoder::default(), &bytes, &cuts, true);
        assert!(got.len() == 1 && got[0] == (Lane::Data, words));
    }

    #[test]
    fn what_begins_no_frame_is_refused_by_name() {
        let refusal = |mark: u32, words: u32| {
            let bytes: [u8; 8] = bytemuck::cast([mark, words]);
            Decoder::default().take(&bytes, &mut Spares::default(), &mut |_, _| ()).expect_err("refused")
        };
        assert_eq!(refusal(0x1234_5678, 0), Malformed::Magic(0x1234_5678));
        assert_eq!(refusal(MARK | 9, 0), Malformed::Kind(9));
        let most = DATA_WORDS_MAX as u64 * 4;
        assert_eq!(refusal(MARK, DATA_WORDS_MAX as u32 + 1), Malformed::TooLarge { bytes: most + 4, limit: most });
        assert_eq!(
            refusal(MARK | 1, u32::MAX),
            Malformed::TooLarge { bytes: u64::from(u32::MAX) * 4, limit: MESSAGE_WORDS_MAX as u64 * 4 }
        );
        assert_eq!(refusal(MARK | 2, 1), Malformed::TooLarge { bytes: 4, limit: 0 });
    }

    #[test]
    fn nothing_after_a_goodbye_counts() {
        let (_, packets) = sample();
        let mut bytes = header(Kind::Goodbye, 0).to_vec();
        bytes.extend(packets);
        let mut sink = |_, _: &[u32]| panic!("a packet after the goodbye");
        assert_eq!(Decoder::default().take(&bytes, &mut Spares::default(), &mut sink), Ok(Flow::Goodbye));
    }
}
