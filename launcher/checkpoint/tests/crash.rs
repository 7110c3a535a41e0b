//! Whatever happens at whatever moment, a checkpoint is there as it was, as it is to be, or known not to be whole; and no other
//! one suffers. Every operation on the disk is broken in turn: the process dies there, with or without the power, or the disk
//! is full.

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use common::sim::{Fault, Lie, Sim};
use common::{census, write, write_parts};
use rankzero_checkpoint::{CheckpointError, Store};

/// States of the disk that are tried after each loss of power.
const LOSSES: u64 = 10;

fn store(disk: &Sim) -> Store {
    Store::on(Arc::new(disk.clone()), Path::new("/run/checkpoints"))
}

/// A piece of a run, and what it may and must leave.
struct Scene {
    name: &'static str,
    /// What was there before, durably.
    before: fn(&Store) -> Result<(), CheckpointError>,
    /// What is broken; whether all of it was done.
    act: fn(&Store) -> Result<bool, CheckpointError>,
    /// Steps that are whole whatever happens.
    always: &'static [u64],
    /// Steps that are whole once the act has ended well.
    then: &'static [u64],
    /// Steps that may be whole in between.
    maybe: &'static [u64],
}

const SCENES: &[Scene] = &[
    Scene {
        name: "the first checkpoint of a run",
        before: |_| Ok(()),
        act: |store| store.prepare().and_then(|()| write(store, 16, 3)).map(all),
        always: &[],
        then: &[16],
        maybe: &[16],
    },
    Scene {
        name: "the next checkpoint",
        before: |store| write(store, 16, 3),
        act: |store| write(store, 32, 2).map(all),
        always: &[16],
        then: &[16, 32],
        maybe: &[16, 32],
    },
    Scene {
        name: "the same step again, cut otherwise",
        before: |store| write(store, 16, 3).and_then(|()| write(store, 32, 2)),
        act: |store| write(store, 32, 4).map(all),
        always: &[16, 32],
        then: &[16, 32],
        maybe: &[16, 32],
    },
    Scene {
        name: "the same step again, cut alike",
        before: |store| write(store, 16, 3).and_then(|()| write(store, 32, 2)),
        act: |store| write(store, 32, 2).map(all),
        always: &[16, 32],
        then: &[16, 32],
        maybe: &[16, 32],
    },
    Scene {
        name: "the same step again, after a first try was left",
        before: |store| write(store, 16, 3).and_then(|()| write_parts(store, 32, 2)).map(drop),
        act: |store| write(store, 32, 3).map(all),
        always: &[16],
        then: &[16, 32],
        maybe: &[16, 32],
    },
    Scene {
        name: "a checkpoint, and old ones go",
        before: |store| {
            write(store, 16, 3)?;
            write_parts(store, 24, 2)?;
            write(store, 32, 2)?;
            write(store, 48, 1)
        },
        act: |store| {
            write(store, 64, 3)?;
            // What cannot be read counts as damaged, and stays.
            Ok(store.retain(2)? == [16, 24, 32])
        },
        always: &[48],
        then: &[48, 64],
        maybe: &[16, 32, 48, 64],
    },
    Scene {
        name: "one is removed, one is written again and abandoned",
        before: |store| write(store, 16, 3).and_then(|()| write(store, 32, 2)),
        act: |store| {
            write_parts(store, 32, 3)?;
            store.abandon(32)?;
            store.remove(16).map(all)
        },
        always: &[32],
        then: &[32],
        maybe: &[16, 32],
    },
];

fn all((): ()) -> bool {
    true
}

impl Scene {
    fn start(&self) -> Sim {
        let disk = Sim::new();
        (self.before)(&store(&disk)).expect("nothing is broken yet");
        disk.settle();
        disk
    }

    fn operations(&self) -> u64 {
        let disk = self.start();
        let before = disk.operations();
        assert!((self.act)(&store(&disk)).expect("nothing is broken"));
        assert_eq!(census(&store(&disk)).expect("a readable disk"), (self.then.to_vec(), Vec::new()), "{}", self.name);
        disk.operations() - before
    }

    /// Whether what is left on a disk is as it must be; `done` says whether the act has ended well.
    fn check(&self, disk: &Sim, done: bool) -> Result<(), String> {
        let store = store(disk);
        let (whole, _) = census(&store)?;
        let whole: BTreeSet<u64> = whole.into_iter().collect();
        let must = if done { self.then } else { self.always };
        if let Some(lost) = must.iter().find(|step| !whole.contains(step)) {
            return Err(format!("step {lost} is lost; whole are {whole:?}"));
        }
        let may = if done { self.then } else { self.maybe };
        if let Some(odd) = whole.iter().find(|step| !may.contains(step)) {
            return Err(format!("step {odd} is whole"));
        }
        let newest = store.newest().map_err(|error| error.to_string())?.map(|entry| entry.step);
        if newest != whole.last().copied() {
            return Err(format!("the newest is {newest:?} of {whole:?}"));
        }
        Ok(())
    }

