//! Commands other than `check`.

use std::path::{Path, PathBuf};

use clap::CommandFactory;
use rankzero_frames::{FrameChoice, FrameError, Picture, RenderOptions, View, render_run};

use super::args::{Cli, DrainArgs, JoinArgs, RenderArgs, RunArgs};
use crate::engine::EngineError;
use crate::launch::report_outcome;
use crate::run::{Device, Ending, Options, RunError, leave_after_failure, run as run_rank};

/// `rankzero run`.
pub fn run(args: &RunArgs) -> u8 {
    let options = Options {
        job: args.job.job.clone(),
        set: args.overrides(),
        run_dir: args.run_dir.clone(),
        restore: args.restore.clone(),
        threads: args.threads,
        json: args.json,
        isa: args.isa,
        device: args.device,
        quiet: args.quiet,
    };
    match run_rank(&options) {
        Ok(ending) => ending.exit_code(),
        Err(error) => fail(&error),
    }
}

/// `rankzero join`.
pub fn join(args: &JoinArgs) -> u8 {
    let options = Options {
        job: args.run_dir.join("job.yaml"),
        set: Vec::new(),
        run_dir: Some(args.run_dir.clone()),
        restore: None,
        threads: args.threads,
        json: false,
        isa: args.isa,
        // Places of ranks on the node, and so their cards, are known of founders only.
        device: Device::Cpu,
        quiet: args.quiet,
    };
    match crate::run::join(&args.run_dir, &options) {
        Ok(ending) => {
            // Those that the launch has started may all be gone.
            if ending != Ending::Left
                && let Err(error) = report_outcome(i32::from(ending.exit_code()))
            {
                eprintln!("warning: cannot tell the launch how the run ended: {error}");
            }
            ending.exit_code()
        }
        Err(error) => refuse(&error, u8::try_from(error.exit_code()).unwrap_or(1)),
    }
}

/// `rankzero drain`.
pub fn drain(args: &DrainArgs) -> u8 {
    match crate::run::drain(&args.run_dir, args.rank) {
        Ok(()) => {
            println!("rank {} is asked to leave; it does once the others have what it has", args.rank);
            0
        }
        Err(error) => refuse(&error, u8::try_from(error.exit_code()).unwrap_or(1)),
    }
}

/// Ends a rank that has failed: tells why, tells the launch, and leaves.
pub(super) fn fail(error: &RunError) -> ! {
    let text = error.to_string();
    let prefix = if text.starts_with("error:") { "" } else { "error: " };
    eprintln!("{prefix}{text}");
    let code = error.exit_code();
    // Where rank 0 refused, its own code counts; where the others go on, theirs does.
    let others_tell = matches!(
        error,
        RunError::MasterRefused
            | RunError::Excluded { .. }
            | RunError::Superseded { .. }
            | RunError::Banned { .. }
            | RunError::Engine(EngineError::CardHangs { .. })
    );
    if !others_tell && let Err(error) = report_outcome(code) {
        eprintln!("warning: cannot tell the launch how the run ended: {error}");
    }
    leave_after_failure(code);
}

/// `rankzero render`.
pub fn render(args: &RenderArgs) -> u8 {
    match render_options(args).map(|options| render_run(&args.run, &options)) {
        Ok(Ok(files)) => {
            files.iter().for_each(|file| println!("{}", file.display()));
            0
        }
        Ok(Err(error @ FrameError::Option { .. })) => refuse(&error, 2),
        Ok(Err(error)) => refuse(&error, 1),
        Err(message) => refuse(&message, 2),
    }
}

fn render_options(args: &RenderArgs) -> Result<RenderOptions, String> {
    let frame = match args.frame.as_str() {
        _ if args.all => FrameChoice::All,
        "last" => FrameChoice::Last,
        step => FrameChoice::Step(step.parse().map_err(|_| format!("--frame `{step}`: a step number, or `last`"))?),
    };
    let size = || {
        let (w, h) = args.size.split_once('x')?;
        Some((w.parse().ok()?, h.parse().ok()?))
    };
    let (width, height) = size().ok_or_else(|| format!("--size `{}`: WIDTHxHEIGHT, such as 1600x900", args.size))?;
    let point = |name: &str, text: &Option<String>| text.as_ref().map(|t| vector(name, t)).transpose();
    let view = View {
        eye: point("eye", &args.eye)?,
        target: point("target", &args.target)?,
        up: point("up", &args.up)?.or_else(|| up_of(&args.run)),
        fov_deg: args.fov,
    };
    let picture = Picture { width, height, samples: args.samples };
    Ok(RenderOptions { frame, out: args.out.clone(), picture, view, fps: args.fps })
}

fn vector(name: &str, text: &str) -> Result<[f32; 3], String> {
    let numbers: Option<Vec<f32>> = text.split(',').map(|n| n.trim().parse().ok()).collect();
    numbers.and_then(|n| n.try_into().ok()).ok_or_else(|| format!("--{name} `{text}`: three numbers, such as 3,2,-5"))
}

/// Against the gravity of the run's job, where that can be read.
fn up_of(run: &Path) -> Option<[f32; 3]> {
    let job: PathBuf = run.join("job.yaml");
    let gravity = rankzero_job::load(&job, &rankzero_job::Overrides::none()).ok()?.job.gravity_m_s2;
    (gravity != [0.0; 3]).then(|| gravity.map(|g| -g))
}

/// `rankzero man`.
pub fn man() -> u8 {
    match clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout()) {
        Ok(()) => 0,
        Err(error) => refuse(&error, 1),
    }
}

pub(super) fn refuse(error: &dyn std::fmt::Display, code: u8) -> u8 {
    eprintln!("error: {error}");
    code
}
