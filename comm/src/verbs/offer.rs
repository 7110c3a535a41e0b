//! What a peer must know to write here: little-endian, versioned, and checked to the last byte when it is read.

use super::device::{Gid, GidKind, RAILS_MAX};
use super::memory_keys::Keys;
use crate::ids::Rank;
use crate::transport::{OFFER_BYTES_MAX, Unavailable};

/// `RZVO`.
const MAGIC: u32 = 0x4f56_5a52;
const VERSION: u16 = 1;
/// Numbers of queue pairs and packets have 24 bits.
const WIDTH: u32 = 1 << 24;

/// One end of one rail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RailOffer {
    /// Number of the queue pair.
    pub queue_pair: u32,
    /// Number of the first packet that it sends.
    pub packet: u32,
    /// Local identifier; 0 with RoCE.
    pub lid: u16,
    /// Address.
    pub gid: Gid,
    /// Framing, which implies what the port is joined to.
    pub kind: GidKind,
    /// Active MTU, as `enum ibv_mtu`.
    pub mtu: u8,
}

/// One segment that may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentOffer {
    /// Address of the first word.
    pub address: u64,
    /// Words.
    pub words: u64,
    /// Key of each rail.
    pub keys: Keys,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Who offers.
    pub from: Rank,
    /// To whom.
    pub to: Rank,
    /// Which connection of the offering rank it is.
    pub generation: u32,
    /// The rails, at least one.
    pub rails: Vec<RailOffer>,
    /// The segments, by id.
    pub segments: Vec<SegmentOffer>,
}

impl Offer {
    /// Writes it.
    ///
    /// # Errors
    /// When it would exceed [`OFFER_BYTES_MAX`].
    pub fn encode(&self) -> Result<Vec<u8>, Unavailable> {
        let mut out = Vec::new();
        out.extend(MAGIC.to_le_bytes());
        out.extend(VERSION.to_le_bytes());
        out.extend((self.rails.len() as u16).to_le_bytes());
        for word in [self.generation, self.from.0, self.to.0, self.segments.len() as u32] {
            out.extend(word.to_le_bytes());
        }
        for rail in &self.rails {
            out.extend(rail.queue_pair.to_le_bytes());
            out.extend(rail.packet.to_le_bytes());
            out.extend(rail.lid.to_le_bytes());
            out.extend([rail.mtu, rail.kind as u8]);
            out.extend(rail.gid.0);
        }
        for segment in &self.segments {
            out.extend(segment.address.to_le_bytes());
            out.extend(segment.words.to_le_bytes());
            for key in &segment.keys[..self.rails.len()] {
                out.extend(key.to_le_bytes());
            }
        }
        if out.len() > OFFER_BYTES_MAX {
            return Err(Unavailable::new(format!("{} segments are too many for one offer", self.segments.len())));
        }
        Ok(out)
    }

    /// Reads what a peer sent.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: &[u8]) -> Result<Offer, Unavailable> {
        let mut input = Input(bytes);
        parse(&mut input).map_err(|what| Unavailable::new(format!("the peer's RDMA offer cannot be used: {what}")))
    }
}

fn parse(input: &mut Input<'_>) -> Result<Offer, String> {
    if input.u32()? != MAGIC {
        return Err("it is no such offer".into());
    }
    let version = input.u16()?;
    if version != VERSION {
        return Err(format!("version {version}, {VERSION} expected; all ranks must run the same build"));
    }
    let rails = usize::from(input.u16()?);
    if rails == 0 || rails > RAILS_MAX {
        return Err(format!("{rails} rails"));
    }
    let (generation, from, to, segments) = (input.u32()?, Rank(input.u32()?), Rank(input.u32()?), input.u32()?);
    let rails = (0..rails).map(|_| rail(input)).collect::<Result<Vec<_>, _>>()?;
    // Checked before memory is reserved for them.
    let each = 16 + 4 * rails.len();
    if input.0.len() as u64 != u64::from(segments) * each as u64 {
        return Err(format!("{} bytes for {segments} segments", input.0.len()));
    }
    let segments = (0..segments).map(|_| segment(input, rails.len())).collect::<Result<_, _>>()?;
    Ok(Offer { from, to, generation, rails, segments })
}

