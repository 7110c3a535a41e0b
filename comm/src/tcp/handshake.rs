//! How two ranks make sure of each other before a connection counts: three frames of fixed length.
//!
//! 1. The acceptor greets: magic, version, whether it seals (`seal`), a fresh nonce.
//! 2. The connector says whether it seals, who it is, whom it wants, the generations of both offers and a nonce of its
//!    own, and proves with the key of the run that it knows both nonces.
//! 3. The acceptor proves the same, once it wants the connection.
//!
//! Every proof is over both nonces, so a recorded handshake is worth nothing; the two roles prove under different
//! names, so neither can be answered with its own words. Whether the connection is sealed is part of both proofs and
//! must be the same on both sides, so nobody between them can talk them out of it. A proof shows who connects; what
//! follows is protected from who can read or rewrite packets on the network between the ranks only where it is sealed.

use std::io::{ErrorKind, Read};

use crate::ids::Rank;

/// Of all frames; the last byte is the version.
const MAGIC: [u8; 4] = *b"RZT2";
/// Shows the byte order of the machine.
const ORDER: u32 = 0x0102_0304;

/// Length of the greeting, in bytes.
pub const GREETING_BYTES: usize = 4 + 4 + 32;
/// Length of the connector's frame, in bytes.
pub const HELLO_BYTES: usize = 4 + 4 + 4 + 16 + 32 + 32;
/// Length of the acceptor's proof, in bytes.
pub const WELCOME_BYTES: usize = 4 + 32;

/// The key of the run. Never shown.
#[derive(Clone)]
pub struct Key(pub [u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

/// What a side brings to a handshake.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The key of the run.
    pub key: Key,
    /// Whether connections are sealed.
    pub sealed: bool,
}

/// A number used once.
pub type Nonce = [u8; 32];

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parties {
    /// Who connects: the lower rank.
    pub from: Rank,
    /// Who accepts.
    pub to: Rank,
    /// Generation of the connector's offer.
    pub from_generation: u32,
    /// Generation of the acceptor's offer.
    pub to_generation: u32,
}

impl Parties {
    fn bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let words = [self.from.0, self.to.0, self.from_generation, self.to_generation];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

/// What a connection is about, known to both sides once the second frame is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Between whom.
    pub parties: Parties,
    /// Nonce of the connector.
    pub connector: Nonce,
    /// Nonce of the acceptor.
    pub acceptor: Nonce,
    /// Whether what follows is sealed.
    pub sealed: bool,
}

/// Why a handshake ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not this program, or another version.
    #[error("not a rankzero of this protocol version")]
    Magic,
    /// The machine of the other side has another byte order.
    #[error("a machine of the other byte order")]
    ByteOrder,
    /// Another run, or somebody who does not belong to it.
    #[error("the key of another run")]
    Key,
    /// The other side is told another `network.tls`, or none.
    #[error("{} asks for encryption (network.tls), {} does not", if *.here { "this side" } else { "the other side" },
        if *.here { "the other side" } else { "this side" })]
    Sealing {
        /// Whether this side asks for it.
        here: bool,
    },
}

impl Refusal {
    /// Unless both sides want the same.
    fn unless_agreed(terms: &Terms, theirs: bool) -> Result<(), Refusal> {
        if theirs == terms.sealed { Ok(()) } else { Err(Refusal::Sealing { here: terms.sealed }) }
    }
}

/// The word that tells whether a side seals.
fn flags(sealed: bool) -> [u8; 4] {
    u32::from(sealed).to_le_bytes()
}

/// What the word tells.
fn sealed(flags: [u8; 4]) -> Result<bool, Refusal> {
    match u32::from_le_bytes(flags) {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Refusal::Magic),
    }
}

fn proof(key: &Key, role: &[u8], session: &Session) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_keyed(&key.0);
    let parties = session.parties.bytes();
    for part in [role, &MAGIC, &flags(session.sealed), &parties, &session.connector, &session.acceptor] {
        hasher.update(part);
    }
    hasher.finalize()
}

fn connector_proof(key: &Key, session: &Session) -> blake3::Hash {
    proof(key, b"rankzero tcp connector", session)
}

fn acceptor_proof(key: &Key, session: &Session) -> blake3::Hash {
    proof(key, b"rankzero tcp acceptor!", session)
}

/// What both sides know of a connection and nobody else does: it is never sent.
pub fn shared_secret(key: &Key, session: &Session) -> [u8; 32] {
    // As long as the names of the roles, so that none begins with another.
    *proof(key, b"rankzero tcp sealing!!", session).as_bytes()
}

