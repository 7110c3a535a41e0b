//! Faults that a test injects into a run, by the variable `RANKZERO_FAULTS`; the result must not change.
//!
//! - `60:break:verbs,200:mend:verbs`: all ranks break that rung before step 60, and let it be tried again before step 200;
//! - `60:kill:0`: rank 0 ends as by `kill -9` before step 60, and `50%:kill:0` in the middle of the run; `epoch#3:kill:2`: rank 2 at its third
//!   pass of that [`Point`]; `:stop:` stops it instead, as by `kill -STOP`, until somebody lets it go on.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rankzero_comm::{Rank, Rung};

/// The variable that holds them.
pub const FAULTS_VARIABLE: &str = "RANKZERO_FAULTS";
/// In the run directory: who was killed when.
const LOG: &str = "logs/faults.log";

/// What is done to a rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It fails, and stays so.
    Break,
    /// It may be tried again.
    Mend,
}

/// A place in a run at which a rank can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// Before this step.
    Step(u64),
    /// Before the step at this percentage of the run; turned into a step once its length is known.
    Percent(u64),
    /// An epoch was declared, nothing is copied yet.
    Epoch,
    /// Copies and hashes are on their way.
    Copied,
    /// The master commits an epoch.
    Commit,
    /// A frame was written.
    Frame,
    /// A view is in force that this rank has not entered yet.
    View,
    /// It has entered the view.
    Entered,
    /// The master has everybody's inventory.
    Gathered,
    /// The plan is known.
    Planned,
    /// The state is restored.
    Restored,
    /// The first step after a recovery is done.
    Resumed,
    /// A part of a checkpoint is written.
    Part,
    /// The master is about to make a checkpoint count.
    Manifest,
    /// The last step is done.
    End,
    /// The master has written the summary.
    Summary,
}

impl Point {
    /// All that have a name.
    const NAMED: [(&'static str, Point); 14] = [
        ("epoch", Point::Epoch),
        ("copied", Point::Copied),
        ("commit", Point::Commit),
        ("frame", Point::Frame),
        ("view", Point::View),
        ("entered", Point::Entered),
        ("gathered", Point::Gathered),
        ("planned", Point::Planned),
        ("restored", Point::Restored),
        ("resumed", Point::Resumed),
        ("part", Point::Part),
        ("manifest", Point::Manifest),
        ("end", Point::End),
        ("summary", Point::Summary),
    ];
}

/// The end of a rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Blow {
    point: Point,
    pass: u32,
    rank: Rank,
    /// None: it hangs.
    signal: Option<Signal>,
}

/// All faults of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    rungs: Vec<(u64, Act, Rung)>,
    blows: Vec<Blow>,
    /// How often each point was passed.
    passed: BTreeMap<Point, u32>,
    log: Option<PathBuf>,
}

impl Faults {
    /// Those that the environment asks for.
    ///
    /// # Errors
    /// What is wrong with the variable.
    pub fn from_environment() -> Result<Self, String> {
        match std::env::var(FAULTS_VARIABLE) {
            Ok(text) => text.parse().map_err(|why| format!("{FAULTS_VARIABLE}: {why}")),
            Err(_) => Ok(Self::default()),
        }
    }

    /// The run has so many steps; the log of those that were killed goes to its directory.
    pub fn begin(&mut self, steps: u64, run_dir: &Path) {
        self.log = Some(run_dir.join(LOG));
        for blow in &mut self.blows {
            if let Point::Percent(percent) = blow.point {
                blow.point = Point::Step(steps * percent / 100);
            }
        }
    }

    /// Those that concern rungs, before `step`.
    pub fn rungs(&self, step: u64) -> impl Iterator<Item = (Act, Rung)> + '_ {
        self.rungs.iter().filter(move |(at, ..)| *at == step).map(|&(_, act, rung)| (act, rung))
    }

    /// Rank `me` is at `point`: it ends here, if that is asked for.
    pub fn pass(&mut self, point: Point, me: Rank) {
        if self.blows.is_empty() {
            return;
        }
        let pass = self.passed.entry(point).or_default();
        *pass += 1;
        let due = |blow: &&Blow| (blow.point, blow.pass, blow.rank) == (point, *pass, me);
        let Some(blow) = self.blows.iter().find(due).copied() else { return };
        self.write_down(me, blow);
        match blow.signal {
            // Nothing comes back from SIGKILL.
            Some(signal) => drop(kill(Pid::this(), signal)),
            None => loop {
                std::thread::sleep(Duration::from_secs(1));
            },
        }
    }

    fn write_down(&self, me: Rank, blow: Blow) {
        let Some(path) = &self.log else { return };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let how = blow.signal.map_or("hang", Signal::as_str);
        let line = format!("{how} {} {:.6}\n", me.0, now.as_secs_f64());
        if let Ok(mut file) = std::fs::OpenOptions::new().append(true).create(true).open(path) {
            let _ = file.write_all(line.as_bytes());
        }
    }
}

