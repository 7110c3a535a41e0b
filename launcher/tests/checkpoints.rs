//! `rankzero checkpoint` as a person meets it: what is listed, what is noticed, what is removed, and with which exit codes.

#[path = "cli/process.rs"]
mod process;

use std::fs;
use std::path::PathBuf;

use process::{Ended, Folder, finish, rankzero};
use rankzero_checkpoint::{Manifest, Store, body_hash, state_digest};
use serde_json::Value;

/// A run directory with checkpoints.
struct Stage {
    folder: Folder,
    store: Store,
}

/// The digest of the bodies of a step.
fn digest(step: u64) -> String {
    state_digest([0, 1].map(|id| *body_hash(&words(step, id)).as_bytes()), &[1, 2, 3]).to_hex().to_string()
}

fn words(step: u64, id: u32) -> Vec<u32> {
    (0..500).map(|i| i * (7 + id) + step as u32).collect()
}

impl Stage {
    /// With checkpoints of these steps, by two ranks.
    fn new(steps: &[u64]) -> Self {
        let folder = Folder::new();
        fs::create_dir_all(folder.join("run/checkpoints")).expect("own folder");
        fs::create_dir(folder.join("empty")).expect("own folder");
        fs::write(folder.join("file"), "").expect("own folder");
        let store = Store::open(folder.join("run/checkpoints"));
        let stage = Stage { folder, store };
        steps.iter().for_each(|step| stage.commit(*step));
        stage
    }

    fn parts(&self, step: u64) -> Manifest {
        let part = |rank| self.store.write_part(step, rank, &[(rank, &words(step, rank))]).expect("own folder");
        Manifest::of_parts(step, vec![part(0), part(1)])
    }

    fn commit(&self, step: u64) {
        let mut manifest = self.parts(step);
        manifest.job = "demo".into();
        manifest.fingerprint = "abcd".into();
        manifest.digest = Some(digest(step));
        manifest.rigids = vec![1, 2, 3];
        manifest.created = "2026-01-31T12:00:00Z".into();
        self.store.commit(&manifest).expect("own folder");
    }

    fn part_of(&self, step: u64) -> PathBuf {
        let files = fs::read_dir(self.store.folder(step)).expect("own folder").flatten().map(|entry| entry.path());
        files.filter(|path| path.extension().is_some_and(|end| end == "rzc")).min().expect("a part")
    }

    /// Changes one bit of a body.
    fn flip(&self, step: u64) {
        let path = self.part_of(step);
        let mut bytes = fs::read(&path).expect("own file");
        bytes[1000] ^= 1;
        fs::write(path, bytes).expect("own file");
    }

    /// Says it, in the folder of the test.
    fn say(&self, words: &str) -> Ended {
        finish(rankzero().arg("checkpoint").args(words.split_whitespace()).current_dir(self.folder.path()))
    }

    /// What is said on both outputs, where the exit code is this one.
    fn told(&self, words: &str, code: i32) -> String {
        let ended = self.say(words);
        assert_eq!(ended.code(), code, "{words}: {}", ended.text());
        assert!(!ended.text().contains("panicked"), "{words}: {}", ended.text());
        ended.text()
    }

    fn json(&self, words: &str, code: i32) -> Value {
        let ended = self.say(words);
        assert_eq!(ended.code(), code, "{words}: {}", ended.text());
        serde_json::from_str(&ended.stdout).expect("JSON")
    }

    fn steps(&self) -> Vec<u64> {
        self.store.list().expect("own folder").iter().map(|entry| entry.step).collect()
    }
}

#[test]
fn all_of_them_are_listed_wherever_one_points() {
    let stage = Stage::new(&[16, 1600]);
    stage.parts(3200);
    fs::remove_file(stage.part_of(16)).expect("own file");
    for dir in ["run", "run/checkpoints", "./run/"] {
        let told = stage.told(&format!("ls {dir}"), 0);
        let lines: Vec<&str> = told.lines().collect();
        assert!(lines[0].contains("step") && lines.len() == 6, "{told}");
        assert!(lines[1].starts_with("          16  damaged"), "{told}");
        assert!(lines[2].contains("1600  whole       2026-01-31T12:00:00Z         2      2     "), "{told}");
        assert!(lines[3].contains("3200  unfinished"), "{told}");
        assert!(told.contains("no such file") && told.contains("no manifest.json beside 2 files"), "{told}");
    }
    let one = stage.told("ls run/checkpoints/step-000000001600", 0);
    assert!(one.lines().count() == 2 && one.contains("1600"), "{one}");
    let list = stage.json("ls run --json", 0);
    assert!(list["directory"].as_str().expect("a text").ends_with("run/checkpoints"), "{list}");
    let states: Vec<&Value> = list["checkpoints"].as_array().expect("a list").iter().map(|row| &row["state"]).collect();
    assert_eq!(states, ["damaged", "whole", "unfinished"]);
    let whole = &list["checkpoints"][1];
    assert_eq!((&whole["digest"], &whole["bodies"]), (&digest(1600).into(), &2.into()));
    assert_eq!((&whole["job"], &whole["words"], &whole["rigid_words"]), (&"demo".into(), &1000.into(), &3.into()));
    assert!(list["checkpoints"][0]["why"].as_str().expect("a text").contains("no such file"), "{list}");
    assert!(stage.told("ls empty", 0).starts_with("no checkpoints in empty"));
    assert!(stage.told("ls", 0).starts_with("no checkpoints in ."));
}