/// A part of a frame of known length.
fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|index| bytes[at + index])
}

/// The first frame.
pub fn greeting(terms: &Terms, acceptor: &Nonce) -> [u8; GREETING_BYTES] {
    let mut frame = [0; GREETING_BYTES];
    frame[..4].copy_from_slice(&MAGIC);
    frame[4..8].copy_from_slice(&flags(terms.sealed));
    frame[8..].copy_from_slice(acceptor);
    frame
}

/// The acceptor's nonce.
///
/// # Errors
/// [`Refusal::Magic`], [`Refusal::Sealing`].
pub fn check_greeting(terms: &Terms, frame: &[u8; GREETING_BYTES]) -> Result<Nonce, Refusal> {
    if part::<4>(frame, 0) != MAGIC {
        return Err(Refusal::Magic);
    }
    // Not proven yet; who lies here is found out by the proof.
    Refusal::unless_agreed(terms, sealed(part(frame, 4))?)?;
    Ok(part(frame, 8))
}

/// The second frame.
pub fn hello(key: &Key, session: &Session) -> [u8; HELLO_BYTES] {
    let mut frame = [0; HELLO_BYTES];
    frame[..4].copy_from_slice(&MAGIC);
    frame[4..8].copy_from_slice(&ORDER.to_ne_bytes());
    frame[8..12].copy_from_slice(&flags(session.sealed));
    frame[12..28].copy_from_slice(&session.parties.bytes());
    frame[28..60].copy_from_slice(&session.connector);
    frame[60..].copy_from_slice(connector_proof(key, session).as_bytes());
    frame
}

/// What the connector wants, proven; `acceptor` is the nonce that it was greeted with.
///
/// # Errors
/// What is wrong with it.
pub fn check_hello(terms: &Terms, frame: &[u8; HELLO_BYTES], acceptor: Nonce) -> Result<Session, Refusal> {
    if part::<4>(frame, 0) != MAGIC {
        return Err(Refusal::Magic);
    }
    if u32::from_ne_bytes(part(frame, 4)) != ORDER {
        return Err(Refusal::ByteOrder);
    }
    let word = |at| u32::from_le_bytes(part(frame, at));
    let parties =
        Parties { from: Rank(word(12)), to: Rank(word(16)), from_generation: word(20), to_generation: word(24) };
    let session = Session { parties, connector: part(frame, 28), acceptor, sealed: sealed(part(frame, 8))? };
    // Comparison of hashes takes the same time wherever they differ.
    if connector_proof(&terms.key, &session) != blake3::Hash::from_bytes(part(frame, 60)) {
        return Err(Refusal::Key);
    }
    Refusal::unless_agreed(terms, session.sealed)?;
    Ok(session)
}

/// The third frame.
pub fn welcome(key: &Key, session: &Session) -> [u8; WELCOME_BYTES] {
    let mut frame = [0; WELCOME_BYTES];
    frame[..4].copy_from_slice(&MAGIC);
    frame[4..].copy_from_slice(acceptor_proof(key, session).as_bytes());
    frame
}

/// Whether the acceptor is who it should be.
///
/// # Errors
/// What is wrong with its frame.
pub fn check_welcome(key: &Key, frame: &[u8; WELCOME_BYTES], session: &Session) -> Result<(), Refusal> {
    if part::<4>(frame, 0) != MAGIC {
        return Err(Refusal::Magic);
    }
    if acceptor_proof(key, session) != blake3::Hash::from_bytes(part(frame, 4)) {
        return Err(Refusal::Key);
    }
    Ok(())
}

/// A fresh nonce.
///
/// # Errors
/// The system has no random numbers.
pub fn nonce() -> std::io::Result<Nonce> {
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).map_err(std::io::Error::other)?;
    Ok(nonce)
}

/// A frame of `N` bytes that arrives in pieces; nothing beyond its end is read.
#[derive(Debug)]
pub struct Intake<const N: usize> {
    frame: [u8; N],
    filled: usize,
}

impl<const N: usize> Intake<N> {
    /// Nothing has arrived.
    pub const fn new() -> Self {
        Intake { frame: [0; N], filled: 0 }
    }

