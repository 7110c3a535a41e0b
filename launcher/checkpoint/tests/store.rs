//! What a store promises on a real disk: writing, listing, replacing, keeping, removing, finding.

mod common;

use std::fs;
use std::path::Path;

use common::{BODIES, census, check_content, rigids, state, write, write_parts};
use rankzero_checkpoint::{CheckpointError, LATEST, Loaded, Manifest, Store, resolve};

fn temporary() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let store = Store::open(folder.path().join("run/checkpoints"));
    (folder, store)
}

fn steps(store: &Store) -> Vec<u64> {
    census(store).expect("readable").0
}

fn files(store: &Store, step: u64) -> Vec<String> {
    let names = fs::read_dir(store.folder(step)).expect("own folder").flatten();
    names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn what_is_written_comes_back_on_any_number_of_ranks() {
    let (_folder, store) = temporary();
    store.prepare().expect("own folder");
    assert_eq!(fs::read_dir(store.dir()).expect("own folder").count(), 0, "the trial file is gone");
    write(&store, 1234, 3).expect("own folder");
    let loaded = store.load(1234).expect("just written");
    check_content(&loaded, 1234).expect("all bodies");
    for ranks in 1..=4 {
        let mut seen = Vec::new();
        for rank in 0..ranks {
            let own = (0..BODIES).filter(|id| id % ranks == rank);
            loaded.for_each(own, |id, words| seen.push((id, words.to_vec()))).expect("just written");
        }
        seen.sort();
        assert_eq!(seen, (0..BODIES).map(|id| (id, state(1234, id))).collect::<Vec<_>>());
    }
    assert_eq!(loaded.body(6).expect("just written"), state(1234, 6));
    assert_eq!((loaded.words_of(6), loaded.words_of(7), loaded.rigids()), (Some(33), None, rigids(1234).as_slice()));
    let error = loaded.body(BODIES).expect_err("there is none");
    assert!(matches!(error, CheckpointError::NoSuchBody { id: BODIES, .. }));
    let verified = store.verify(1234).expect("just written");
    assert_eq!((verified.bodies, verified.parts, verified.words), (BODIES, 3, loaded.manifest.words));
    assert_eq!(verified.digest, loaded.manifest.digest);
}

#[test]
fn the_layout_is_as_documented() {
    let (_folder, store) = temporary();
    write(&store, 16, 2).expect("own folder");
    assert!(store.folder(16).ends_with("run/checkpoints/step-000000000016"));
    let text = fs::read_to_string(store.folder(16).join("manifest.json")).expect("just written");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((json["step"].as_u64(), json["version"].as_u64()), (Some(16), Some(1)));
    let part = json["parts"][1]["file"].as_str().expect("a name");
    assert!(part.starts_with("part-00001-") && part.ends_with(".rzc"), "{part}");
    let bytes = fs::read(store.folder(16).join(part)).expect("just written");
    assert!(bytes.starts_with(b"rzckpt\r\n\x01\0\0\0\x01\0\0\0\x10\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0"));
    // Ids 1, 3, 5 with 8, 18 and 28 words behind a head of 40 bytes and three rows of 56.
    assert_eq!(bytes.len(), 40 + 3 * 56 + 4 * (8 + 18 + 28) + 32);
    assert_eq!(bytes[208..212], state(16, 1)[0].to_le_bytes());
}

#[test]
fn a_step_is_replaced_whoever_writes_it_again() {
    let (_folder, store) = temporary();
    write(&store, 16, 3).expect("own folder");
    // Parts of a first attempt, of which nobody ever makes a checkpoint.
    write_parts(&store, 16, 5).expect("own folder");
    for writers in [2, 4, 4, 1] {
        write(&store, 16, writers).expect("own folder");
        assert_eq!(steps(&store), [16]);
        assert_eq!(store.load(16).expect("whole").manifest.parts.len(), writers as usize);
    }
    // A manifest, and parts of 3, 5, 2, 4 and 1 writers, of which rank 3's two hold the same; all but the last are left over.
    assert_eq!(files(&store, 16).len(), 15);
    store.abandon(16).expect("own folder");
    assert_eq!((steps(&store), files(&store, 16).len()), (vec![16], 2));
    write(&store, 16, 3).expect("own folder");
    assert!(store.retain(2).expect("own folder").is_empty());
    assert_eq!(files(&store, 16).len(), 5);
    write(&store, 32, 2).expect("own folder");
    assert!(store.retain(2).expect("own folder").is_empty());
    assert_eq!((steps(&store), files(&store, 16).len()), (vec![16, 32], 4));
}

#[test]
fn a_master_that_wakes_up_late_does_no_harm() {
    let (_folder, store) = temporary();
    let late = write_parts(&store, 16, 3).expect("own folder");
    let other = Store::open(store.dir());
    write(&other, 16, 2).expect("own folder");
    assert!(other.retain(1).expect("own folder").is_empty());
    // Whichever of the two puts its manifest in place last.
    for manifest in [&late, &other.load(16).expect("whole").manifest, &late] {
        store.commit(manifest).expect("its parts are there still");
        assert_eq!(steps(&other), [16]);
    }
}

#[test]
fn a_store_writes_states_without_bodies_and_large_ones() {
    let (_folder, store) = temporary();
    let mut manifest = Manifest::of_parts(0, Vec::new());
    manifest.rigids = rigids(0);
    store.commit(&manifest).expect("no parts at all");
    assert_eq!(store.verify(0).expect("just written").bodies, 0);
    // Larger than every buffer, among small ones; and a rank that owns nothing.
    let states: Vec<Vec<u32>> =
        [5, 2_000_000, 7, 0, 600_000].map(|n: u32| (0..n).map(|i| i.wrapping_mul(0x9e37_79b9)).collect()).into();
    let bodies: Vec<(u32, &[u32])> = (0..).zip(states.iter().map(Vec::as_slice)).collect();
    let parts = [store.write_part(16, 0, &bodies), store.write_part(16, 1, &[])].map(|part| part.expect("own folder"));
    store.commit(&Manifest::of_parts(16, parts.to_vec())).expect("own folder");
    let loaded = store.load(16).expect("just written");
    loaded.for_each(0..5, |id, words| assert_eq!(words, states[id as usize])).expect("just written");
}

#[test]
fn a_manifest_that_does_not_fit_is_not_put_in_place() {
    let (_folder, store) = temporary();
    write(&store, 16, 3).expect("own folder");
    let good = write_parts(&store, 16, 2).expect("own folder");
    let changed = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = good.clone();
        change(&mut manifest);
        store.commit(&manifest).expect_err("it does not fit").to_string()
    };
    let deep = (0..200).fold(serde_json::Value::Null, |inner, _| serde_json::json!([inner]));
    for (told, error) in [
        ("hold 7 bodies, not 8", changed(&|m| m.bodies += 1)),
        ("hold 4 bodies, not 7", changed(&|m| drop(m.parts.pop()))),
        ("twice", changed(&|m| m.parts[1].file = m.parts[0].file.clone())),
        ("no such file", changed(&|m| m.parts[0].file = m.parts[0].file.replace("00000", "00009"))),
        ("where the manifest names", changed(&|m| m.parts[0].blake3 = "00".repeat(32))),
        ("where the manifest names", changed(&|m| m.parts[0].bytes += 1)),
        ("have the digest", changed(&|m| m.digest = Some("0".repeat(64)))),
        ("have the digest", changed(&|m| m.rigids[3] ^= 1)),
        ("64 hexadecimal digits", changed(&|m| m.digest = Some("x".into()))),
        ("not hexadecimal", changed(&|m| m.fingerprint = "no".into())),
        ("recursion", changed(&|m| m.extra = deep.clone())),
    ] {
        assert!(error.contains(told), "{told}: {error}");
    }
    // A body in two parts, none in any.
    let states: Vec<Vec<u32>> = (0..3).map(|id| state(32, id)).collect();
    let part = |writer, ids: [u32; 2]| {
        let bodies = ids.map(|id| (id, states[id as usize].as_slice()));
        store.write_part(32, writer, &bodies).expect("own folder")
    };
    let error =
        store.commit(&Manifest::of_parts(32, vec![part(0, [0, 1]), part(1, [1, 2])])).expect_err("1 is there twice");
    assert!(error.to_string().contains("body 1 is in two"), "{error}");
    let error = store.commit(&Manifest::of_parts(32, vec![part(0, [0, 2])])).expect_err("1 is missing");
    assert!(error.to_string().contains("body 1 is in none"), "{error}");
    let error = store.write_part(32, 0, &[(1, &[]), (1, &[])]).expect_err("1 is there twice");
    assert!(matches!(error, CheckpointError::Refused { .. }) && error.to_string().contains("body 1 twice"), "{error}");
    assert_eq!(steps(&store), [16], "what was there before is whole");
    store.commit(&good).expect("and the right one still fits");
}

