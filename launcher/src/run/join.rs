//! `rankzero join`: a fresh process enters a run that is going on, by its door.
//!
//! It takes a number, builds the same scene from the same bytes, announces itself, and waits to be let in: the others link themselves to it,
//! the master asks for a view with it, and from then on it is a rank like the others. It owns nothing at first; balancing gives it
//! batches.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::{Duration, Instant};

use rankzero_comm::control::Control;
use rankzero_comm::member::{Status, View};
use rankzero_comm::world::{self, Options as FabricOptions, Wish, WorldFabric};
use rankzero_comm::{Rank, Resident, RunKey, node_identity};

use rankzero_job::{Network, PortRange};

use super::door::{Door, Notice, Party};
use super::doorway::Doorway;
use super::drive::{Drive, Ended};
use super::error::RunError;
use super::hang::on_alarm;
use super::progress::say;
use super::start::{Options, Start};
use super::{Ending, orphan, paths, watch};
use crate::engine::Engine;

/// How long a newcomer waits to be let in.
const PATIENCE: Duration = Duration::from_secs(120);
/// For its control links and for its data.
const PORTS_OF_A_RANK: u32 = 2;
/// Between two looks whether the door at which it waits is still there.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Takes part in the run of `run_dir` to its end.
///
/// # Errors
/// [`RunError`]: there is no such run, it is another one's, or nobody lets this process in.
pub fn join(run_dir: &Path, options: &Options) -> Result<Ending, RunError> {
    let run_dir = run_dir.canonicalize().map_err(RunError::io("find", run_dir))?;
    let door = Door::of(&run_dir);
    let key = door.key()?;
    let (notice, assets) = door.notice(&key)?;
    let start = Start::later(options, run_dir.clone(), &notice, &assets)?;
    let me = door.claim(&notice)?;
    if !options.quiet {
        say(format_args!("joins {} as rank {}", run_dir.display(), me.0));
    }
    let ports = ports(&start.job.network, me.0 - notice.founders.len() as u32);
    let links = watch::links(me, notice.capacity, ports.clone(), &start.job, &key)?;
    let info = start.introduce(me);
    let party = Party { info, node: node_identity(), offer: links.offer() };
    let offers = notice.founders.iter().map(|founder| (Rank(founder.info.rank), founder.offer.clone())).collect();
    let view = View::first(notice.founders.len() as u32);
    let nearby = watch::nearby(&notice.founders);
    let control =
        Control::start(me, view.clone(), watch::settings(&start.job), links, &offers, &nearby, on_alarm(me, &run_dir))?;
    let fabric = fabric(me, &notice, &start, ports, &key, &control)?;
    let owners = vec![Rank(0); start.scene.batches.len()];
    let timeout = Duration::from_millis(start.job.network.result_timeout_ms);
    let engine = Engine::later(start.scene.clone(), fabric, owners, timeout)?;
    let mut drive = Drive::later(options, start, engine, view)?;
    drive.start.ranks.push(party.info.clone());
    let mut doorway = Doorway::new(&run_dir, key.clone(), notice.founders.len() as u32);
    doorway.door = door.clone();
    drive.doorway = Some(doorway);
    drive.know_founders(notice.founders);
    drive.attend(control);
    door.announce(&key, &party)?;
    if let Some(ending) = drive.wait_to_be_let_in()? {
        return Ok(ending);
    }
    let Ended { ending, leads, .. } = drive.run_on()?;
    if let Some(lead) = leads {
        orphan::end_job_without_script(&lead);
    }
    Ok(ending)
}

/// Where the `nth` newcomer listens: not at the ports that are tried first. Those of a rank that has ended are better left unanswered until all others
/// have tried them, which proves its death; only then is anybody let in.
fn ports(network: &Network, nth: u32) -> RangeInclusive<u16> {
    let PortRange { first, last } = network.control_ports;
    let offset = (PORTS_OF_A_RANK * (1 + nth)) % (u32::from(last.saturating_sub(first)) + 1);
    first + offset as u16..=last
}

/// The fabric of a newcomer.
fn fabric(
    me: Rank,
    notice: &Notice,
    start: &Start,
    ports: RangeInclusive<u16>,
    key: &RunKey,
    control: &Control,
) -> Result<WorldFabric, RunError> {
    let founders = notice.founders.iter();
    let residents: Vec<Resident> =
        founders.map(|party| Resident { rank: Rank(party.info.rank), node: party.node.clone() }).collect();
    let newcomers = notice.capacity - notice.founders.len() as u32;
    let wish = Wish { newcomers, ports, ..paths::wish(&start.job.network) };
    let courier = Box::new(control.desk().clone());
    let options = FabricOptions::default();
    Ok(world::join(me, notice.capacity, &residents, &wish, key, &options, courier)?)
}

impl Drive<'_, WorldFabric> {
    /// Waits for the first view with this rank, and enters it; `Some`: the run is over.
    fn wait_to_be_let_in(&mut self) -> Result<Option<Ending>, RunError> {
        let begun = Instant::now();
        let mut looked = begun;
        while let Some(Status::Changing | Status::NoQuorum) = self.desk().map(|desk| desk.status()) {
            if begun.elapsed() > PATIENCE {
                return Err(RunError::NotLetIn { me: self.engine.rank(), waited_s: PATIENCE.as_secs() });
            }
            if let Some(doorway) = self.doorway.as_ref().filter(|_| looked.elapsed() >= LOOK_EVERY) {
                doorway.door.still_open(&doorway.key)?;
                looked = Instant::now();
            }
            self.look_at_the_door()?;
            self.keep_moving()?;
        }
        self.recover()
    }
}