#[test]
fn a_verification_reads_everything() {
    let stage = Stage::new(&[16, 32, 48]);
    let well = stage.told("verify run", 0);
    assert!(
        well.lines().count() == 3 && well.contains(&format!("step 32: whole, 2 bodies, 5.1 kB, digest {}", digest(32))),
        "{well}"
    );
    stage.flip(32);
    // Names and lengths are as they were.
    assert!(stage.told("ls run", 0).lines().filter(|line| line.contains("whole")).count() == 3);
    let ill = stage.told("verify run", 1);
    assert!(ill.contains("step 48: whole") && ill.contains("the words of body 0") && ill.contains("damaged"), "{ill}");
    assert!(ill.contains(&stage.part_of(32).file_name().expect("a name").to_string_lossy().into_owned()), "{ill}");
    assert!(stage.told("verify run 16 48", 0).lines().count() == 2);
    assert!(stage.told("verify run 16 32", 1).contains("step 16: whole"));
    stage.told("verify run/checkpoints/step-000000000016 run/checkpoints 48", 0);
    stage.told("verify run/checkpoints/step-000000000032", 1);
    let rows = stage.json("verify run --json", 1);
    assert_eq!(rows["checkpoints"][1]["state"], "damaged");
    assert!(rows["checkpoints"][1]["why"].as_str().expect("a text").contains("body 0"), "{rows}");
    assert_eq!(rows["checkpoints"][2]["digest"], digest(48));
    // One that is being written may be unfinished, but not one that is asked for.
    stage.store.remove(32).expect("own folder");
    stage.parts(64);
    assert!(stage.told("verify run", 0).contains("step 64: "));
    assert!(stage.told("verify run 64", 1).contains("unfinished"));
}

#[test]
fn checkpoints_are_removed_by_step_or_but_for_the_newest() {
    let stage = Stage::new(&[16, 32, 48, 64, 80]);
    stage.parts(40);
    assert_eq!(stage.told("rm run --step 16", 0), "removed step 16\n");
    // One that is not there leaves all there.
    let told = stage.told("rm run --step 32 --step 99", 2);
    assert!(told.contains("no checkpoint of step 99") && told.contains("32, 40, 48, 64, 80"), "{told}");
    assert_eq!(stage.steps(), [32, 40, 48, 64, 80]);
    // The newest is damaged, which only reading shows: the newest that is whole stays, too.
    stage.flip(80);
    assert_eq!(stage.json("rm run/checkpoints --keep 1 --json", 0)["removed"], serde_json::json!([32, 40, 48]));
    assert_eq!(stage.steps(), [64, 80]);
    assert_eq!(stage.told("rm run --step 80 --step 80", 0), "removed step 80\n");
    assert_eq!(stage.told("rm run --keep 1", 0), "nothing to remove\n");
    stage.commit(48);
    stage.flip(48);
    stage.flip(64);
    let told = stage.told("rm run --keep 1", 1);
    assert!(told.contains("of 2 checkpoints none verifies, so none is removed"), "{told}");
    assert_eq!(stage.steps(), [48, 64]);
}

#[test]
fn mistakes_are_told() {
    let stage = Stage::new(&[16]);
    for (words, told) in [
        ("", "Usage"),
        ("list run", "unrecognized subcommand"),
        ("ls nowhere", "nowhere: cannot look for checkpoints in the directory: No such file"),
        ("ls file", "Not a directory"),
        ("ls run --step 16", "--step"),
        ("verify nowhere", "nowhere: cannot look for"),
        ("verify empty", "empty: no checkpoint to restore"),
        ("verify run 17", "no checkpoint of step 17; there are those of steps 16"),
        ("verify 16", "no checkpoint to restore"),
        ("rm", "<DIR>"),
        ("rm run", "--step <N>|--keep <N>"),
        ("rm run --step 16 --keep 1", "cannot be used with"),
        ("rm run --keep 0", "0 is not in 1.."),
        ("rm run --step x", "invalid digit"),
        ("rm nowhere --keep 1", "nowhere: cannot look for"),
        ("rm run --step 17", "there are those of steps 16"),
    ] {
        let said = stage.told(words, 2);
        assert!(said.contains(told), "{words}: {said}");
    }
    let help = stage.told("rm --help", 0);
    assert!(help.contains("Exit codes") && help.contains("rankzero checkpoint rm runs/demo --keep 1"), "{help}");
    assert_eq!(stage.steps(), [16]);
}
