//! Signals that ask a process to end, and how often it was asked.
//!
//! One request may come as several signals: `timeout`, a terminal or a scheduler signals a process and also its group, and who started it
//! passes the signal on. What follows within a second is the same request.

use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::{Handle, Signals};

/// The exit code of who is asked twice.
const AT_ONCE: i32 = 130;
/// What comes within this time of a request belongs to it.
const ECHO: Duration = Duration::from_secs(1);
/// How far apart the word of a launcher that a rank has died may be from what this rank knows of it.
const NEWS: Duration = Duration::from_secs(5);
/// How long such a word may be ahead.
const AHEAD: Duration = Duration::from_secs(1);

/// What a launch listens to; before it starts anything, so that no signal is lost in between.
///
/// # Errors
/// What the system says.
pub fn to_pass_on() -> std::io::Result<Signals> {
    Signals::new([SIGINT, SIGTERM, SIGHUP, SIGUSR1])
}

/// Signals a child. It may have ended just now: then there is nobody to tell.
pub fn send(child: &Child, signal: Signal) {
    if let Ok(pid) = i32::try_from(child.id()) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// Tells requests from their echoes.
#[derive(Debug, Default)]
pub struct Requests(Option<Instant>);

impl Requests {
    /// Whether a signal that comes `now` is another request.
    pub fn is_another(&mut self, now: Instant) -> bool {
        let another = self.0.is_none_or(|last| now.duration_since(last) >= ECHO);
        if another {
            self.0 = Some(now);
        }
        another
    }
}

/// What a launch passes on to those it has started.
#[derive(Debug, Default)]
pub struct Passing {
    requests: Requests,
    asked: bool,
}

impl Passing {
    /// What follows from a signal that comes `now`. The first request goes on as SIGUSR1, on which ranks end in order, whoever is in between: mpirun
    /// and srun answer SIGTERM by killing them. Who asks again means it. An echo is not passed on.
    pub fn on(&mut self, signal: i32, now: Instant) -> Option<Signal> {
        if !self.requests.is_another(now) {
            return None;
        }
        if std::mem::replace(&mut self.asked, true) { Signal::try_from(signal).ok() } else { Some(Signal::SIGUSR1) }
    }

    /// Whether anybody has asked.
    pub fn asked(&self) -> bool {
        self.asked
    }
}

/// Whether this rank was asked to end. Who asks again ends the process at once, as a user who presses Ctrl-C twice expects.
///
/// Some launchers (MPICH's mpiexec with `-disable-auto-cleanup`) tell the ranks by SIGUSR1 that one of them has died. There it counts as a
/// request only where nobody has died about that time, and never ends the process at once.
#[derive(Debug)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    news: Option<Arc<Mutex<News>>>,
    listener: Option<Handle>,
}

/// SIGUSR1 where it may be the word of a death.
#[derive(Clone, Copy, Debug, Default)]
struct News {
    came: Option<Instant>,
    lost: Option<Instant>,
}

impl News {
    /// Whether it was a request, as it seems `now`.
    fn is_request(self, now: Instant) -> bool {
        let apart = |a: Instant, b: Instant| a.max(b).duration_since(a.min(b));
        let Some(came) = self.came.filter(|&came| now.duration_since(came) >= AHEAD) else { return false };
        self.lost.is_none_or(|lost| apart(came, lost) >= NEWS)
    }
}

fn lock(news: &Mutex<News>) -> MutexGuard<'_, News> {
    // Nothing panics while it holds this lock.
    news.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stop {
    /// Listens to SIGINT, SIGTERM and SIGUSR1; `tells_deaths`: whether the launcher tells deaths by SIGUSR1.
    pub fn listen(tells_deaths: bool) -> Stop {
        let asked = Arc::new(AtomicBool::new(false));
        let news: Option<Arc<Mutex<News>>> = tells_deaths.then(Arc::default);
        let listener = Signals::new([SIGINT, SIGTERM, SIGUSR1]).and_then(|signals| {
            let (handle, asked, news) = (signals.handle(), Arc::clone(&asked), news.clone());
            let thread = std::thread::Builder::new().name("signals".to_owned());
            thread.spawn(move || heed(signals, &asked, news.as_deref())).map(|_| handle)
        });
        let listener = listener.inspect_err(|error| tracing::warn!("signals will end the run at once: {error}")).ok();
        Stop { asked, news, listener }
    }

    /// Whether it was asked.
    pub fn asked(&self) -> bool {
        let by_news = |news: &Arc<Mutex<News>>| lock(news).is_request(Instant::now());
        self.asked.load(Ordering::Relaxed) || self.news.as_ref().is_some_and(by_news)
    }

    /// Takes note that a rank has died just now.
    pub fn has_lost(&self) {
        if let Some(news) = &self.news {
            lock(news).lost = Some(Instant::now());
        }
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.close();
        }
    }
}

fn heed(mut signals: Signals, asked: &AtomicBool, news: Option<&Mutex<News>>) {
    let mut requests = Requests::default();
    for signal in signals.forever() {
        if let Some(news) = news.filter(|_| signal == SIGUSR1) {
            lock(news).came = Some(Instant::now());
        } else if requests.is_another(Instant::now()) && asked.swap(true, Ordering::Relaxed) {
            signal_hook::low_level::exit(AT_ONCE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_is_no_other_request() {
        let (mut requests, begun) = (Requests::default(), Instant::now());
        let at = |ms| begun + Duration::from_millis(ms);
        let told: Vec<bool> = [0, 1, 999, 1000, 1500, 2100].map(|ms| requests.is_another(at(ms))).to_vec();
        assert_eq!(told, [true, false, false, true, false, true]);
    }

    #[test]
    fn a_launch_asks_politely_first() {
        let (mut passing, begun) = (Passing::default(), Instant::now());
        assert!(!passing.asked());
        let mut at = |ms, signal| passing.on(signal, begun + Duration::from_millis(ms));
        assert_eq!(at(0, SIGTERM), Some(Signal::SIGUSR1));
        assert_eq!(at(1, SIGTERM), None);
        assert_eq!(at(2000, SIGINT), Some(Signal::SIGINT));
        assert!(passing.asked());
    }

    #[test]
    fn the_word_of_a_death_is_no_request() {
        let begun = Instant::now();
        let at = |seconds: u64| begun + Duration::from_secs(seconds);
        let news = |came, lost: Option<u64>| News { came: Some(at(came)), lost: lost.map(at) };
        assert!(!news(10, None).is_request(at(10)), "what follows is not known yet");
        assert!(news(10, None).is_request(at(11)), "nobody has died");
        assert!(!news(10, Some(10)).is_request(at(100)) && !news(10, Some(12)).is_request(at(100)));
        assert!(!news(12, Some(10)).is_request(at(100)));
        assert!(news(20, Some(10)).is_request(at(100)), "a request long after a death");
        assert!(!News::default().is_request(at(1)));
    }
}
