//! The paths between ranks: what the job asks of them, and what is told of them.

use std::time::Instant;

use rankzero_comm::packets::Compression;
use rankzero_comm::world::{self, Wish, WorldFabric};
use rankzero_comm::{CommError, Pick, Policy, Rung};
use rankzero_job::{Compression as Asked, Fabric as Choice, Network};
use serde_json::{Value, json};

/// Gives the fabric the rungs that the job allows.
///
/// # Errors
/// [`CommError`] where a rank is missing.
pub fn equip(fabric: &mut WorldFabric, network: &Network) -> Result<(), CommError> {
    world::equip(fabric, &wish(network), Instant::now() + super::start::START_TIMEOUT)
}

/// What the job asks of the paths between ranks.
fn wish(network: &Network) -> Wish {
    let only = match network.fabric {
        Choice::Auto | Choice::Local => None,
        Choice::Shm => Some(Rung::Shm),
        Choice::Verbs => Some(Rung::Verbs),
        Choice::Mpi => Some(Rung::Mpi),
        Choice::Tcp => Some(Rung::Tcp),
    };
    let compression = match network.compression {
        Asked::Auto => Compression::Auto,
        Asked::On => Compression::On,
        Asked::Off => Compression::Off,
    };
    let ports = network.control_ports.first..=network.control_ports.last;
    Wish { policy: Policy { only, require_rdma: network.require_rdma }, compression, ports }
}

/// The rungs that serve, in few words: `3 shm, 4 verbs`.
pub fn in_short(picks: &[Pick]) -> String {
    let count = |rung: Rung| picks.iter().filter(|pick| pick.rung == Some(rung)).count();
    let used: Vec<String> =
        Rung::ALL.into_iter().filter(|&rung| count(rung) > 0).map(|rung| format!("{} {rung}", count(rung))).collect();
    if used.is_empty() { "no peers".to_owned() } else { used.join(", ") }
}

/// A pick for the journal.
pub fn to_json(pick: &Pick) -> Value {
    let others: Vec<Value> = pick.others.iter().map(|(rung, why)| json!({ "rung": rung.name(), "why": why })).collect();
    json!({
        "peer": pick.peer.0, "rung": pick.rung.map(Rung::name), "detail": pick.detail, "others": others,
    })
}

/// A pick for the log: one line.
pub fn line(pick: &Pick) -> String {
    let others: Vec<String> = pick.others.iter().map(|(rung, why)| format!("{rung}: {why}")).collect();
    let rung = pick.rung.map_or("no rung", Rung::name);
    format!("{} by {rung} ({}); {}", pick.peer, pick.detail, others.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankzero_comm::Rank;

    #[test]
    fn peers_are_counted_by_rung() {
        let pick = |peer, rung| Pick { peer: Rank(peer), rung, detail: String::new(), others: Vec::new() };
        assert_eq!(in_short(&[]), "no peers");
        let picks = [pick(1, Some(Rung::Shm)), pick(2, Some(Rung::Verbs)), pick(3, Some(Rung::Shm)), pick(4, None)];
        assert_eq!(in_short(&picks), "2 shm, 1 verbs");
    }
}
