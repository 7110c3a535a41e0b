//! From a run directory to pictures: what `rankzero render` does.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::image::write_animation;
use super::{Camera, Image, Picture, View, render};
use crate::layout::STATIC;
use crate::{FrameDir, FrameError, Surface};

/// Frames whose bodies together frame the camera of an animation.
const FRAMING_FRAMES: usize = 5;

/// Which frames to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FrameChoice {
    /// The newest.
    #[default]
    Last,
    /// That of a step.
    Step(u64),
    /// All, seen by one camera.
    All,
}

/// What `rankzero render` can be told.
#[derive(Debug, Clone, PartialEq)]
pub struct RenderOptions {
    /// Which frames.
    pub frame: FrameChoice,
    /// Where to. One frame: the PNG; `RUN/frame-<step>.png` by default. All frames: a `.png` is an animated PNG, any
    /// other name a folder of numbered PNGs; `RUN/animation.png` by default.
    pub out: Option<PathBuf>,
    /// Size and smoothness.
    pub picture: Picture,
    /// The camera's wishes.
    pub view: View,
    /// Frames a second of an animation, 1 … 1000.
    pub fps: u16,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self { frame: FrameChoice::Last, out: None, picture: Picture::default(), view: View::default(), fps: 30 }
    }
}

/// Draws frames of the run in `run_dir`; returns the files written, in order of time.
///
/// # Errors
/// [`FrameError::NoFrames`] and [`FrameError::NoSuchFrame`]; the errors of [`Surface::read`] for a damaged frame;
/// [`FrameError::Option`] for an option out of range; [`FrameError::Io`] where the disk refuses.
pub fn render_run(run_dir: &Path, options: &RenderOptions) -> Result<Vec<PathBuf>, FrameError> {
    options.picture.check()?;
    if !(1..=1000).contains(&options.fps) {
        return Err(FrameError::Option { option: "--fps", found: options.fps.to_string(), allowed: "1 to 1000" });
    }
    let frames = Frames::open(run_dir)?;
    let step = match options.frame {
        FrameChoice::All => return render_all(run_dir, &frames, options),
        FrameChoice::Last => frames.last,
        FrameChoice::Step(step) => step,
    };
    let parts = frames.load(step)?;
    let camera = frames.camera(&parts, options);
    let path = options.out.clone().unwrap_or_else(|| run_dir.join(format!("frame-{step:06}.png")));
    make_folder(path.parent())?;
    frames.draw(&parts, &camera, options)?.write_png(&path)?;
    Ok(vec![path])
}

fn render_all(run_dir: &Path, frames: &Frames, options: &RenderOptions) -> Result<Vec<PathBuf>, FrameError> {
    let steps: Vec<u64> = frames.parts.keys().copied().collect();
    let stride = steps.len().div_ceil(FRAMING_FRAMES);
    let mut sample = Vec::new();
    for step in steps.iter().rev().step_by(stride) {
        sample.extend(frames.load(*step)?);
    }
    let camera = frames.camera(&sample, options);
    drop(sample);
    let draw = |step: u64| frames.draw(&frames.load(step)?, &camera, options);
    let out = options.out.clone().unwrap_or_else(|| run_dir.join("animation.png"));
    if out.extension() == Some(OsStr::new("png")) {
        make_folder(out.parent())?;
        let size = [options.picture.width, options.picture.height];
        // A collection holds fewer than 2³² frames: it is smaller than 1 GiB.
        write_animation(&out, size, steps.len() as u32, options.fps, |k| draw(steps[k as usize]))?;
        return Ok(vec![out]);
    }
    make_folder(Some(&out))?;
    let mut written = Vec::new();
    for step in steps {
        let path = out.join(format!("{step:06}.png"));
        draw(step)?.write_png(&path)?;
        written.push(path);
    }
    Ok(written)
}

fn make_folder(folder: Option<&Path>) -> Result<(), FrameError> {
    match folder {
        Some(folder) if !folder.as_os_str().is_empty() => {
            fs::create_dir_all(folder).map_err(FrameError::io("create the folder", folder))
        }
        _ => Ok(()),
    }
}

/// The frames that a collection lists.
#[derive(Debug)]
struct Frames {
    dir: FrameDir,
    /// Names of the moving parts, by step.
    parts: BTreeMap<u64, Vec<String>>,
    last: u64,
    still: Option<Surface>,
}

impl Frames {
    fn open(run_dir: &Path) -> Result<Self, FrameError> {
        if !run_dir.is_dir() {
            let source = std::io::ErrorKind::NotFound.into();
            return Err(FrameError::Io { action: "open the run directory", path: run_dir.to_owned(), source });
        }
        let dir = FrameDir::of(run_dir);
        let collection = dir.read_collection()?;
        let mut parts: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        let mut still = None;
        for data_set in collection.data_sets() {
            if data_set.file == STATIC {
                still = Some(STATIC);
            } else if let Some(step) = FrameDir::step_of(&data_set.file) {
                parts.entry(step).or_default().push(data_set.file.clone());
            }
        }
        let Some(&last) = parts.keys().next_back() else {
            return Err(FrameError::NoFrames { path: dir.collection_path() });
        };
        let still = still.map(|name| Surface::read(&dir.path().join(name))).transpose()?.map(|(_, mesh)| mesh);
        Ok(Self { dir, parts, last, still })
    }

    /// Reads the moving parts of the frame of `step`.
    fn load(&self, step: u64) -> Result<Vec<Surface>, FrameError> {
        let names = self.parts.get(&step).ok_or_else(|| FrameError::NoSuchFrame {
            path: self.dir.collection_path(),
            step,
            available: self.abridged(),
        })?;
        names.iter().map(|name| Ok(Surface::read(&self.dir.path().join(name))?.1)).collect()
    }

    /// The steps there are, in a few words.
    fn abridged(&self) -> String {
        let mut steps = self.parts.keys();
        let (first, second) = (steps.next(), steps.next());
        match (first, second) {
            (Some(first), Some(second)) if self.parts.len() > 2 => {
                format!("{} frames: {first}, {second}, … {}", self.parts.len(), self.last)
            }
            (Some(first), Some(second)) => format!("those of steps {first} and {second}"),
            _ => format!("only that of step {}", self.last),
        }
    }

    fn scene<'a>(&'a self, parts: &'a [Surface]) -> Vec<&'a Surface> {
        self.still.iter().chain(parts).collect()
    }

    fn camera(&self, parts: &[Surface], options: &RenderOptions) -> Camera {
        Camera::framing(&self.scene(parts), &options.view, options.picture.aspect())
    }

    fn draw(&self, parts: &[Surface], camera: &Camera, options: &RenderOptions) -> Result<Image, FrameError> {
        render(&self.scene(parts), camera, &options.picture)
    }
}
