//! Damage of any file, anywhere, is noticed, never makes anything panic, and costs that checkpoint alone.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::sim::Sim;
use common::{census, check_content, write};
use proptest::prelude::*;
use rankzero_checkpoint::disk::Disk;
use rankzero_checkpoint::{Loaded, Manifest, Store};

const DIR: &str = "/run/checkpoints";

/// Two checkpoints, of which the newer one is to be damaged.
fn stage() -> (Sim, Store) {
    let disk = Sim::new();
    let store = Store::on(Arc::new(disk.clone()), DIR);
    write(&store, 16, 2).expect("a good disk");
    write(&store, 32, 3).expect("a good disk");
    (disk, store)
}

/// The files of the newer checkpoint, with their lengths.
fn files(disk: &Sim, store: &Store) -> Vec<(PathBuf, usize)> {
    let folder = store.folder(32);
    let mut names = disk.list(&folder).expect("a good disk");
    names.sort();
    let path = |name| folder.join(name);
    names.into_iter().map(path).map(|path| (path.clone(), disk.len(&path).expect("a good disk") as usize)).collect()
}

/// Whether it is noticed that the newer one is damaged, and the older one serves.
fn check(store: &Store, what: &str) {
    let verified = store.verify(32);
    assert!(verified.is_err(), "{what}: not noticed");
    let read = store.load(32).and_then(|loaded| loaded.for_each(0..common::BODIES, |_, _| {}));
    assert!(read.is_err(), "{what}: can be restored");
    let newest = store.newest().expect("a good disk").map(|entry| entry.step);
    assert_eq!(newest, Some(16), "{what}");
    check_content(&store.load(16).expect("whole"), 16).expect("whole");
    assert!(store.list().expect("a good disk").iter().any(|entry| entry.step == 16 && entry.state.error().is_none()));
    // Whatever is wrong with it, the step can be written again.
    write(store, 32, 3).expect("a good disk");
    assert_eq!(census(store).expect("a good disk"), (vec![16, 32], Vec::new()), "{what}");
}

#[test]
fn every_bit_counts() {
    let (disk, store) = stage();
    for (path, length) in files(&disk, &store) {
        for at in 0..length {
            let bit = 1 << (at % 8);
            disk.corrupt(&path, |bytes| bytes[at] ^= bit);
            check(&store, &format!("{} byte {at} bit {bit}", path.display()));
        }
    }
}

#[test]
fn every_length_counts() {
    let (disk, store) = stage();
    for (path, length) in files(&disk, &store) {
        for kept in 0..length {
            disk.corrupt(&path, |bytes| bytes.truncate(kept));
            check(&store, &format!("{} cut to {kept}", path.display()));
        }
        for more in [1, 4, 56, 4096] {
            disk.corrupt(&path, |bytes| bytes.resize(length + more, 0));
            check(&store, &format!("{} with {more} bytes more", path.display()));
        }
    }
}

#[test]
fn every_file_counts() {
    let (disk, store) = stage();
    for (path, _) in files(&disk, &store) {
        disk.remove_file(&path).expect("a good disk");
        check(&store, &format!("{} removed", path.display()));
    }
    // Two parts change places: each is whole, but not what the manifest names.
    let parts = files(&disk, &store);
    let [a, b] = [1, 2].map(|i| parts[i].0.clone());
    let between = store.folder(32).join("between");
    for (from, to) in [(&a, &between), (&b, &a), (&between, &b)] {
        disk.rename(from, to).expect("a good disk");
    }
    check(&store, "two parts changed places");
}

#[test]
fn zeros_for_a_block_are_noticed() {
    let (disk, store) = stage();
    for (path, length) in files(&disk, &store) {
        for start in (0..length).step_by(64) {
            let mut same = false;
            disk.corrupt(&path, |bytes| {
                let block = &mut bytes[start..length.min(start + 64)];
                same = block.iter().all(|byte| *byte == 0);
                block.fill(0);
            });
            if !same {
                check(&store, &format!("{} zeros at {start}", path.display()));
            }
        }
    }
}

/// A way to damage a file; numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Damage {
    Flip(Vec<usize>),
    Cut(usize),
    Overwrite(usize, Vec<u8>),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Replace(Vec<u8>),
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        let within = |at: usize| at % length.max(1);
        match self {
            Self::Flip(bits) if length > 0 => bits.iter().for_each(|bit| bytes[within(bit / 8)] ^= 1 << (bit % 8)),
            Self::Flip(_) => {}
            Self::Cut(at) => bytes.truncate(within(*at)),
            Self::Overwrite(at, new) => {
                let at = within(*at);
                let end = length.min(at + new.len());
                bytes[at..end].copy_from_slice(&new[..end - at]);
            }
            Self::Insert(at, new) => drop(bytes.splice(within(*at)..within(*at), new.iter().copied())),
            Self::Remove(at, count) => drop(bytes.drain(within(*at)..length.min(within(*at) + count))),
            Self::Replace(new) => bytes.clone_from(new),
        }
    }
}

