//! Draws the made-up scene of the tests into a run directory: `cargo run --release -p rankzero-frames --example gallery -- DIR`.
//! For work on the renderer, and to see that ParaView opens what the writers write.

#[path = "../tests/scene/mod.rs"]
mod scene;

use std::path::PathBuf;
use std::time::Instant;

use rankzero_frames::{BodyLook, Collection, FrameDir, FrameError, RenderOptions, Stamp, Volume, render_run};

fn main() -> Result<(), FrameError> {
    let run_dir = PathBuf::from(std::env::args_os().nth(1).unwrap_or_else(|| "runs/gallery".into()));
    let dir = FrameDir::create(&run_dir)?;
    let mut collection = Collection::default();
    dir.write_static(&scene::ground(14.0, 140)?)?;
    for (step, time_s) in [(0, 0.0), (60, 0.5), (120, 1.0)] {
        let stamp = Stamp { step, time_s };
        dir.write_surface(stamp, 0, &scene::bodies(170, 1.2 * time_s)?)?;
        collection.add_frame(stamp, &[0], true);
    }
    dir.write_collection(&collection)?;
    let mut volume = Volume::new();
    let corners = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    volume.append_body(&BodyLook::default(), &corners, &[], &[[0, 1, 2, 3]])?;
    dir.write_volume(Stamp::default(), 0, &volume)?;
    let start = Instant::now();
    let pictures = render_run(&run_dir, &RenderOptions::default())?;
    for picture in pictures {
        println!("{} in {:.1} s", picture.display(), start.elapsed().as_secs_f64());
    }
    Ok(())
}