/// Milliseconds from the last injected end of one of `lost` to `sign`; `None` where nobody was made to end within the last minutes.
pub fn last_kill(run_dir: &Path, lost: &[u32], sign: Instant) -> Option<f64> {
    const RECENT: Duration = Duration::from_secs(300);
    let text = std::fs::read_to_string(run_dir.join(LOG)).ok()?;
    let of = |line: &str| {
        let mut words = line.split(' ').skip(1);
        let rank: u32 = words.next()?.parse().ok()?;
        Some((rank, words.next()?.trim().parse::<f64>().ok()?))
    };
    let (_, killed) = text.lines().rev().filter_map(of).find(|(rank, _)| lost.contains(rank))?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs_f64();
    let since = (now - killed) - sign.elapsed().as_secs_f64();
    (now - killed < RECENT.as_secs_f64()).then_some(since * 1e3)
}

fn point_of(text: &str) -> Result<(Point, u32), String> {
    let (name, pass) = text.split_once('#').unwrap_or((text, "1"));
    let pass = pass.parse().map_err(|_| format!("`{pass}` is no count"))?;
    if let Some((_, point)) = Point::NAMED.iter().find(|(known, _)| *known == name) {
        return Ok((*point, pass));
    }
    if let Some(percent) = name.strip_suffix('%').and_then(|percent| percent.parse().ok()) {
        return Ok((Point::Percent(percent), pass));
    }
    let step = name.parse().map_err(|_| {
        let names: Vec<&str> = Point::NAMED.iter().map(|(name, _)| *name).collect();
        format!("`{name}` is neither a step nor one of {}", names.join(", "))
    })?;
    Ok((Point::Step(step), pass))
}

impl FromStr for Faults {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut faults = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let fields: Vec<&str> = part.split(':').collect();
            let &[place, act, what] = &fields[..] else {
                return Err(format!(
                    "`{part}` is not PLACE:break:RUNG, PLACE:mend:RUNG, PLACE:kill:RANK or PLACE:stop:RANK"
                ));
            };
            let (point, pass) = point_of(place)?;
            match (act, point) {
                ("break" | "mend", Point::Step(step)) => {
                    let rung = what.parse().map_err(|why: rankzero_comm::UnknownRung| why.to_string())?;
                    faults.rungs.push((step, if act == "break" { Act::Break } else { Act::Mend }, rung));
                }
                ("break" | "mend", _) => return Err(format!("`{place}`: rungs break and mend before a step")),
                ("kill" | "stop" | "hang", _) => {
                    let rank = Rank(what.parse().map_err(|_| format!("`{what}` is no rank"))?);
                    let signal = match act {
                        "kill" => Some(Signal::SIGKILL),
                        "stop" => Some(Signal::SIGSTOP),
                        _ => None,
                    };
                    faults.blows.push(Blow { point, pass, rank, signal });
                }
                (other, _) => return Err(format!("`{other}` is none of break, mend, kill, stop and hang")),
            }
        }
        Ok(faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_and_bad_ones_named() {
        let faults: Faults = "60:break:verbs, 200:mend:verbs, 70:kill:3, epoch#4:stop:1".parse().expect("faults");
        assert_eq!(faults.rungs(60).collect::<Vec<_>>(), [(Act::Break, Rung::Verbs)]);
        assert_eq!(faults.rungs(61).count(), 0);
        let blow = |point, pass, rank, signal| Blow { point, pass, rank: Rank(rank), signal: Some(signal) };
        let expected = [blow(Point::Step(70), 1, 3, Signal::SIGKILL), blow(Point::Epoch, 4, 1, Signal::SIGSTOP)];
        assert_eq!(faults.blows, expected);
        let mut middle: Faults = "50%:kill:0".parse().expect("faults");
        middle.begin(90, Path::new("/nowhere"));
        assert_eq!(middle.blows, [blow(Point::Step(45), 1, 0, Signal::SIGKILL)]);
        let bad = [
            ("x", "PLACE:break"),
            ("1:burn:mpi", "burn"),
            ("-1:mend:mpi", "-1"),
            ("1:mend:ucx", "ucx"),
            ("epoch:break:mpi", "before a step"),
            ("end#x:kill:1", "`x`"),
            ("end:kill:me", "`me`"),
        ];
        for (text, part) in bad {
            let why = text.parse::<Faults>().expect_err("bad");
            assert!(why.contains(part), "{why}");
        }
    }

    #[test]
    fn a_run_without_faults_counts_nothing() {
        let mut faults = Faults::default();
        faults.pass(Point::End, Rank(0));
        assert!(faults.passed.is_empty());
    }
}