#[test]
fn old_ones_go_and_the_sure_one_stays() {
    let (_folder, store) = temporary();
    for step in [16, 32, 48, 64] {
        write(&store, step, 2).expect("own folder");
    }
    write_parts(&store, 40, 2).expect("own folder");
    write_parts(&store, 80, 2).expect("own folder");
    assert_eq!(store.retain(3).expect("own folder"), [16, 40], "what may be in the making stays");
    assert!(store.retain(3).expect("own folder").is_empty());
    // Its bits have changed unnoticed, so that it is listed as whole; the run has gone on from an older one.
    flip(&store, 64);
    write(&store, 56, 2).expect("own folder");
    assert_eq!(store.retain(1).expect("own folder"), [32, 48]);
    assert_eq!(store.newest().expect("own folder").map(|entry| entry.step), Some(56));
    // Another program knows nothing of that, and looks.
    let other = Store::open(store.dir());
    assert!(other.retain(0).expect("own folder").is_empty());
    flip(&store, 56);
    write_parts(&store, 8, 1).expect("own folder");
    assert!(other.retain(1).expect("own folder").is_empty(), "where none is sure, none goes");
}

/// Changes a bit of a body.
fn flip(store: &Store, step: u64) {
    let name = files(store, step).into_iter().find(|name| name.starts_with("part-00001")).expect("a part");
    let path = store.folder(step).join(name);
    let mut bytes = fs::read(&path).expect("own file");
    let at = bytes.len() - 40;
    bytes[at] ^= 4;
    fs::write(&path, bytes).expect("own file");
}

