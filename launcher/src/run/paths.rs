//! The paths between ranks: what the job asks of them, and what is told of them.

use std::time::Instant;

use rankzero_comm::packets::Compression;
use rankzero_comm::world::{self, Wish, WorldFabric};
use rankzero_comm::{CommError, Pick, Policy, RunKey, Rung};
use rankzero_job::{Compression as Asked, Fabric as Choice, Job, Network, Tls};
use serde::{Deserialize, Serialize};

/// How one rank reaches a peer, in the words of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// The peer.
    pub peer: u32,
    /// The rung that serves; none where the peer is not reached.
    pub rung: Option<String>,
    /// Device, port, addresses.
    pub detail: String,
    /// The other rungs, the best first.
    pub others: Vec<Other>,
}

/// A rung that does not serve.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Other {
    /// Its name.
    pub rung: String,
    /// Why not.
    pub why: String,
}

impl From<&Pick> for Way {
    fn from(pick: &Pick) -> Self {
        let mut others = pick.others.clone();
        // Every rung between processes is accounted for, also one that the fabric does not know of.
        if pick.rung != Some(Rung::Local) {
            let silent = |rung: &Rung| pick.rung != Some(*rung) && pick.others.iter().all(|(known, _)| known != rung);
            let between = Rung::ALL.into_iter().filter(|&rung| rung != Rung::Local);
            others.extend(between.filter(silent).map(|rung| (rung, format!("this build has no {rung} rung"))));
            others.sort_by_key(|&(rung, _)| rung);
        }
        let others = others.into_iter().map(|(rung, why)| Other { rung: rung.name().to_owned(), why });
        Way {
            peer: pick.peer.0,
            rung: pick.rung.map(|rung| rung.name().to_owned()),
            detail: pick.detail.clone(),
            others: others.collect(),
        }
    }
}

/// Gives the fabric the rungs that the job allows.
///
/// # Errors
/// [`CommError`] where a rank is missing.
pub fn equip(fabric: &mut WorldFabric, job: &Job, key: &RunKey) -> Result<(), CommError> {
    let newcomers = newcomers(job, fabric.at_start());
    let wish = Wish { newcomers, ..wish(&job.network) };
    world::equip(fabric, &wish, key, Instant::now() + super::start::START_TIMEOUT)
}

/// How many ranks may come later to a run that starts with `ranks`.
pub fn newcomers(job: &Job, ranks: u32) -> u32 {
    const AT_LEAST: u32 = 4;
    const AT_MOST: u32 = 64;
    job.fault_tolerance.newcomers.or(ranks.clamp(AT_LEAST, AT_MOST))
}

/// What the job asks of the paths between ranks.
pub fn wish(network: &Network) -> Wish {
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
    let policy = Policy { only, require_rdma: network.require_rdma, encrypted: network.tls == Tls::All };
    Wish { policy, compression, ports, newcomers: 0 }
}

/// The rungs that serve, in few words: `shm (3 peers)`, `shm (3), verbs (4)`.
pub fn in_short(picks: &[Pick]) -> String {
    let count = |rung: Rung| picks.iter().filter(|pick| pick.rung == Some(rung)).count();
    let used: Vec<(Rung, usize)> =
        Rung::ALL.into_iter().map(|rung| (rung, count(rung))).filter(|&(_, count)| count > 0).collect();
    match used[..] {
        [] => "no peers".to_owned(),
        [(rung, 1)] => format!("{rung} (1 peer)"),
        [(rung, count)] => format!("{rung} ({count} peers)"),
        _ => used.iter().map(|(rung, count)| format!("{rung} ({count})")).collect::<Vec<_>>().join(", "),
    }
}

/// A pick for the log: one line.
pub fn line(pick: &Pick) -> String {
    let others: Vec<String> = pick.others.iter().map(|(rung, why)| format!("; {rung}: {why}")).collect();
    let rung = pick.rung.map_or("no rung", Rung::name);
    format!("{} by {rung} ({}){}", pick.peer, pick.detail, others.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankzero_comm::Rank;

    fn pick(peer: u32, rung: Option<Rung>) -> Pick {
        Pick { peer: Rank(peer), rung, detail: String::new(), others: Vec::new() }
    }

    #[test]
    fn peers_are_counted_by_rung() {
        let (shm, verbs) = (Some(Rung::Shm), Some(Rung::Verbs));
        assert_eq!(in_short(&[]), "no peers");
        assert_eq!(in_short(&[pick(1, shm)]), "shm (1 peer)");
        assert_eq!(in_short(&[pick(1, shm), pick(2, shm)]), "shm (2 peers)");
        assert_eq!(in_short(&[pick(1, shm), pick(2, verbs), pick(3, shm), pick(4, None)]), "shm (2), verbs (1)");
    }

    #[test]
    fn encryption_of_all_reaches_the_fabric_and_that_of_control_does_not() {
        for (tls, encrypted) in [(Tls::Off, false), (Tls::Control, false), (Tls::All, true)] {
            assert_eq!(wish(&Network { tls, ..Network::default() }).policy.encrypted, encrypted);
        }
    }

    #[test]
    fn every_rung_between_processes_is_accounted_for() {
        let known = Pick { others: vec![(Rung::Verbs, "no device".to_owned())], ..pick(1, Some(Rung::Mpi)) };
        let way = Way::from(&known);
        let told: Vec<(&str, &str)> = way.others.iter().map(|o| (o.rung.as_str(), o.why.as_str())).collect();
        let [shm, tcp] = ["this build has no shm rung", "this build has no tcp rung"];
        assert_eq!(told, [("shm", shm), ("verbs", "no device"), ("tcp", tcp)]);
        assert!(Way::from(&pick(1, Some(Rung::Local))).others.is_empty());
    }

    #[test]
    fn a_pick_is_one_line_with_and_without_others() {
        let mut pick = Pick { detail: "somehow".to_owned(), ..pick(1, Some(Rung::Mpi)) };
        assert_eq!(line(&pick), "rank 1 by mpi (somehow)");
        pick.others.push((Rung::Verbs, "no device".to_owned()));
        assert_eq!(line(&pick), "rank 1 by mpi (somehow); verbs: no device");
    }
}
