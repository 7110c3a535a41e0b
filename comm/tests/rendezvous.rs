//! Ranks that meet in a directory: threads of this process, and files that should not be there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rankzero_comm::Rank;
use rankzero_comm::rendezvous::{BYTES_MAX, KEY_FILE, Rendezvous, RendezvousError, forget_ended, tell_ended, withdraw};

/// A directory that ends with its test; not made yet.
struct Place(PathBuf);

impl Place {
    fn new() -> Place {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("rankzero-meet-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Place(std::env::temp_dir().join(name))
    }

    fn open(&self, rank: u32, size: u32) -> Rendezvous {
        Rendezvous::open(&self.0, Rank(rank), size, soon()).expect("a place to meet")
    }

    fn all(&self, size: u32) -> Vec<Rendezvous> {
        (0..size).map(|rank| self.open(rank, size)).collect()
    }

    /// The file that one rank has left, whatever its name.
    fn file(&self, end: &str) -> PathBuf {
        let mut names = fs::read_dir(&self.0).expect("made").flatten().map(|entry| entry.path());
        names.find(|path| path.display().to_string().ends_with(end)).expect("left")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn at_once() -> Instant {
    Instant::now()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("own file");
}

#[test]
fn what_each_leaves_all_collect_whoever_comes_first() {
    let place = Place::new();
    let said = |rank: u32| vec![rank as u8; 1000 * rank as usize];
    std::thread::scope(|scope| {
        for rank in (0..5).rev() {
            let place = &place;
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(u64::from(40 * rank % 70)));
                let meeting = place.open(rank, 5);
                for name in ["first", "second"] {
                    meeting.publish(name, &said(rank)).expect("left");
                    let all = meeting.collect(name, soon()).expect("everybody comes");
                    assert!(all == (0..5).map(said).collect::<Vec<_>>(), "rank {rank}");
                }
            });
        }
    });
    assert_eq!((mode(&place.0), mode(&place.0.join(KEY_FILE))), (0o700, 0o600));
    let [first, second] = [place.open(1, 5).key_for("a"), place.open(2, 5).key_for("a")];
    assert_eq!(first, second);
    assert_ne!(first, place.open(1, 5).key_for("b"));
}

#[test]
fn who_is_missing_is_named() {
    let place = Place::new();
    let meetings = place.all(4);
    meetings[0].publish("word", b"here").expect("left");
    meetings[2].publish("word", b"here").expect("left");
    let error = meetings[2].collect("word", at_once()).expect_err("two are missing");
    assert!(error.is_absence(), "{error}");
    assert!(error.to_string().starts_with("rank 1, rank 3 did not come to "), "{error}");
    let nobody = Place::new();
    let error = Rendezvous::open(&nobody.0, Rank(1), 2, at_once()).expect_err("no rank 0");
    assert!(error.is_absence() && error.to_string().starts_with("rank 0 has not come to "), "{error}");
}

#[test]
fn who_gives_up_leaves_nothing_and_takes_nothing_of_others() {
    let place = Place::new();
    let meetings = place.all(12);
    for rank in [0, 1, 11] {
        meetings[rank].publish("word", &[rank as u8]).expect("left");
    }
    withdraw(&place.0, Rank(1)).expect("removed");
    let missing = |waits: usize| meetings[waits].collect("word", at_once()).expect_err("not all came").to_string();
    assert!(missing(11).starts_with("rank 1, rank 2, "), "rank 11 has left its word: {}", missing(11));
    withdraw(&place.0, Rank(0)).expect("removed");
    assert!(!place.0.join(KEY_FILE).exists());
    assert!(missing(11).starts_with("rank 0, rank 1, "), "{}", missing(11));
    withdraw(&place.0, Rank(11)).expect("removed");
    fs::remove_dir(&place.0).expect("empty");
}

#[test]
fn who_has_ended_is_not_waited_for() {
    let place = Place::new();
    let meetings = place.all(3);
    meetings[0].publish("word", b"here").expect("left");
    tell_ended(&place.0, Rank(2)).expect("told");
    let error = meetings[0].collect("word", soon()).expect_err("it has ended");
    assert!(matches!(error, RendezvousError::Ended(Rank(2))), "{error}");
    assert!(meetings[0].check_on(&[Rank(1)]).is_ok() && meetings[0].check_on(&[Rank(2)]).is_err());
    // Rank 0 may come after the word, and must not take it for that of another run.
    assert!(place.open(0, 3).check_on(&[Rank(2)]).is_err());
    forget_ended(&place.0).expect("forgotten");
    assert!(place.open(0, 3).check_on(&[Rank(2)]).is_ok());
}

