//! The watch over the other ranks: links of its own between all of them, and the thread that decides who is alive.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use rankzero_comm::control::links::Links;
use rankzero_comm::control::{Control, Offers};
use rankzero_comm::member::{Settings, View};
use rankzero_comm::{Bootstrap, CommError, Fabric, Rank, RunKey, node_identity};
use rankzero_job::{Job, OnLostQuorum, Tls};

use super::door::Party;
use super::error::RunError;
use super::hang::on_alarm;
use super::start::{START_TIMEOUT, Start};
use crate::engine::Engine;

/// By how much the second in line waits longer than the first before it asks for a new view.
const STAGGER: Duration = Duration::from_millis(50);

/// The times of a job.
pub fn settings(job: &Job) -> Settings {
    let ms = Duration::from_millis;
    Settings {
        heartbeat: ms(job.network.heartbeat_ms),
        timeout: ms(job.network.heartbeat_timeout_ms),
        result_timeout: ms(job.network.result_timeout_ms),
        stagger: STAGGER,
        patience: ms(job.network.heartbeat_timeout_ms),
        continue_without_quorum: job.fault_tolerance.on_lost_quorum == OnLostQuorum::Continue,
    }
}

/// Links all ranks and starts the watch; all ranks call it. Also tells who takes part, by rank.
///
/// # Errors
/// [`RunError`]: no port, a missing rank.
pub fn start<F: Fabric + Bootstrap>(
    engine: &mut Engine<F>,
    start: &Start,
    key: &RunKey,
) -> Result<(Control, Vec<Party>), RunError> {
    let deadline = Instant::now() + START_TIMEOUT;
    let (me, capacity, founders) = (engine.rank(), engine.capacity(), start.ranks.len() as u32);
    let ports = start.job.network.control_ports;
    let links = links(me, capacity, ports.first..=ports.last, &start.job, key);
    let offer = links.as_ref().map_or_else(|_| Vec::new(), Links::offer);
    let mine = Party { info: start.ranks[me.index()].clone(), node: node_identity(), offer };
    let introduced = engine.all_gather(&serde_json::to_vec(&mine).unwrap_or_default(), deadline)?;
    let links = links?;
    let (mut offers, mut parties) = (Offers::new(), Vec::new());
    for (rank, bytes) in introduced.iter().enumerate() {
        let rank = Rank(rank as u32);
        let Ok(party) = serde_json::from_slice::<Party>(bytes) else {
            return Err(RunError::NoLinks(format!("{rank} has introduced itself with nonsense")));
        };
        if party.offer.is_empty() {
            return Err(RunError::NoLinks(format!("{rank} cannot listen; its message is above")));
        }
        offers.insert(rank, party.offer.clone());
        parties.push(party);
    }
    let nearby = nearby(&parties);
    let on_alarm = on_alarm(me, &start.run_dir);
    let control = Control::start(me, View::first(founders), settings(&start.job), links, &offers, &nearby, on_alarm)?;
    await_links(&control, founders, deadline)?;
    Ok((control, parties))
}

/// The process numbers of those that share this node.
pub fn nearby(parties: &[Party]) -> BTreeMap<Rank, u32> {
    let here = node_identity();
    let of = parties.iter().filter(|party| party.node == here);
    of.map(|party| (Rank(party.info.rank), party.info.pid)).collect()
}

/// The control links of rank `me`.
///
/// # Errors
/// [`RunError::NoLinks`].
pub fn links(me: Rank, capacity: u32, ports: RangeInclusive<u16>, job: &Job, key: &RunKey) -> Result<Links, RunError> {
    let opened = Links::open(me, capacity, ports, key.control());
    let mut links = opened.map_err(|why| RunError::NoLinks(why.to_string()))?;
    if job.network.tls != Tls::Off {
        links.seal();
    }
    Ok(links)
}

/// Waits until this rank is linked to all others: from then on a death is proven at once.
fn await_links(control: &Control, size: u32, deadline: Instant) -> Result<(), RunError> {
    let desk = control.desk();
    loop {
        let linked = desk.linked();
        if linked.len() as u32 + 1 >= size || desk.disturbed() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let missing = Rank::all(size).filter(|rank| !linked.contains(rank)).collect();
            return Err(CommError::Timeout { operation: "control links", waited: START_TIMEOUT, missing }.into());
        }
        desk.wait(Instant::now() + Duration::from_millis(50));
    }
}