    /// Reads what is there; the frame, once it is whole.
    ///
    /// # Errors
    /// The connection failed, or ended: [`ErrorKind::UnexpectedEof`].
    pub fn fill(&mut self, mut source: impl Read) -> std::io::Result<Option<[u8; N]>> {
        while self.filled < N {
            match source.read(&mut self.frame[self.filled..]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(bytes) => self.filled += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(self.frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = Key([7; 32]);
    const TERMS: Terms = Terms { key: KEY, sealed: false };
    const SEALED: Terms = Terms { key: KEY, sealed: true };

    fn session() -> Session {
        let parties = Parties { from: Rank(1), to: Rank(2), from_generation: 3, to_generation: 4 };
        Session { parties, connector: [5; 32], acceptor: [6; 32], sealed: false }
    }

    #[test]
    fn the_two_sides_agree() {
        assert_eq!(check_greeting(&TERMS, &greeting(&TERMS, &[6; 32])), Ok([6; 32]));
        assert_eq!(check_hello(&TERMS, &hello(&KEY, &session()), [6; 32]), Ok(session()));
        assert_eq!(check_welcome(&KEY, &welcome(&KEY, &session()), &session()), Ok(()));
    }

    #[test]
    fn another_key_is_refused_by_both() {
        let other = Key([8; 32]);
        assert_eq!(check_hello(&TERMS, &hello(&other, &session()), [6; 32]), Err(Refusal::Key));
        assert_eq!(check_welcome(&KEY, &welcome(&other, &session()), &session()), Err(Refusal::Key));
    }

    #[test]
    fn a_recorded_handshake_is_refused() {
        assert_eq!(check_hello(&TERMS, &hello(&KEY, &session()), [9; 32]), Err(Refusal::Key));
        let fresh = Session { connector: [9; 32], ..session() };
        assert_eq!(check_welcome(&KEY, &welcome(&KEY, &session()), &fresh), Err(Refusal::Key));
    }

    #[test]
    fn no_role_is_answered_with_its_own_proof() {
        let mut frame = welcome(&KEY, &session());
        frame[4..].copy_from_slice(&hello(&KEY, &session())[60..]);
        assert_eq!(check_welcome(&KEY, &frame, &session()), Err(Refusal::Key));
    }

    #[test]
    fn no_changed_bit_is_taken() {
        let frame = hello(&KEY, &session());
        for bit in 0..HELLO_BYTES * 8 {
            let mut changed = frame;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(check_hello(&TERMS, &changed, [6; 32]).is_err(), "bit {bit}");
        }
        let frame = welcome(&KEY, &session());
        for bit in 0..WELCOME_BYTES * 8 {
            let mut changed = frame;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(check_welcome(&KEY, &changed, &session()).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn another_wish_for_encryption_is_refused_by_name_and_cannot_be_changed_on_the_way() {
        let here = |terms: &Terms| Refusal::Sealing { here: terms.sealed };
        for (mine, theirs) in [(&TERMS, &SEALED), (&SEALED, &TERMS)] {
            let greeted = greeting(theirs, &[6; 32]);
            assert_eq!(check_greeting(mine, &greeted), Err(here(mine)));
            let wanted = Session { sealed: theirs.sealed, ..session() };
            let mut frame = hello(&KEY, &wanted);
            assert_eq!(check_hello(mine, &frame, [6; 32]), Err(here(mine)));
            assert_eq!(check_hello(theirs, &frame, [6; 32]), Ok(wanted));
            // Somebody between the two rewrites the word, so that it says what is wanted.
            frame[8..12].copy_from_slice(&flags(mine.sealed));
            assert_eq!(check_hello(mine, &frame, [6; 32]), Err(Refusal::Key));
            let kept = Session { sealed: mine.sealed, ..session() };
            assert_eq!(check_welcome(&KEY, &welcome(&KEY, &wanted), &kept), Err(Refusal::Key));
        }
        let text = Refusal::Sealing { here: true }.to_string();
        assert_eq!(text, "this side asks for encryption (network.tls), the other side does not");
    }

    #[test]
    fn a_frame_in_pieces_is_read_to_its_end_and_no_further() {
        let bytes: Vec<u8> = (0..100).collect();
        let mut source = std::io::Cursor::new(&bytes);
        let mut intake = Intake::<36>::new();
        assert_eq!(intake.fill((&mut source).take(10)).map_err(|error| error.kind()), Err(ErrorKind::UnexpectedEof));
        let frame = intake.fill(&mut source).expect("no failure").expect("whole");
        assert_eq!(frame[..], bytes[..36]);
        assert_eq!(source.position(), 36);
    }

    #[test]
    fn the_key_is_not_shown() {
        assert!(!format!("{KEY:?}").contains('7'));
    }
}
