//! Any bytes as a manifest or a part. What is sealed with the right hashes gets past them, to the checks behind.

#![no_main]

#[path = "../tests/common/mod.rs"]
mod common;

use std::path::Path;
use std::sync::Arc;

use common::sim::Sim;
use libfuzzer_sys::fuzz_target;
use rankzero_checkpoint::disk::Disk;
use rankzero_checkpoint::{Manifest, PartInfo, Store};

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 3 {
        0 => drop(Manifest::from_bytes(rest, Path::new("manifest.json"))),
        1 => drop(Manifest::from_bytes(&sealed_manifest(rest), Path::new("manifest.json"))),
        _ => part(rest),
    }
});

/// A manifest that begins with the hash of itself and goes on with `rest`.
fn sealed_manifest(rest: &[u8]) -> Vec<u8> {
    let around = |digits: &str| [b"{\n  \"blake3\": \"", digits.as_bytes(), b"\",\n", rest].concat();
    let blank = around(&"0".repeat(64));
    around(&blake3::hash(&blank).to_hex())
}

/// A part that ends with the right hash, under a manifest that says of it what it says of itself.
fn part(bytes: &[u8]) {
    let number = |at: usize, length: usize| -> u64 {
        (0..length).rev().fold(0, |sum, i| sum << 8 | u64::from(bytes.get(at + i).copied().unwrap_or(0)))
    };
    let (writer, step, bodies, words) = (number(12, 4) as u32, number(16, 8), number(24, 8), number(32, 8));
    let front = usize::try_from(bodies).ok().and_then(|bodies| bodies.checked_mul(56)?.checked_add(40));
    let hash = blake3::hash(&bytes[..front.unwrap_or(0).min(bytes.len())]);
    let blake3 = hash.to_hex().to_string();
    let file = format!("part-{writer:05}-{}.rzc", &blake3[..16]);
    let info = PartInfo { file, writer, bytes: bytes.len() as u64 + 32, blake3, bodies: bodies as u32, words };

    let disk = Sim::new();
    let store = Store::on(Arc::new(disk.clone()), "/x");
    for folder in [store.dir(), &store.folder(step)] {
        disk.create_dir(folder).expect("an empty disk");
    }
    let mut out = disk.create(&store.folder(step).join(&info.file)).expect("an empty disk");
    out.write_all(bytes).and_then(|()| out.write_all(hash.as_bytes())).expect("a good disk");
    if store.commit(&Manifest::of_parts(step, vec![info])).is_ok() {
        // What was accepted can be read, but for the words' own hashes.
        let loaded = store.load(step).expect("just accepted");
        let mut seen = 0;
        let read = loaded.for_each(0..loaded.manifest.bodies, |_, words| seen += words.len() as u64);
        assert!(read.is_err() || seen == words);
    }
    assert!(store.list().expect("a good disk").len() == 1);
}
