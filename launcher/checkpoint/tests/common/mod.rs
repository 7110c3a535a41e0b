//! States that depend on step and id alone, as the law has it, and what a test asks of a store again and again.
#![allow(dead_code)]

pub mod sim;

use rankzero_checkpoint::{CheckpointError, Loaded, Manifest, Store, View, body_hash, state_digest};

/// Bodies of every test's simulation, unless it says otherwise.
pub const BODIES: u32 = 7;

/// Numbers that look like chance and are always the same.
pub fn mix(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The state of a body after a step; bodies are of different sizes, one of none.
pub fn state(step: u64, id: u32) -> Vec<u32> {
    let words = if id == 2 { 0 } else { 3 + u64::from(id) * 5 };
    (0..words).map(|i| (mix(step << 32 | u64::from(id) << 16 | i) & 0xffff_ffff) as u32).collect()
}

pub fn rigids(step: u64) -> Vec<u32> {
    (0..15).map(|i| (mix(step ^ i) & 0xffff_ffff) as u32).collect()
}

pub fn digest(step: u64, bodies: u32) -> String {
    let hashes = (0..bodies).map(|id| *body_hash(&state(step, id)).as_bytes());
    state_digest(hashes, &rigids(step)).to_hex().to_string()
}

/// What `writers` ranks write, cut in a way of their own, and what the master makes of it.
pub fn write_parts(store: &Store, step: u64, writers: u32) -> Result<Manifest, CheckpointError> {
    let mut parts = Vec::new();
    for writer in 0..writers {
        let own: Vec<(u32, Vec<u32>)> =
            (0..BODIES).rev().filter(|id| id % writers == writer).map(|id| (id, state(step, id))).collect();
        let bodies: Vec<(u32, &[u32])> = own.iter().map(|(id, words)| (*id, words.as_slice())).collect();
        parts.push(store.write_part(step, writer, &bodies)?);
    }
    let mut manifest = Manifest::of_parts(step, parts);
    manifest.job = "test".into();
    manifest.fingerprint = "0123abcd".into();
    manifest.digest = Some(digest(step, BODIES));
    manifest.created = "2026-01-31T12:00:00Z".into();
    manifest.rigids = rigids(step);
    manifest.batch_to_rank = (0..BODIES).map(|batch| batch % writers).collect();
    manifest.view = View { term: [1, 0], members: (0..writers).collect() };
    manifest.program = "0.1.0".into();
    Ok(manifest)
}

/// A whole checkpoint, by `writers` ranks.
pub fn write(store: &Store, step: u64, writers: u32) -> Result<(), CheckpointError> {
    store.commit(&write_parts(store, step, writers)?)
}

/// Whether all of it is there, and right.
pub fn check_content(loaded: &Loaded, step: u64) -> Result<(), String> {
    if loaded.rigids() != rigids(step) || loaded.manifest.bodies != BODIES {
        return Err(format!("step {step}: other rigid bodies or another number of bodies"));
    }
    let (mut seen, mut wrong) = (Vec::new(), Vec::new());
    let read = loaded.for_each(0..BODIES, |id, words| {
        seen.push(id);
        if words != state(step, id) {
            wrong.push(id);
        }
    });
    read.map_err(|error| error.to_string())?;
    seen.sort_unstable();
    if !wrong.is_empty() || seen != (0..BODIES).collect::<Vec<_>>() {
        return Err(format!("step {step}: bodies {wrong:?} are wrong; there are {seen:?}"));
    }
    Ok(())
}

/// Steps of the whole ones; the others, with what is told of them.
pub type Census = (Vec<u64>, Vec<(u64, String)>);

/// What is there; the whole ones must verify and be right.
pub fn census(store: &Store) -> Result<Census, String> {
    let (mut whole, mut others) = (Vec::new(), Vec::new());
    for entry in store.list().map_err(|error| error.to_string())? {
        match entry.state.error() {
            Some(error) => others.push((entry.step, error.to_string())),
            None => {
                let loaded = store.load(entry.step).map_err(|error| format!("listed as whole: {error}"))?;
                check_content(&loaded, entry.step)?;
                whole.push(entry.step);
            }
        }
    }
    Ok((whole, others))
}
