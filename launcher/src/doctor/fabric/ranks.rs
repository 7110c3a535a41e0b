//! The ranks that a launcher has started measure together.

use std::time::{Duration, Instant};

use rankzero_comm::world::{self, Wish};
use rankzero_comm::{Bootstrap, CommError, Endpoint, Fabric, Pick, Policy, Rank, RunKey, Rung};
use rankzero_slurm::launch::Launch;
use serde::{Deserialize, Serialize};

use super::measure::{Field, Figures};
use super::{Rates, Row, exit_code, lacking};
use crate::launch::report_outcome;
use crate::run::paths::Way;
use crate::run::{RunError, host, world_fabric};

/// The longest that all of it may take: ten seconds would do on a machine that is not loaded.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// How a rank stands to its peers, as all must know before a rung is broken.
#[derive(Serialize, Deserialize)]
struct Standing {
    /// For each peer the rung that serves, and whether another one is ready.
    links: Vec<(Option<String>, bool)>,
}

/// Measures `only` this rung, or all that each pair offers; the rows on rank 0.
///
/// # Errors
/// [`RunError`]; the caller must then leave by [`crate::run::leave_after_failure`].
pub fn among_ranks(only: Option<Rung>, launch: &Launch) -> Result<Option<Vec<Row>>, RunError> {
    let deadline = Instant::now() + LIMIT;
    let mut fabric = world_fabric(launch, Some(1), &Wish::default(), LIMIT)?;
    let wish = Wish { policy: Policy { only, ..Policy::default() }, ..Wish::default() };
    let key = RunKey::agree(&mut fabric, deadline)?;
    world::equip(&mut fabric, &wish, &key, deadline)?;
    let field = Field::register(&mut fabric)?;
    match fabric.open(deadline) {
        // Who has no path says so in its picks.
        Ok(()) | Err(CommError::NoPath { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let hosts = fabric.all_gather(host().as_bytes(), deadline)?;
    let hosts: Vec<String> = hosts.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
    let mut bench = Bench { fabric, field, hosts, rows: Vec::new(), deadline };
    bench.all(only)?;
    let Bench { fabric, rows, .. } = bench;
    let me = fabric.rank();
    if me == Rank(0)
        && let Err(error) = report_outcome(i32::from(exit_code(&rows)))
    {
        tracing::warn!("cannot tell the launch how it ended: {error}");
    }
    if let Err(error) = world::shutdown(fabric, true, deadline) {
        tracing::warn!("the ranks did not part cleanly: {error}");
    }
    Ok((me == Rank(0)).then_some(rows))
}

/// The ranks at work.
struct Bench<F> {
    fabric: F,
    field: Field,
    hosts: Vec<String>,
    rows: Vec<Row>,
    deadline: Instant,
}

impl<F: Fabric + Bootstrap> Bench<F> {
    /// Measures all that is asked for; the rows count on rank 0.
    fn all(&mut self, only: Option<Rung>) -> Result<(), CommError> {
        self.lacking(only);
        while let Some(rung) = self.next(only)? {
            self.round(rung)?;
            if only.is_some() || !self.leave(rung)? {
                break;
            }
        }
        self.rows.sort_by_key(|row| (row.peer, row.rung.parse::<Rung>().ok()));
        Ok(())
    }

    /// Rows of the rungs that rank 0 has not got towards a peer.
    fn lacking(&mut self, only: Option<Rung>) {
        for pick in self.fabric.picks() {
            for other in Way::from(&pick).others.into_iter().filter(|other| other.why != Pick::READY) {
                if only.is_none_or(|only| only.name() == other.rung) {
                    let row = lacking(pick.peer.0, &other.rung, other.why);
                    self.rows.push(self.at(pick.peer, row));
                }
            }
        }
    }

    fn at(&self, peer: Rank, row: Row) -> Row {
        let host = self.hosts.get(peer.index()).cloned().unwrap_or_default();
        let same_host = Some(&host) == self.hosts.first();
        Row { host, same_host, ..row }
    }

    /// The best rung between rank 0 and any peer, the same on all ranks; `only` if that is asked for.
    fn next(&mut self, only: Option<Rung>) -> Result<Option<Rung>, CommError> {
        let used = self.standings()?.swap_remove(0).links;
        let rungs = used.iter().filter_map(|(rung, _)| rung.as_deref()?.parse::<Rung>().ok());
        Ok(rungs.filter(|&rung| only.is_none_or(|only| only == rung)).min())
    }

    fn standings(&mut self) -> Result<Vec<Standing>, CommError> {
        let link = |pick: &Pick| (pick.rung.map(|rung| rung.name().to_owned()), pick.ready().next().is_some());
        let mine = Standing { links: self.fabric.picks().iter().map(link).collect() };
        let all = self.fabric.all_gather(&serde_json::to_vec(&mine).unwrap_or_default(), self.deadline)?;
        let read = |bytes: &Vec<u8>| serde_json::from_slice(bytes).unwrap_or(Standing { links: Vec::new() });
        Ok(all.iter().map(read).collect())
    }

    /// Rank 0 measures with each peer that it reaches by `rung`, one after the other.
    fn round(&mut self, rung: Rung) -> Result<(), CommError> {
        for peer in Rank::all(self.fabric.size()).skip(1) {
            // Rank 0 knows whom it reaches by this rung; the word goes to all, so that nobody waits in vain.
            let mut word = vec![u8::from(self.fabric.rung(peer) == Some(rung))];
            self.fabric.broadcast(Rank(0), &mut word, self.deadline)?;
            if word != [1] {
                continue;
            }
            if self.fabric.rank() == Rank(0) {
                let figures = self.field.measure(&mut self.fabric, peer, self.deadline)?;
                let row = self.measured(peer, rung, figures);
                self.rows.push(row);
            } else if self.fabric.rank() == peer {
                self.field.answer(&mut self.fabric, Rank(0), self.deadline)?;
            }
            self.fabric.barrier(self.deadline)?;
        }
        Ok(())
    }

    fn measured(&self, peer: Rank, rung: Rung, figures: Figures) -> Row {
        let picks = self.fabric.picks();
        let detail = picks.into_iter().find(|pick| pick.peer == peer).map_or_else(String::new, |pick| pick.detail);
        let memcpy = Some(Rates::of_memcpy());
        let row = lacking(peer.0, rung.name(), String::new());
        self.at(peer, Row { detail, figures: Some(figures), memcpy, reason: None, ..row })
    }

    /// Does without `rung` from now on; not possible where it is the last one of any pair.
    fn leave(&mut self, rung: Rung) -> Result<bool, CommError> {
        let last = |(used, ready): &(Option<String>, bool)| used.as_deref() == Some(rung.name()) && !ready;
        if self.standings()?.iter().any(|standing| standing.links.iter().any(last)) {
            return Ok(false);
        }
        self.fabric.break_rung(rung)?;
        let mut events = Vec::new();
        while self.fabric.picks().iter().any(|pick| pick.rung == Some(rung)) && Instant::now() < self.deadline {
            self.fabric.poll(Instant::now() + Duration::from_millis(5), &mut events)?;
        }
        self.fabric.barrier(self.deadline)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use rankzero_comm::local::{LocalPort, ports};
    use rankzero_comm::mpi::Patience;
    use rankzero_comm::packets::Packets;
    use rankzero_comm::port::{Incoming, Lane, Port};
    use rankzero_comm::{Ladder, Limits, Transport};

    use super::*;

    /// Channels that go by the name of another rung.
    #[derive(Debug)]
    struct Shm(LocalPort);

    impl Port for Shm {
        const RUNG: Rung = Rung::Shm;

        fn rank(&self) -> Rank {
            self.0.rank()
        }
        fn size(&self) -> u32 {
            self.0.size()
        }
        fn buffer(&mut self) -> Vec<u32> {
            self.0.buffer()
        }
        fn send(&mut self, to: Rank, lane: Lane, words: Vec<u32>) -> Result<(), CommError> {
            self.0.send(to, lane, words)
        }
        fn progress(&mut self, sink: &mut dyn FnMut(Incoming<'_>)) -> Result<(), CommError> {
            self.0.progress(sink)
        }
        fn describe(&self, _peer: Rank) -> String {
            "the second rung".to_owned()
        }
    }

    const SIZE: u32 = 3;

    /// One rank's part, on a ladder of two rungs.
    fn rows_of(me: Rank, first: LocalPort, second: LocalPort) -> Result<Vec<Row>, CommError> {
        let deadline = Instant::now() + Duration::from_secs(100);
        let limits = Limits::default();
        let first: Box<dyn Transport + Send> = Box::new(Packets::new(first, limits));
        let mut fabric = Ladder::new(me, SIZE, first, Policy::default(), limits, Patience::SHARED_CORE)?;
        fabric.add(Box::new(Packets::new(Shm(second), limits)));
        fabric.miss(Rung::Verbs, "no device".to_owned());
        let field = Field::register(&mut fabric)?;
        fabric.open(deadline)?;
        let hosts = vec!["here".to_owned(); SIZE as usize];
        let mut bench = Bench { fabric, field, hosts, rows: Vec::new(), deadline };
        bench.all(None)?;
        bench.fabric.barrier(deadline)?;
        Ok(bench.rows)
    }

    #[test]
    fn every_rung_is_measured_with_every_peer_the_best_first() {
        let (first, second) = (ports(SIZE).0, ports(SIZE).0);
        let threads: Vec<_> = Rank::all(SIZE)
            .zip(first.into_iter().zip(second))
            .map(|(me, (first, second))| std::thread::spawn(move || rows_of(me, first, second)))
            .collect();
        let rows: Vec<Vec<Row>> =
            threads.into_iter().map(|thread| thread.join().expect("no panic").expect("no failure")).collect();
        let measured = |row: &&Row| row.figures.is_some() && row.reason.is_none();
        let told: Vec<(u32, &str)> = rows[0].iter().filter(measured).map(|row| (row.peer, row.rung.as_str())).collect();
        assert_eq!(told, [(1, "local"), (1, "shm"), (2, "local"), (2, "shm")]);
        let verbs: Vec<_> = rows[0].iter().filter(|row| row.rung == "verbs").map(|row| row.reason.as_deref()).collect();
        assert_eq!(verbs, [Some("no device"); 2]);
        assert!(rows[1].iter().all(|row| row.figures.is_none()), "only rank 0 measures");
    }
}
