//! Everything that drives a card, driving the emulated one.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rankzero_gpu::cache::Cache;
use rankzero_gpu::compile::Unit;
use rankzero_gpu::{ArenaId, Beat, BufferId, Card, Exported, GpuError, Kernel, Lane, Memory, Shape, probe};
use rankzero_gpu_emulator::{Behaviour, EmulatedCuda};

const IMAGE: &[u8] = b"EMULATED";

fn kernel(card: &Arc<Card>, name: &str) -> Kernel {
    card.load(IMAGE.to_vec(), &[name]).unwrap().remove(0)
}

/// A lane with a buffer and an arena for the numbers of 64 threads.
fn lane(card: &Arc<Card>) -> (Lane, BufferId, ArenaId) {
    let mut lane = Lane::new(card).unwrap();
    let (buffer, arena) = (lane.add_buffer(64).unwrap(), lane.add_arena(64).unwrap());
    (lane, buffer, arena)
}

/// Launches a kernel of the emulator's that writes a number for each of 64 threads.
fn launch(lane: &mut Lane, kernel: &Kernel, buffer: BufferId) -> Result<(), GpuError> {
    let shape = Shape { blocks: 1, threads: 64, block_bytes: 256 };
    let address = lane.address(buffer);
    // SAFETY: these kernels take one address, of as many words as there are threads.
    unsafe { lane.launch(kernel, shape, &address) }
}

#[test]
fn the_machine_is_seen_and_unfit_devices_are_refused_in_words() {
    let _cuda = EmulatedCuda::start(Behaviour::default());
    let report = probe();
    assert!(report.is_usable() && report.devices.len() == 2, "{report}");
    assert_eq!(Card::open(0).unwrap().device().compute_capability, (9, 0));
    let old = Card::open(1).unwrap_err();
    assert!(matches!(old, GpuError::TooOld { .. }) && old.to_string().contains("emulated old device"), "{old}");
    let none = Card::open(7).unwrap_err();
    assert!(none.to_string().contains("no CUDA device 7: 2 are visible"), "{none}");
}

#[test]
fn work_is_done_in_order_and_seen_after_waiting() {
    let cuda = EmulatedCuda::start(Behaviour { stall: 3, ..Behaviour::default() });
    let before = cuda.allocations();
    let card = Card::open(0).unwrap();
    let neighbour = kernel(&card, "neighbour");
    let (mut lane, buffer, arena) = lane(&card);
    launch(&mut lane, &neighbour, buffer).unwrap();
    lane.download(buffer, 8..64, arena, 0).unwrap();
    // In its turn, which comes after the download.
    lane.upload(arena, 0..8, buffer, 56).unwrap();
    lane.download(buffer, 56..64, arena, 56).unwrap();
    let expected: Vec<u32> = (9..64).chain([0]).chain(9..17).collect();
    assert_eq!(lane.words(arena).unwrap(), expected);
    drop((lane, neighbour, card));
    assert_eq!(cuda.allocations(), before, "all memory is freed");
}

#[test]
fn recorded_work_is_done_as_often_as_wanted() {
    let cuda = EmulatedCuda::start(Behaviour::default());
    let card = Card::open(0).unwrap();
    let neighbour = kernel(&card, "neighbour");
    let (mut lane, buffer, arena) = lane(&card);
    lane.record(|lane| {
        launch(lane, &neighbour, buffer)?;
        lane.download(buffer, 0..63, arena, 0)
    })
    .unwrap();
    for round in 0..3 {
        lane.words(arena).unwrap().fill(round);
        lane.replay().unwrap();
        let words = lane.words(arena).unwrap();
        assert!(words[0] == 1 && words[62] == 63 && words[63] == round);
    }
    assert_eq!(cuda.launches(), 1, "the kernel was recorded, not launched again");
    lane.grow_buffer(buffer, 65).unwrap();
    assert!(!lane.has_record(), "what was recorded names memory that is gone");
}

#[test]
fn work_that_comes_a_third_time_is_recorded() {
    let cuda = EmulatedCuda::start(Behaviour::default());
    let card = Card::open(0).unwrap();
    let neighbour = kernel(&card, "neighbour");
    let (mut lane, buffer, _) = lane(&card);
    let mut launches = Vec::new();
    for same in [false, true, true, true, false, true] {
        lane.repeat(same, |lane| launch(lane, &neighbour, buffer)).unwrap();
        lane.wait().unwrap();
        launches.push(cuda.launches());
    }
    assert_eq!(launches, [1, 2, 3, 3, 4, 5]);
    assert_eq!(cuda.runs(), 6);
}

#[test]
fn pieces_of_work_side_by_side_are_done_before_what_comes_later() {
    let cuda = EmulatedCuda::start(Behaviour { stall: 2, ..Behaviour::default() });
    let before = cuda.allocations();
    let card = Card::open(0).unwrap();
    let neighbour = kernel(&card, "neighbour");
    let mut lane = Lane::new(&card).unwrap();
    let buffers = [(); 3].map(|()| lane.add_buffer(64).unwrap());
    let arena = lane.add_arena(3 * 64).unwrap();
    let work = |lane: &mut Lane| {
        lane.upload(arena, 0..64, buffers[2], 0)?;
        lane.side_by_side(&buffers, |lane, &buffer| launch(lane, &neighbour, buffer))?;
        (0..3).try_for_each(|i| lane.download(buffers[i], 0..64, arena, 64 * i))
    };
    let expected: Vec<u32> = (0..3).flat_map(|_| (1..64).chain([0])).collect();
    work(&mut lane).unwrap();
    assert_eq!(lane.words(arena).unwrap(), expected);
    // And where it is recorded, once.
    lane.record(work).unwrap();
    for _ in 0..2 {
        lane.words(arena).unwrap().fill(7);
        lane.replay().unwrap();
        assert_eq!(lane.words(arena).unwrap(), expected);
    }
    assert_eq!((cuda.launches(), cuda.runs()), (6, 9));
    // Where a piece fails to begin, those that have begun are waited for all the same.
    let refused = lane.side_by_side(&[buffers[0], buffers[1], buffers[2]], |lane, &buffer| {
        launch(lane, &neighbour, buffer)?;
        if buffer == buffers[1] { Err(Card::open(7).unwrap_err()) } else { Ok(()) }
    });
    assert!(matches!(refused, Err(GpuError::NoDevice { .. })));
    lane.wait().unwrap();
    assert_eq!(cuda.runs(), 11);
    drop((lane, neighbour, card));
    assert_eq!(cuda.allocations(), before, "all memory is freed");
}