#[test]
fn what_does_not_prove_itself_counts_as_not_there() {
    let place = Place::new();
    let meetings = place.all(2);
    for (rank, meeting) in meetings.iter().enumerate() {
        meeting.publish("word", &[rank as u8; 9]).expect("left");
        meeting.publish("other", &[rank as u8; 9]).expect("left");
    }
    let file = place.file("-word-1");
    let good = fs::read(&file).expect("left");
    let zero = fs::read(place.file("-word-0")).expect("left");
    let other = fs::read(place.file("-other-1")).expect("left");
    let mut wrong: Vec<Vec<u8>> = (0..good.len()).map(|len| good[..len].to_vec()).collect();
    wrong.extend((0..good.len()).map(|at| {
        let mut changed = good.clone();
        changed[at] ^= 1;
        changed
    }));
    wrong.extend([zero, other, [&good[..], &[0]].concat(), vec![0; BYTES_MAX + 100]]);
    for bytes in wrong {
        fs::write(&file, &bytes).expect("own file");
        let error = meetings[0].collect("word", at_once()).expect_err("no word of rank 1");
        assert!(matches!(&error, RendezvousError::Missing { missing, .. } if *missing == [Rank(1)]), "{error}");
        assert!(error.to_string().contains("-word-1: "), "{error}");
    }
    fs::write(&file, &good).expect("own file");
    assert!(meetings[0].collect("word", at_once()).is_ok());
}

#[test]
fn what_an_earlier_run_has_left_does_no_harm() {
    let place = Place::new();
    for meeting in place.all(2) {
        meeting.publish("word", b"old").expect("left");
    }
    // Of the new run, rank 1 comes first and believes in the old key, and in an old rank 0.
    let early = place.open(1, 2);
    assert!(matches!(early.publish("word", b"new"), Err(RendezvousError::Twice { rank: Rank(1), .. })));
    assert_eq!(early.collect("word", at_once()).expect("the old words")[0], b"old");
    let zero = place.open(0, 2);
    zero.publish("word", b"new").expect("left");
    assert!(matches!(early.check_on(&[]), Err(RendezvousError::Renewed(_))));
    assert!(matches!(early.collect("word", soon()), Err(RendezvousError::Renewed(_))));
    let again = place.open(1, 2);
    again.publish("word", b"new").expect("left");
    for meeting in [&zero, &again] {
        assert_eq!(meeting.collect("word", soon()).expect("both are here"), [b"new", b"new"]);
    }
    zero.clear();
    assert_eq!(fs::read_dir(&place.0).expect("it stays").count(), 0);
}

#[test]
fn what_others_may_read_or_write_holds_no_secret() {
    let place = Place::new();
    place.open(0, 2);
    let key = place.0.join(KEY_FILE);
    let refusal = |wanted: &str| {
        let error = Rendezvous::open(&place.0, Rank(1), 2, at_once()).expect_err(wanted).to_string();
        assert!(error.contains(wanted), "`{wanted}` in {error}");
    };
    set_mode(&key, 0o644);
    refusal("its mode is 0644");
    set_mode(&key, 0o600);
    set_mode(&place.0, 0o777);
    refusal("its mode is 0777");
    let error = Rendezvous::open(&place.0, Rank(0), 2, at_once()).expect_err("rank 0 puts no key there");
    assert!(matches!(error, RendezvousError::NotPrivate { .. }) && !error.is_absence(), "{error}");
    set_mode(&place.0, 0o755);
    fs::write(&key, "nonsense\n").expect("own file");
    refusal("it holds no key of a run");
    fs::remove_file(&key).expect("own file");
    std::os::unix::fs::symlink("/etc/passwd", &key).expect("own directory");
    refusal("cannot read");
    // A fresh key takes its place.
    place.open(0, 2);
    place.open(1, 2);
}

#[test]
fn numbers_and_sizes_that_contradict_each_other_are_refused() {
    let place = Place::new();
    let meeting = place.open(0, 2);
    meeting.publish("word", b"here").expect("left");
    place.open(1, 3).publish("word", b"here").expect("left");
    let error = meeting.collect("word", soon()).expect_err("two sizes");
    assert_eq!(error.to_string(), "rank 1 was started as one of 3 ranks, this one as one of 2");
    let twin = place.open(1, 3).publish("word", b"another");
    assert!(matches!(twin, Err(RendezvousError::Twice { rank: Rank(1), .. })), "{twin:?}");
    assert!(place.open(1, 3).publish("word", b"here").is_ok(), "the same once more may be the same process");
    for name in ["", "../word", "a-b"] {
        assert!(meeting.publish(name, b"").is_err(), "{name}");
    }
    assert!(meeting.publish("long", &vec![0; BYTES_MAX + 1]).is_err());
}
