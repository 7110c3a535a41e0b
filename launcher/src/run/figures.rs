//! What one rank has to say about its part of the run.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use rankzero_comm::RungTraffic;
use serde::{Deserialize, Serialize};

use crate::engine::TimeSplit;

/// Bytes and messages over one rung, as one rank counts them.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Traffic {
    /// The rung.
    pub fabric: String,
    /// Bytes sent, headers included.
    pub sent_bytes: u64,
    /// Messages sent.
    pub sent_messages: u64,
}

/// Seconds of the main thread by kind of work.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, PartialEq)]
pub struct Split {
    /// Substeps of bodies.
    pub solve_s: f64,
    /// Contacts: finding and computing them.
    pub contact_s: f64,
    /// Packing and unpacking of what ranks exchange.
    pub halo_s: f64,
    /// Waiting for other ranks.
    pub wait_s: f64,
    /// PhysX.
    pub rigid_s: f64,
    /// Frames, epochs and the journal.
    pub output_s: f64,
}

/// Figures of one rank.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Figures {
    /// The rank.
    pub rank: u32,
    /// Its host.
    pub host: String,
    /// CPU seconds of the whole process, user and system.
    pub cpu_s: f64,
    /// CPU seconds since the scene was ready.
    pub cpu_steps_s: f64,
    /// Largest resident size, bytes.
    pub resident_bytes: u64,
    /// Bodies at the end.
    pub bodies: u64,
    /// Traffic by rung.
    pub traffic: Vec<Traffic>,
    /// How the peers were reached at the end, in short.
    pub paths: String,
    /// How often a pair of this rank changed its rung.
    pub rung_changes: u64,
    /// Bytes of state sent to buddies as copies, without headers.
    #[serde(default)]
    pub copied_bytes: u64,
    /// Epochs that this rank has begun.
    #[serde(default)]
    pub epochs: u64,
    /// Where the time went.
    pub split: Split,
}

impl Split {
    /// From the engine's measure and the time spent on output.
    pub fn new(time: &TimeSplit, output: Duration) -> Self {
        Split {
            solve_s: time.solve.as_secs_f64(),
            contact_s: time.contact.as_secs_f64(),
            halo_s: time.halo.as_secs_f64(),
            wait_s: time.wait.as_secs_f64(),
            rigid_s: time.rigid.as_secs_f64(),
            output_s: output.as_secs_f64(),
        }
    }

    /// The sum of two.
    pub fn plus(self, o: Split) -> Split {
        Split {
            solve_s: self.solve_s + o.solve_s,
            contact_s: self.contact_s + o.contact_s,
            halo_s: self.halo_s + o.halo_s,
            wait_s: self.wait_s + o.wait_s,
            rigid_s: self.rigid_s + o.rigid_s,
            output_s: self.output_s + o.output_s,
        }
    }
}

impl From<&RungTraffic> for Traffic {
    fn from(t: &RungTraffic) -> Self {
        Traffic { fabric: t.rung.name().to_owned(), sent_bytes: t.sent_bytes, sent_messages: t.sent_messages }
    }
}

/// CPU seconds of this process so far, and its largest resident size in bytes.
pub fn usage() -> (f64, u64) {
    match getrusage(UsageWho::RUSAGE_SELF) {
        Ok(usage) => {
            let seconds = |t: nix::sys::time::TimeVal| t.tv_sec() as f64 + t.tv_usec() as f64 * 1e-6;
            let resident = u64::try_from(usage.max_rss()).unwrap_or(0) * 1024;
            (seconds(usage.user_time()) + seconds(usage.system_time()), resident)
        }
        Err(_) => (0.0, 0),
    }
}