fn damages() -> impl Strategy<Value = Vec<(usize, Damage)>> {
    let some = || prop::collection::vec(any::<u8>(), 1..40);
    let damage = prop_oneof![
        prop::collection::vec(any::<usize>(), 1..5).prop_map(Damage::Flip),
        any::<usize>().prop_map(Damage::Cut),
        (any::<usize>(), some()).prop_map(|(at, new)| Damage::Overwrite(at, new)),
        (any::<usize>(), some()).prop_map(|(at, new)| Damage::Insert(at, new)),
        (any::<usize>(), 1usize..100).prop_map(|(at, count)| Damage::Remove(at, count)),
        prop::collection::vec(any::<u8>(), 0..400).prop_map(Damage::Replace),
    ];
    prop::collection::vec((any::<usize>(), damage), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_damage_is_noticed(damages in damages()) {
        let (disk, store) = stage();
        let files = files(&disk, &store);
        let before: Vec<Vec<u8>> = files.iter().map(|(path, _)| contents(&disk, path)).collect();
        for (file, damage) in &damages {
            disk.corrupt(&files[file % files.len()].0, |bytes| damage.apply(bytes));
        }
        let after: Vec<Vec<u8>> = files.iter().map(|(path, _)| contents(&disk, path)).collect();
        if before != after {
            check(&store, &format!("{damages:?}"));
        }
    }

    #[test]
    fn no_bytes_make_a_manifest_panic(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        prop_assert!(Manifest::from_bytes(&bytes, Path::new("manifest.json")).is_err());
    }
}

fn contents(disk: &Sim, path: &Path) -> Vec<u8> {
    let mut found = Vec::new();
    disk.corrupt(path, |bytes| found.clone_from(bytes));
    found
}

/// A part whose head or table says `value` at `at`, with hashes as if that were meant, under a manifest that names it so.
fn forge(at: usize, value: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let store = Store::open(folder.path());
    write(&store, 16, 1).expect("own folder");
    let mut manifest = store.load(16).expect("just written").manifest;
    let old = store.folder(16).join(&manifest.parts[0].file);
    let mut bytes = fs::read(&old).expect("own file");
    bytes[at..at + value.len()].copy_from_slice(value);
    let (front, end) = (40 + 56 * common::BODIES as usize, bytes.len() - 32);
    let hash = blake3::hash(&bytes[..front]);
    bytes[end..].copy_from_slice(hash.as_bytes());
    let part = &mut manifest.parts[0];
    part.blake3 = hash.to_hex().to_string();
    part.file = format!("part-00000-{}.rzc", &part.blake3[..16]);
    fs::remove_file(old).expect("own file");
    fs::write(store.folder(16).join(&part.file), bytes).expect("own file");
    // The digits of file name and hash are replaced where they stand, and the manifest's own hash is made anew.
    let path = store.folder(16).join("manifest.json");
    let text = fs::read_to_string(&path).expect("own file");
    let good: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let named = |field: &str| good["parts"][0][field].as_str().expect("a text").to_owned();
    let text = text.replace(&named("blake3"), &part.blake3).replace(&named("file"), &part.file);
    let blank = text.replacen(good["blake3"].as_str().expect("a text"), &"0".repeat(64), 1);
    let text = blank.replacen(&"0".repeat(64), &blake3::hash(blank.as_bytes()).to_hex(), 1);
    fs::write(&path, text).expect("own file");
    (folder, store.folder(16))
}

#[test]
fn a_forged_table_is_refused_before_it_is_believed() {
    let row = |body: usize, field: usize| 40 + 56 * body + field;
    for (at, value, told) in [
        (0, b"rzckpt\n\n".to_vec(), "does not begin as a part"),
        (8, 2u32.to_le_bytes().to_vec(), "version 2 of the format"),
        (12, 5u32.to_le_bytes().to_vec(), "where the manifest names"),
        (16, 17u64.to_le_bytes().to_vec(), "it is of step 17, not of step 16"),
        (24, u64::MAX.to_le_bytes().to_vec(), "does not fit into"),
        (24, (1u64 << 32).to_le_bytes().to_vec(), "does not fit into"),
        (32, 1u64.to_le_bytes().to_vec(), "do not fill the file"),
        (row(0, 0), 1u64.to_le_bytes().to_vec(), "body 1 is not in its place"),
        (row(6, 0), 7u64.to_le_bytes().to_vec(), "body 6 is in none"),
        (row(6, 0), u64::MAX.to_le_bytes().to_vec(), "more than 32 bits"),
        (row(6, 8), u64::MAX.to_le_bytes().to_vec(), "reaches beyond the end"),
        (row(6, 8), (u64::MAX / 4).to_le_bytes().to_vec(), "reaches beyond the end"),
        (row(6, 8), 1u64.to_le_bytes().to_vec(), "do not fill the file"),
        (row(3, 16), 0u64.to_le_bytes().to_vec(), "does not lie where"),
        (row(3, 24), vec![0; 32], "have the digest"),
    ] {
        let (_folder, checkpoint) = forge(at, &value);
        let error = Loaded::open(&checkpoint).and_then(|loaded| loaded.verify()).expect_err("forged").to_string();
        assert!(error.contains(told), "{told}: {error}");
    }
    // The forgery itself is a good one: what is put there already passes.
    let (_folder, checkpoint) = forge(16, &16u64.to_le_bytes());
    Loaded::open(&checkpoint).and_then(|loaded| loaded.verify()).expect("nothing is changed");
}
