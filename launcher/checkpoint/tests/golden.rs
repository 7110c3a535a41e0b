//! A checkpoint that was written once, and that every later rankzero of this version of the format must read; and write.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{check_content, write};
use rankzero_checkpoint::{Loaded, Store};

const STEP: u64 = 16;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/step-000000000016")
}

#[test]
fn an_old_checkpoint_is_read() {
    let loaded = Loaded::open(&golden()).expect("a whole checkpoint");
    loaded.verify().expect("a whole checkpoint");
    check_content(&loaded, STEP).expect("the bodies of this step");
    assert_eq!((loaded.manifest.job.as_str(), loaded.manifest.view.term), ("test", [1, 0]));
}

#[test]
fn the_same_state_makes_the_same_files() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let store = Store::open(folder.path());
    write(&store, STEP, 2).expect("own folder");
    for entry in fs::read_dir(golden()).expect("in the repository").flatten() {
        let [old, new] = [golden(), store.folder(STEP)].map(|dir| fs::read(dir.join(entry.file_name())));
        assert!(old.expect("in the repository") == new.expect("just written"), "{:?}", entry.file_name());
    }
    assert_eq!(fs::read_dir(store.folder(STEP)).expect("own folder").count(), 3);
}