#[test]
fn the_newest_is_the_newest_that_verifies() {
    let (folder, store) = temporary();
    assert!(store.newest().expect("no directory is no checkpoint").is_none());
    for step in [16, 32, 48] {
        write(&store, step, 2).expect("own folder");
    }
    write_parts(&store, 64, 2).expect("own folder");
    flip(&store, 48);
    let mut passed = Vec::new();
    let newest = store.newest_telling(|step, error| passed.push((step, error.to_string()))).expect("own folder");
    assert_eq!(newest.map(|entry| entry.step), Some(32));
    assert!(passed[0].0 == 64 && passed[0].1.contains("unfinished"), "{passed:?}");
    assert!(passed[1].0 == 48 && passed[1].1.contains("words of body 5"), "{passed:?}");
    let run = folder.path().join("run");
    let find = |spec: &Path| resolve(spec, &run, |_, _| {}).map(|entry| entry.step);
    for spec in [Path::new(LATEST), &run, store.dir()] {
        assert_eq!(find(spec).expect("32 is whole"), 32, "{spec:?}");
    }
    assert_eq!(find(&store.folder(16)).expect("whole"), 16);
    let copy = folder.path().join("kept");
    fs::rename(store.folder(16), &copy).expect("own folder");
    assert_eq!(find(&copy).expect("a folder of any name"), 16);
    check_content(&Loaded::open(&copy).expect("whole"), 16).expect("all bodies");
    assert!(find(&store.folder(64)).expect_err("unfinished").to_string().contains("unfinished"));
    assert!(find(&run.join("nothing")).expect_err("nothing").is_not_found());
    store.remove(32).expect("own folder");
    let error = find(&run).expect_err("48 is damaged, 64 unfinished").to_string();
    assert!(error.contains("(2 are damaged or unfinished)") && error.contains("run/checkpoints"), "{error}");
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let (_folder, store) = temporary();
    write(&store, 16, 1).expect("own folder");
    write(&store, 32, 1).expect("own folder");
    fs::write(store.folder(16).join("notes.txt"), "why we keep it").expect("own folder");
    fs::create_dir_all(store.dir().join("step-16/part")).expect("own folder");
    fs::write(store.dir().join("README"), "").expect("own folder");
    assert_eq!(steps(&store), [16, 32]);
    store.remove(16).expect("own folder");
    assert_eq!(steps(&store), [32]);
    assert!(census(&store).expect("readable").1.is_empty(), "a folder with nothing of ours is no checkpoint");
    assert_eq!(files(&store, 16), ["notes.txt"]);
    write(&store, 16, 2).expect("own folder");
    write_parts(&store, 48, 1).expect("own folder");
    for _ in 0..2 {
        store.abandon(48).expect("own folder, or nothing");
        store.abandon(16).expect("own folder");
    }
    assert_eq!((steps(&store), files(&store, 16).len()), (vec![16, 32], 4));
    let error = store.remove(48).expect_err("there is none").to_string();
    assert!(error.contains("no checkpoint of step 48") && error.contains("16, 32"), "{error}");
    assert!(matches!(store.load(5), Err(CheckpointError::NoSuchStep { step: 5, .. })));
    // A folder under another step's name.
    fs::rename(store.folder(32), store.folder(96)).expect("own folder");
    let error = store.load(96).expect_err("it is of step 32").to_string();
    assert!(error.contains("it is of step 32"), "{error}");
}

#[test]
fn a_file_in_the_place_of_a_directory_is_told() {
    let (folder, _) = temporary();
    fs::write(folder.path().join("file"), "").expect("own folder");
    for below in ["file", "file/checkpoints"] {
        let store = Store::open(folder.path().join(below));
        for error in [store.prepare().expect_err("a file"), write(&store, 16, 1).expect_err("a file")] {
            assert!(error.to_string().contains("a file stands where a directory is expected"), "{error}");
        }
    }
}

#[test]
fn many_ranks_write_at_once() {
    let (_folder, store) = temporary();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let store = &store;
            scope.spawn(move || {
                for step in (16..=160).step_by(16) {
                    store.write_part(step, writer, &[(writer, &state(step, writer))]).expect("own folder");
                }
            });
        }
    });
    let mut written = 0;
    for entry in store.list().expect("own folder") {
        assert_eq!(entry.state.name(), "unfinished");
        written += files(&store, entry.step).len();
    }
    assert_eq!(written, 80);
}
