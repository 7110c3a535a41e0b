//! The clocks of the measurements: wall, and CPU of a thread or of the whole process.

use std::time::Instant;

use nix::time::{ClockId, clock_gettime};

/// Seconds that something took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Taken {
    /// By the clock on the wall.
    pub wall_s: f64,
    /// Of the CPU.
    pub cpu_s: f64,
}

/// Whose CPU seconds count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Those of the calling thread.
    Thread,
    /// Those of all threads of the process.
    Process,
}

impl Whose {
    /// CPU seconds until now; NaN where the system has no such clock.
    pub fn cpu_s(self) -> f64 {
        let clock = match self {
            Whose::Thread => ClockId::CLOCK_THREAD_CPUTIME_ID,
            Whose::Process => ClockId::CLOCK_PROCESS_CPUTIME_ID,
        };
        clock_gettime(clock).map_or(f64::NAN, |time| time.tv_sec() as f64 + 1e-9 * time.tv_nsec() as f64)
    }

    /// Runs something and times it.
    pub fn time<T>(self, work: impl FnOnce() -> T) -> (T, Taken) {
        let (wall, cpu) = (Instant::now(), self.cpu_s());
        let result = work();
        (result, Taken { wall_s: wall.elapsed().as_secs_f64(), cpu_s: self.cpu_s() - cpu })
    }
}