fn rail(input: &mut Input<'_>) -> Result<RailOffer, String> {
    let (queue_pair, packet, lid) = (input.u32()?, input.u32()?, input.u16()?);
    let [mtu, kind] = input.take::<2>()?;
    let gid = Gid(input.take::<16>()?);
    if queue_pair >= WIDTH || packet >= WIDTH {
        return Err(format!("queue pair {queue_pair:#x}, packet {packet:#x}"));
    }
    if !(1..=5).contains(&mtu) {
        return Err(format!("MTU code {mtu}"));
    }
    let kind = match kind {
        0 => GidKind::Ib,
        1 => GidKind::RoceV1,
        2 => GidKind::RoceV2,
        other => return Err(format!("address kind {other}")),
    };
    Ok(RailOffer { queue_pair, packet, lid, gid, kind, mtu })
}

fn segment(input: &mut Input<'_>, rails: usize) -> Result<SegmentOffer, String> {
    let (address, words) = (input.u64()?, input.u64()?);
    if words.checked_mul(4).and_then(|bytes| address.checked_add(bytes)).is_none() {
        return Err(format!("a segment of {words} words at {address:#x}"));
    }
    let mut keys = Keys::default();
    for key in &mut keys[..rails] {
        *key = input.u32()?;
    }
    Ok(SegmentOffer { address, words, keys })
}

/// What is left to read.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or("it is cut off")?;
        self.0 = tail;
        Ok(*head)
    }

    fn u16(&mut self) -> Result<u16, String> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, String> {
        self.take().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Offer {
        let rail = |queue_pair| RailOffer {
            queue_pair,
            packet: 0x12_3456,
            lid: 7,
            gid: Gid([9; 16]),
            kind: GidKind::RoceV2,
            mtu: 3,
        };
        let mut keys = Keys::default();
        keys[..2].copy_from_slice(&[11, 12]);
        let segments = vec![SegmentOffer { address: 0x7f00_0000_0000, words: 1 << 20, keys }; 3];
        Offer { from: Rank(3), to: Rank(4), generation: 5, rails: vec![rail(17), rail(18)], segments }
    }

    #[test]
    fn what_is_written_is_read() {
        let offer = example();
        assert_eq!(Offer::decode(&offer.encode().expect("small")).expect("valid"), offer);
    }

    #[test]
    fn every_truncation_and_extension_is_refused() {
        let mut bytes = example().encode().expect("small");
        for len in 0..bytes.len() {
            assert!(Offer::decode(&bytes[..len]).is_err(), "{len} bytes");
        }
        bytes.push(0);
        assert!(Offer::decode(&bytes).is_err());
    }

    #[test]
    fn garbage_is_refused_without_a_panic() {
        let good = example().encode().expect("small");
        for at in 0..good.len() {
            for value in [0u8, 1, 7, 0x7f, 0xff] {
                let mut bad = good.clone();
                bad[at] = value;
                // What decodes at all is within all bounds.
                if let Ok(offer) = Offer::decode(&bad) {
                    assert!(offer.rails.iter().all(|rail| rail.queue_pair < WIDTH && rail.packet < WIDTH));
                }
            }
        }
        assert!(Offer::decode(&[0xff; 4096]).is_err());
        assert!(Offer::decode(b"hello").is_err());
    }

    #[test]
    fn ranges_that_wrap_around_are_refused() {
        let mut offer = example();
        offer.segments[1].address = u64::MAX - 3;
        let Unavailable(reason) = Offer::decode(&offer.encode().expect("small")).expect_err("it wraps");
        assert!(reason.contains("a segment of 1048576 words"), "{reason}");
    }

    #[test]
    fn an_offer_that_is_too_large_is_not_made() {
        let mut offer = example();
        offer.segments = vec![offer.segments[0]; 1 << 16];
        assert!(offer.encode().is_err());
    }
}