    /// Whether the run can go on from there, over the same steps, and tidy up.
    fn go_on(&self, disk: &Sim) -> Result<(), String> {
        let store = store(disk);
        let told = |error: CheckpointError| error.to_string();
        write(&store, 32, 5).map_err(told)?;
        write(&store, 64, 2).map_err(told)?;
        for entry in store.list().map_err(told)? {
            store.abandon(entry.step).map_err(told)?;
        }
        store.retain(2).map_err(told)?;
        match census(&store)? {
            (whole, others) if others.is_empty() && whole.ends_with(&[64]) && whole.len() == 2 => Ok(()),
            other => Err(format!("afterwards there is {other:?}")),
        }
    }
}

/// Lets the process die at each operation; returns what was wrong afterwards.
fn deaths(scene: &Scene, lie: Lie) -> Vec<String> {
    let mut wrong = Vec::new();
    for at in 0..=scene.operations() {
        let disk = scene.start();
        disk.lie(lie);
        disk.fail(at, Fault::Crash);
        let done = matches!((scene.act)(&store(&disk)), Ok(true));
        let killed = [("killed".to_owned(), disk.after_kill())];
        let powerless = (0..LOSSES).map(|seed| (format!("power loss {seed}"), disk.after_power_loss(seed)));
        for (what, left) in killed.into_iter().chain(powerless) {
            if let Err(error) = scene.check(&left, done).and_then(|()| scene.go_on(&left)) {
                wrong.push(format!("{}, operation {at}, {what}: {error}", scene.name));
            }
        }
    }
    wrong
}

#[test]
fn a_death_at_any_moment_leaves_the_old_or_the_new_one() {
    for scene in SCENES {
        let wrong = deaths(scene, Lie::None);
        assert!(wrong.is_empty(), "{} failures, the first: {}", wrong.len(), wrong[0]);
    }
}

#[test]
fn the_simulated_loss_of_power_is_hard_enough_to_notice_a_missing_sync() {
    for lie in [Lie::SyncOfFiles, Lie::SyncOfFolders] {
        let wrong: Vec<String> = SCENES.iter().flat_map(|scene| deaths(scene, lie)).collect();
        let lost = wrong.iter().filter(|text| text.contains("is lost")).count();
        assert!(lost > 0, "a disk that only pretends ({lie:?}) loses checkpoints: {} failures", wrong.len());
    }
}

#[test]
fn a_disk_that_is_full_or_fails_at_any_moment_costs_that_checkpoint_alone() {
    for (scene, fault) in SCENES.iter().flat_map(|scene| Fault::ERRORS.map(|fault| (scene, fault))) {
        for at in 0..scene.operations() {
            let disk = scene.start();
            disk.fail(at, fault);
            let result = (scene.act)(&store(&disk));
            if let Err(error) = &result {
                let text = error.to_string();
                assert!(text.starts_with('/') && text.contains(": cannot "), "{text}");
                assert!(fault == Fault::Io || (error.is_full_disk() && text.contains("free some space")), "{text}");
            }
            disk.heal();
            // A loss of power may follow at once.
            let fine = (0..LOSSES).try_for_each(|seed| scene.check(&disk.after_power_loss(seed), false));
            let fine = fine.and_then(|()| scene.check(&disk, matches!(result, Ok(true))));
            let fine = fine.and_then(|()| scene.go_on(&disk));
            assert!(fine.is_ok(), "{}, operation {at}, {fault:?}: {fine:?}", scene.name);
        }
    }
}

#[test]
fn a_write_that_fails_leaves_nothing_behind() {
    let scene = &SCENES[1];
    for at in 0..scene.operations() {
        let disk = scene.start();
        disk.fail(at, Fault::Full);
        if write(&store(&disk), 32, 2).is_ok() {
            continue;
        }
        disk.heal();
        store(&disk).abandon(32).expect("the disk works again");
        let (whole, others) = census(&store(&disk)).expect("a readable disk");
        // An error after the manifest was put in place may leave a whole one: then it is the new one.
        assert!(whole == [16] || whole == [16, 32], "operation {at}: {whole:?}");
        assert!(others.is_empty(), "operation {at}: {others:?}");
    }
}