#[test]
fn what_was_marked_is_seen_before_what_came_later() {
    let cuda = EmulatedCuda::start(Behaviour::default());
    let card = Card::open(0).unwrap();
    let neighbour = kernel(&card, "neighbour");
    let (mut lane, buffer, arena) = lane(&card);
    lane.wait_for_mark().unwrap();
    launch(&mut lane, &neighbour, buffer).unwrap();
    lane.download(buffer, 0..64, arena, 0).unwrap();
    lane.mark().unwrap();
    launch(&mut lane, &neighbour, buffer).unwrap();
    lane.wait_for_mark().unwrap();
    let words: Vec<u32> = lane.peek(arena, 62..64).iter().map(|word| word.load(Ordering::Relaxed)).collect();
    assert_eq!((words, cuda.runs()), (vec![63, 0], 1));
    lane.wait().unwrap();
    assert_eq!(cuda.runs(), 2);
}

#[test]
fn a_hanging_device_is_given_up_after_the_limit() {
    let cuda = EmulatedCuda::start(Behaviour { stall: u64::MAX, ..Behaviour::default() });
    let card = Card::open(0).unwrap();
    let neighbour = kernel(&card, "neighbour");
    let (mut lane, buffer, _) = lane(&card);
    let beats = Arc::new(AtomicU64::new(0));
    let count = beats.clone();
    lane.set_beat(Beat::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
    }));
    launch(&mut lane, &neighbour, buffer).unwrap();
    lane.give_up_after(Duration::from_millis(20));
    let error = lane.wait().unwrap_err();
    assert!(beats.load(Ordering::Relaxed) > 10, "who waits gives signs of life");
    assert!(matches!(error, GpuError::Deadline { .. }) && error.to_string().contains("it hangs"), "{error}");
    cuda.reset(Behaviour::default());
    lane.wait().unwrap();
}

#[test]
fn what_fails_in_a_kernel_is_told_and_what_it_used_is_not_freed() {
    let cuda = EmulatedCuda::start(Behaviour::default());
    let before = cuda.allocations();
    let card = Card::open(0).unwrap();
    let diverging = kernel(&card, "divergent_barrier");
    let (mut lane, buffer, arena) = lane(&card);
    launch(&mut lane, &diverging, buffer).unwrap();
    let error = lane.wait().unwrap_err().to_string();
    assert!(error.contains("unspecified launch failure"), "{error}");
    assert!(lane.words(arena).is_err() && launch(&mut lane, &diverging, buffer).is_err());
    drop(lane);
    assert_eq!(cuda.allocations(), before + 2);
}

#[test]
fn too_little_memory_and_foreign_images_are_errors() {
    let _cuda = EmulatedCuda::start(Behaviour { memory: 1 << 20, ..Behaviour::default() });
    let card = Card::open(0).unwrap();
    assert_eq!(card.free_bytes().unwrap(), 1 << 20);
    let error = Memory::new(&card, 1 << 20).unwrap_err().to_string();
    assert!(error.contains("reserving device memory") && error.contains("out of memory"), "{error}");
    assert!(card.load(b"no image".to_vec(), &[]).unwrap_err().to_string().contains("loading kernels"));
    assert!(card.load(IMAGE.to_vec(), &["nothing"]).unwrap_err().to_string().contains("looking for a kernel"));
}

#[test]
fn kernels_are_compiled_once_and_unlawful_ones_never_used() {
    let _cuda = EmulatedCuda::start(Behaviour::default());
    let card = Card::open(0).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(Some(folder.path().to_owned()));
    let unit = |text| Unit { name: "a.cu", text, headers: &[] };
    let entries = || std::fs::read_dir(folder.path()).unwrap().count();
    for _ in 0..2 {
        let (kernels, complaint) = card.kernels(&unit("lawful"), &["neighbour"], &cache).unwrap();
        assert!(kernels[0].name() == "neighbour" && complaint.is_none() && entries() == 1);
    }
    let error = card.kernels(&unit("unlawful"), &[], &cache).unwrap_err().to_string();
    assert!(error.contains("does not keep the law in a.cu for sm_90") && error.contains("mul.f32"), "{error}");
    let error = card.kernels(&unit("#error"), &[], &cache).unwrap_err().to_string();
    assert!(error.contains("does not compile a.cu for sm_90") && error.contains("a.cu(1)"), "{error}");
    assert_eq!(entries(), 1);
}

#[test]
fn device_memory_is_exported_with_its_size() {
    let _cuda = EmulatedCuda::start(Behaviour::default());
    let card = Card::open(0).unwrap();
    let exported = Exported::new(&card, 1000).unwrap();
    assert_eq!(exported.memory().words(), (2 << 20) / 4);
    let file: OwnedFd = exported.as_fd().try_clone_to_owned().unwrap();
    assert_eq!(std::fs::File::from(file).metadata().unwrap().len(), 2 << 20);
}
