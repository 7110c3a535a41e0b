//! Processes that write checkpoints and come to an end that they did not choose: killed, on a disk that is really full, or
//! forbidden to write more. Each is this very test program, started again for the one test that plays the writer.

mod common;

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{census, mix, write, write_parts};
use rankzero_checkpoint::Store;

/// Where the writer writes; without it, the writer has nothing to do.
const PLACE: &str = "RANKZERO_TEST_CHECKPOINTS";
/// Words of a body that does not fit into the small places.
const LARGE: usize = 1 << 20;

/// The writer, as a command of the shell's language that runs `before` it, in this process' place.
fn writer(role: &str, place: &Path, before: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{before} exec \"$@\" \"$0\" --exact --ignored --nocapture {role}"));
    command.arg(std::env::current_exe().expect("this program")).env(PLACE, place).stdin(Stdio::null());
    command
}

fn place() -> Option<Store> {
    std::env::var_os(PLACE).map(Store::open)
}

#[test]
#[ignore = "the writer of another test"]
fn writes_for_ever() {
    let Some(store) = place() else { return };
    for round in 0u32.. {
        // Steps come again, cut in another way, as after a rollback.
        for step in [16, 32, 48, 32] {
            write(&store, step, 1 + (round + step as u32) % 5).expect("own folder");
            store.retain(2).expect("own folder");
        }
    }
}

#[test]
fn a_writer_killed_at_any_moment_leaves_whole_ones() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let store = Store::open(folder.path());
    write(&store, 16, 2).expect("own folder");
    write(&store, 32, 2).expect("own folder");
    for round in 0..25 {
        let mut command = writer("writes_for_ever", folder.path(), "");
        let mut child = command.stdout(Stdio::null()).spawn().expect("the shell");
        std::thread::sleep(Duration::from_micros(8_000 + mix(round) % 12_000));
        let alive = child.try_wait().expect("own child").is_none();
        child.kill().expect("own child");
        child.wait().expect("own child");
        assert!(alive, "the writer does not end by itself");
        let (whole, others) = census(&store).unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert!(whole.len() >= 2, "round {round}: {whole:?} of {others:?}");
        assert!(others.iter().all(|(_, why)| why.contains("unfinished")), "round {round}: {others:?}");
        assert_eq!(store.newest().expect("own folder").map(|entry| entry.step), whole.last().copied());
    }
    // And the next run starts over what they have left.
    for entry in store.list().expect("own folder") {
        store.abandon(entry.step).expect("own folder");
    }
    assert!(census(&store).expect("own folder").1.is_empty());
}

#[test]
#[ignore = "the writer of another test"]
fn writes_more_than_fits() {
    let Some(store) = place() else { return };
    write(&store, 16, 2).expect("it fits");
    let mut manifest = write_parts(&store, 32, 2).expect("it fits");
    let large = vec![7u32; LARGE];
    let error = store.write_part(32, 9, &[(7, &large)]).expect_err("it does not fit");
    assert!(error.is_full_disk(), "{error}");
    println!("told: {error}");
    // The manifest, too, if it is large enough.
    manifest.digest = None;
    manifest.rigids = large;
    let error = store.commit(&manifest).expect_err("it does not fit");
    assert!(error.is_full_disk(), "{error}");
    println!("told: {error}");
    store.abandon(32).expect("removing takes no room");
    let whole = census(&store).expect("a readable disk");
    assert_eq!(whole, (vec![16], Vec::new()), "nothing else has suffered");
    write(&store, 32, 3).expect("what is small still fits");
    println!("went on");
}

/// Runs the writer where little fits; what it says.
fn in_little_room(place: &Path, before: &str) -> Option<String> {
    let output = writer("writes_more_than_fits", place, before).output().expect("the shell");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if said.contains("NO SUCH ROOM") {
        return None;
    }
    let (code, signal) = (output.status.code(), output.status.signal());
    assert!(output.status.success(), "{code:?} {signal:?}: {said}");
    assert!(said.contains("went on"), "{said}");
    Some(said)
}

#[test]
fn a_full_disk_is_told_and_costs_one_checkpoint() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    // In a namespace of its own, so that the file system goes with the process, and nobody else sees it.
    let mut probe = Command::new("unshare");
    probe.args(["--mount", "true"]);
    if !probe.stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: no mounts of our own here, so a full disk is NOT TESTED");
        return;
    }
    let mount = format!(
        "if [ -z \"$OWN\" ]; then OWN=1 exec unshare --mount sh -c '
             mount -t tmpfs -o size=1m none \"${PLACE}\" || {{ echo NO SUCH ROOM; exit 1; }}
             exec \"$0\" --exact --ignored --nocapture writes_more_than_fits' \"$0\"; fi;"
    );
    match in_little_room(folder.path(), &mount) {
        Some(said) => assert!(said.contains("No space left on device") && said.contains("MB free"), "{said}"),
        None => eprintln!("SKIPPED: no tmpfs may be mounted here, so a full disk is NOT TESTED"),
    }
}

#[test]
fn a_limit_of_file_sizes_is_told_and_costs_one_checkpoint() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    // 1 MiB in blocks of 512 bytes, as POSIX has them, or 2 MiB where a shell counts in kibibytes: both are too few. Ignoring
    // the signal makes the write fail instead.
    let said = in_little_room(folder.path(), "ulimit -f 2048; trap '' XFSZ;").expect("limits are there");
    assert!(said.contains("File too large") && said.contains("ulimit -f"), "{said}");
}

#[test]
#[ignore = "the writer of another test"]
fn writes_without_right() {
    let Some(store) = place() else { return };
    if std::fs::write(store.dir().join("file"), "").is_ok() {
        return println!("NO SUCH ROOM");
    }
    for error in [store.prepare().expect_err("no right"), write(&store, 48, 1).expect_err("no right")] {
        assert!(error.to_string().contains("give this user the right"), "{error}");
    }
    // Nor may it read all: that costs one checkpoint.
    let error = store.verify(32).expect_err("no right").to_string();
    assert!(error.contains("Permission denied") && error.contains("manifest.json"), "{error}");
    let (whole, others) = census(&store).expect("the directory can be listed");
    assert!(whole == [16] && others[0].1.contains("Permission denied"), "{whole:?} {others:?}");
    assert_eq!(store.newest().expect("the directory can be listed").map(|entry| entry.step), Some(16));
    println!("went on");
}

#[test]
fn a_directory_without_rights_is_told_and_costs_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let store = Store::open(folder.path().join("checkpoints"));
    write(&store, 16, 2).expect("own folder");
    write(&store, 32, 2).expect("own folder");
    let mode = |path: &Path, mode| set_permissions(path, Permissions::from_mode(mode)).expect("own file");
    mode(folder.path(), 0o755);
    mode(&store.folder(32).join("manifest.json"), 0o000);
    mode(store.dir(), 0o555);
    let root = nix::unistd::geteuid().is_root();
    let before = if root { "set -- setpriv --reuid=65534 --regid=65534 --clear-groups;" } else { "set --;" };
    let mut command = writer("writes_without_right", store.dir(), before);
    let output = command.output().expect("the shell");
    mode(store.dir(), 0o755);
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let cannot = ["NO SUCH ROOM", "setpriv:", "not found", "running 0 tests"].iter().any(|words| said.contains(words));
    if cannot {
        eprintln!("SKIPPED: no user without rights can be had here, so permissions are NOT TESTED: {said}");
        return;
    }
    assert!(output.status.success() && said.contains("went on"), "{said}");
}
