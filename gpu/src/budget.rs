//! What fits into a card's memory.

use std::fmt;

/// What is kept back of the free memory for the driver's own needs, which grow while a program runs, bytes.
pub const RESERVE: u64 = 256 << 20;

/// The bodies do not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortfall {
    /// Bytes that all bodies need together with what they share.
    pub needed: u64,
    /// Bytes that may be used.
    pub available: u64,
    /// Bodies.
    pub bodies: usize,
    /// How many of them fit, from the first.
    pub fitting: usize,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { needed, available, bodies, fitting } = self;
        write!(
            f,
            "{bodies} bodies need {} MiB of device memory, and {} MiB may be used ({} MiB are kept back): {fitting} fit. Spread the job \
             over more ranks with cards, or have this rank compute on the CPU",
            needed.div_ceil(1 << 20),
            available >> 20,
            RESERVE >> 20
        )
    }
}

/// Whether bodies that need so many bytes each fit beside `shared` bytes into a card with `free` bytes; gives the bytes they need.
///
/// # Errors
/// [`Shortfall`], which tells how many fit.
pub fn fits(free: u64, shared: u64, bodies: &[u64]) -> Result<u64, Shortfall> {
    let available = free.saturating_sub(RESERVE);
    let mut needed = shared;
    let mut fitting = 0;
    for (count, bytes) in bodies.iter().enumerate() {
        needed = needed.saturating_add(*bytes);
        if needed <= available {
            fitting = count + 1;
        }
    }
    if needed <= available { Ok(needed) } else { Err(Shortfall { needed, available, bodies: bodies.len(), fitting }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn what_fits_is_told_to_the_body() {
        let free = RESERVE + 10 * MIB;
        assert_eq!(fits(free, MIB, &[3 * MIB; 3]), Ok(10 * MIB));
        let refused = fits(free, MIB, &[3 * MIB; 4]).unwrap_err();
        assert_eq!((refused.fitting, refused.needed, refused.available), (3, 13 * MIB, 10 * MIB));
        assert!(refused.to_string().contains("4 bodies need 13 MiB") && refused.to_string().contains("3 fit"));
    }

    #[test]
    fn a_full_card_and_absurd_needs_are_refused() {
        assert_eq!(fits(RESERVE - 1, 0, &[1]).unwrap_err().fitting, 0);
        assert_eq!(fits(u64::MAX, 1, &[u64::MAX, u64::MAX]).unwrap_err().needed, u64::MAX);
        assert_eq!(fits(0, 0, &[]), Ok(0));
    }
}
