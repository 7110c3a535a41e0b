//! Coming together: threads, the job on all ranks, the same scene everywhere, the run directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rankzero_comm::{Bootstrap, Fabric, MAX_BOOTSTRAP_BYTES, Rank};
use rankzero_job::{Fabric as FabricChoice, Job, Loaded, Overrides};
use rankzero_physx::cook::Cache;
use rankzero_physx::rigid::{Item, RigidError, pin_float_environment};
use rankzero_slurm::launch::{Allocation, Launch, environment};
use rankzero_soft::simd::Isa;
use serde::{Deserialize, Serialize};

use super::device::Device;
use super::door::Notice;
use super::error::RunError;
use super::fence::{Claim, Claimant};
use super::progress::say;
use super::restore::Restore;
use super::witness::SlurmPlace;
use crate::binding::{Binding, plan};
use crate::engine::rigids::Rigids;
use crate::scene::{Assets, Scene, SceneError, build};

/// How long the start may take on all ranks together; cooking a large mesh takes minutes.
pub const START_TIMEOUT: Duration = Duration::from_secs(600);

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The job file.
    pub job: PathBuf,
    /// `path=value` overrides.
    pub set: Vec<String>,
    /// The run directory; `runs/<name>-<time>` where absent.
    pub run_dir: Option<PathBuf>,
    /// Worker threads; by the job and the machine where absent.
    pub threads: Option<usize>,
    /// Instructions to compute with; the widest that the CPU has where absent.
    pub isa: Option<Isa>,
    /// What to compute on.
    pub device: Device,
    /// The checkpoint to begin at: its folder, a directory of checkpoints, a run directory, or `latest`.
    pub restore: Option<PathBuf>,
    /// Print the summary as JSON.
    pub json: bool,
    /// Print nothing but errors.
    pub quiet: bool,
}

/// A rank as the journal introduces it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RankInfo {
    /// The rank.
    pub rank: u32,
    /// Its process.
    pub pid: u32,
    /// Its host.
    pub host: String,
    /// Its worker threads.
    pub threads: usize,
    /// Tetrahedra times substeps that it does in a second, where the job's strategy asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tet_substeps_per_s: Option<f64>,
    /// Where they run.
    pub binding: String,
    /// Hash of the scene that it has built, hexadecimal.
    pub scene: String,
    /// Whether it sees the run directory.
    pub sees_run_dir: bool,
    /// Where it is in Slurm, if srun has started it.
    #[serde(default)]
    pub slurm: Option<SlurmPlace>,
}

/// What a run starts with.
pub struct Start {
    /// The job as resolved.
    pub job: Job,
    /// What is simulated.
    pub scene: Arc<Scene>,
    /// Where the run's files go.
    pub run_dir: PathBuf,
    /// This rank's threads.
    pub binding: Arc<Binding>,
    /// All ranks that are known: those of the start, then newcomers.
    pub ranks: Vec<RankInfo>,
    /// Ranks at the start of the run.
    pub founders: u32,
    /// What was mended in meshes; rank 0 only.
    pub notes: Vec<String>,
    /// When the run started, by the clock of rank 0, seconds since 1970.
    pub began_unix_s: f64,
    /// The checkpoint that it begins at.
    pub restore: Option<Restore>,
    /// A hash of all that the states depend on but not of how many there are: what a checkpoint must have been written with.
    pub course: String,
    /// The run's claim of its directory.
    pub claim: Claim,
    /// The cooked meshes, for those who come later; rank 0 only.
    pub assets: Vec<u8>,
}

impl Start {
    /// By rank, a number that it shares with the ranks of its host alone; for up to `capacity` ranks.
    pub fn nodes(&self, capacity: u32) -> Vec<u32> {
        let first = |host: &str| self.ranks.iter().position(|rank| rank.host == host).unwrap_or(0) as u32;
        let of = |rank: Rank| self.info(rank).map_or(u32::MAX, |info| first(&info.host));
        Rank::all(capacity).map(of).collect()
    }

    /// What is known of a rank.
    pub fn info(&self, rank: Rank) -> Option<&RankInfo> {
        self.ranks.iter().find(|info| info.rank == rank.0)
    }

    /// The host of a rank.
    pub fn host_of(&self, rank: Rank) -> String {
        self.info(rank).map_or_else(host, |rank| rank.host.clone())
    }

    /// The node of a rank: Slurm's name of it, else that of its host.
    pub fn node_of(&self, rank: Rank) -> String {
        let place = self.info(rank).and_then(|info| info.slurm.as_ref());
        place.map_or_else(|| self.host_of(rank), |place| place.node.clone())
    }

    /// The worker threads of a rank.
    pub fn threads_of(&self, rank: Rank) -> usize {
        self.info(rank).map_or(1, |rank| rank.threads)
    }

    /// The start of a rank that comes later, to a run in `run_dir` that has put up this notice.
    ///
    /// # Errors
    /// [`RunError`]: meshes that are none, a scene that cannot be built, threads.
    pub fn later(options: &Options, run_dir: PathBuf, notice: &Notice, assets: &[u8]) -> Result<Start, RunError> {
        let torn = || RunError::NoDoor { dir: run_dir.clone(), why: "its meshes are torn".to_owned() };
        let assets = Assets::from_bytes(assets).ok_or_else(torn)?;
        let asked = options.threads.or(notice.founders.first().map(|founder| founder.info.threads));
        let binding = Arc::new(plan(0, 1, asked)?);
        threads(&binding)?;
        let job = notice.job.clone();
        let scene =
            build(&job, &assets).map_err(|source| RunError::Scene { file: run_dir.join("job.yaml"), source })?;
        let course = course(&job, &scene);
        let built = fingerprint(&job, &scene);
        if notice.founders.first().is_some_and(|founder| founder.info.scene != built) {
            return Err(RunError::Disagreement { rank: Rank(0), host: host() });
        }
        Ok(Start {
            job,
            scene: Arc::new(scene),
            run_dir,
            binding,
            ranks: notice.founders.iter().map(|founder| founder.info.clone()).collect(),
            founders: notice.founders.len() as u32,
            notes: Vec::new(),
            began_unix_s: notice.began_unix_s,
            restore: None,
            course,
            claim: notice.claim,
            assets: Vec::new(),
        })
    }

    /// This process, as rank `rank`.
    pub fn introduce(&self, rank: Rank) -> RankInfo {
        RankInfo {
            rank: rank.0,
            pid: std::process::id(),
            host: host(),
            threads: self.binding.threads,
            tet_substeps_per_s: None,
            binding: self.binding.description.clone(),
            scene: fingerprint(&self.job, &self.scene),
            sees_run_dir: true,
            slurm: SlurmPlace::of(Allocation::detect(&environment()).ok().flatten().as_ref()),
        }
    }
}

/// What rank 0 tells the others: empty where it refused.
#[derive(Serialize, Deserialize)]
struct Hello {
    job: Job,
    run_dir: PathBuf,
    chunks: usize,
    began_unix_s: f64,
    restore: Option<Restore>,
    claim: Claim,
}

/// Makes the global thread pool: the calling thread is worker 0, every worker is bound and computes with IEEE rules.
///
/// # Errors
/// [`RunError::Threads`] where the system refuses threads.
fn threads(binding: &Arc<Binding>) -> Result<(), RunError> {
    let shared = binding.clone();
    let begin = move |worker: usize| {
        pin_float_environment();
        if let Err(error) = shared.bind_worker(worker) {
            tracing::warn!("{error}");
        }
    };
    begin(0);
    rayon::ThreadPoolBuilder::new()
        .num_threads(binding.threads)
        .use_current_thread()
        .thread_name(|i| format!("solver-{i}"))
        .start_handler(begin)
        .build_global()
        .map_err(|e| RunError::Threads(e.to_string()))
}

/// Reads the job on rank 0, gives it to all, builds the scene and checks that all ranks have the same.
///
/// # Errors
/// [`RunError`]; on rank 0 the reason, elsewhere [`RunError::MasterRefused`].
pub fn together<F: Fabric + Bootstrap>(options: &Options, launch: &Launch, fabric: &mut F) -> Result<Start, RunError> {
    let deadline = Instant::now() + START_TIMEOUT;
    let master = Rank(0);
    let mut hello = Vec::new();
    let mut assets = Vec::new();
    let mut refused = None;
    if fabric.rank() == master {
        match prepare(options, launch, fabric.size()) {
            Ok((prepared, bytes)) => {
                assets = bytes;
                hello = serde_json::to_vec(&Hello { chunks: chunks(&assets), ..prepared }).unwrap_or_default();
            }
            Err(error) => refused = Some(error),
        }
    }
    fabric.broadcast(master, &mut hello, deadline)?;
    if let Some(error) = refused {
        return Err(error);
    }
    let Ok(hello) = serde_json::from_slice::<Hello>(&hello) else { return Err(RunError::MasterRefused) };
    let assets = share(assets, hello.chunks, fabric, deadline)?;
    let job = hello.job;
    let bytes = assets;
    let assets = Assets::from_bytes(&bytes).ok_or(RunError::MasterRefused)?;
    let asked = options.threads.or(job.threads_per_rank.fixed().map(|n| n as usize));
    let binding = Arc::new(plan(launch.local_rank, launch.local_size, asked)?);
    threads(&binding)?;
    let scene = build(&job, &assets).map_err(|source| RunError::Scene { file: options.job.clone(), source })?;
    let mine = RankInfo {
        rank: fabric.rank().0,
        pid: std::process::id(),
        host: host(),
        threads: binding.threads,
        tet_substeps_per_s: None,
        binding: binding.description.clone(),
        scene: fingerprint(&job, &scene),
        sees_run_dir: hello.run_dir.is_dir(),
        slurm: SlurmPlace::of(launch.allocation.as_ref()),
    };
    let all = fabric.all_gather(&serde_json::to_vec(&mine).unwrap_or_default(), deadline)?;
    let ranks: Vec<RankInfo> = all.iter().filter_map(|bytes| serde_json::from_slice(bytes).ok()).collect();
    check(&ranks, &hello.run_dir)?;
    let notes = assets.notes().collect();
    let began_unix_s = hello.began_unix_s;
    let (restore, claim, course) = (hello.restore, hello.claim, course(&job, &scene));
    let (scene, run_dir) = (Arc::new(scene), hello.run_dir);
    let assets = if fabric.rank() == master { bytes } else { Vec::new() };
    let founders = ranks.len() as u32;
    Ok(Start { job, scene, run_dir, binding, ranks, founders, notes, began_unix_s, restore, course, claim, assets })
}

/// Reads the job and its meshes and makes the run directory, for a run of `ranks` ranks.
fn prepare(options: &Options, launch: &Launch, ranks: u32) -> Result<(Hello, Vec<u8>), RunError> {
    let loaded = rankzero_job::load(&options.job, &Overrides::from_process(options.set.clone()))?;
    fits(&loaded, ranks)?;
    let (job, assets, scene) = resolve(&loaded)?;
    let run_dir = options.run_dir.clone().unwrap_or_else(|| run_dir_of(&job));
    std::fs::create_dir_all(run_dir.join("logs"))
        .map_err(|source| RunError::RunDir { dir: run_dir.clone(), source })?;
    let run_dir = run_dir.canonicalize().map_err(RunError::io("find", &run_dir))?;
    // Before anything is read or written there: it may be another run's.
    let (claim, former) = Claim::take(&run_dir, &Claimant::this(launch))?;
    if let Some(former) = former {
        say(format_args!("{} was the run directory of {former}, which has not said that it ended", run_dir.display()));
    }
    let restore = Restore::wanted(options.restore.as_deref(), &run_dir, &course(&job, &scene))?;
    if !restore.as_ref().is_some_and(|restore| restore.same_run) {
        forget_last_run(&run_dir)?;
    }
    let path = run_dir.join("job.yaml");
    std::fs::write(&path, job.resolved_yaml()).map_err(RunError::io("write", &path))?;
    let began_unix_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    Ok((Hello { job, run_dir, chunks: 0, began_unix_s, restore, claim }, assets.to_bytes()))
}

/// Where the files of a run go that is told nothing else.
fn run_dir_of(job: &Job) -> PathBuf {
    let named = || PathBuf::from("runs").join(format!("{}-{}", job.name, timestamp()));
    job.output.directory.clone().unwrap_or_else(named)
}

/// The run directory of a job, for who has to know it before the ranks do.
///
/// # Errors
/// [`RunError::Job`].
pub fn new_run_dir(job: &Path, set: &[String]) -> Result<PathBuf, RunError> {
    Ok(run_dir_of(&rankzero_job::load(job, &Overrides::from_process(set.to_vec()))?.job))
}

/// Removes what would tell of another run in the same directory if this one fails.
fn forget_last_run(run_dir: &Path) -> Result<(), RunError> {
    for name in ["summary.json", "frames/frames.pvd", "logs/faults.log"] {
        let path = run_dir.join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(RunError::io("remove", path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether `ranks` ranks can do what the job asks of them.
fn fits(loaded: &Loaded, ranks: u32) -> Result<(), RunError> {
    let job = &loaded.job;
    if let Some((i, wrong)) = job.balance.moves.iter().enumerate().find(|(_, m)| m.to_rank >= ranks) {
        let message = format!("this run has {ranks} ranks, from 0; this is {}", wrong.to_rank);
        let source = SceneError::new(format!("balance.moves[{i}].to_rank"), message);
        return Err(RunError::Scene { file: loaded.file.clone(), source });
    }
    let local = job.network.fabric == FabricChoice::Local;
    if ranks > 1 && local {
        let (asked, why) = ("local".to_owned(), "that is for a single rank: use `auto`".to_owned());
        return Err(RunError::Fabric { asked, why });
    }
    Ok(())
}

/// The job with its files' paths made absolute, its meshes, and the scene they make.
///
/// # Errors
/// [`RunError::Scene`] naming the field.
pub fn resolve(loaded: &Loaded) -> Result<(Job, Assets, Scene), RunError> {
    let directory = loaded.directory();
    let directory = directory.canonicalize().map_err(RunError::io("find", directory))?;
    let job = loaded.job.with_files_from(&directory);
    let failed = |source| RunError::Scene { file: loaded.file.clone(), source };
    let cache = Cache::default_dir().map_or_else(Cache::disabled, Cache::new);
    let assets = Assets::load(&job, &cache).map_err(failed)?;
    let scene = build(&job, &assets).map_err(failed)?;
    if let Err(error) = Rigids::new(&scene) {
        return Err(failed(SceneError::new(refused_part(&error, &scene), error.to_string())));
    }
    Ok((job, assets, scene))
}

/// The section of the job that PhysX refuses a part of.
fn refused_part(error: &RigidError, scene: &Scene) -> String {
    match error {
        RigidError::Invalid { item: Item::Rigid(i), .. } | RigidError::Refused { item: Item::Rigid(i), .. } => {
            scene.rigids.get(*i).map_or_else(|| "rigid_bodies".to_owned(), |r| format!("rigid_bodies[{}]", r.group))
        }
        RigidError::Invalid { item: Item::Static(_), .. } | RigidError::Refused { item: Item::Static(_), .. } => {
            "environment".to_owned()
        }
        _ => "time.step_s".to_owned(),
    }
}

fn chunks(bytes: &[u8]) -> usize {
    bytes.len().div_ceil(MAX_BOOTSTRAP_BYTES)
}

/// Gives rank 0's bytes to all, in pieces that the start-up exchange carries.
fn share(bytes: Vec<u8>, chunks: usize, fabric: &mut impl Bootstrap, deadline: Instant) -> Result<Vec<u8>, RunError> {
    let mut all = Vec::new();
    for chunk in 0..chunks {
        let end = bytes.len().min((chunk + 1) * MAX_BOOTSTRAP_BYTES);
        let mut piece = bytes.get(chunk * MAX_BOOTSTRAP_BYTES..end).unwrap_or_default().to_vec();
        fabric.broadcast(Rank(0), &mut piece, deadline)?;
        all.extend(piece);
    }
    Ok(all)
}

/// As [`fingerprint`], but whatever number of steps the job asks for: runs of one course have the same states, one after the other.
fn course(job: &Job, scene: &Scene) -> String {
    let mut job = job.clone();
    (job.time.steps, job.time.duration_s) = (Some(1), None);
    fingerprint(&job, scene)
}

/// A hash of what determines the result: the job's own fingerprint, and the starting states, which hold the meshes.
fn fingerprint(job: &Job, scene: &Scene) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&job.fingerprint());
    for body in 0..scene.bodies.len() as u32 {
        for word in scene.initial_state(body) {
            hasher.update(&word.to_le_bytes());
        }
    }
    for form in &scene.forms {
        for tet in &form.topology.tets {
            tet.nodes.iter().for_each(|n| {
                hasher.update(&n.to_le_bytes());
            });
        }
    }
    hasher.update(format!("{:?}{:?}{:?}", scene.rule, scene.law, scene.statics).as_bytes());
    hasher.finalize().to_hex().to_string()
}

fn check(ranks: &[RankInfo], run_dir: &Path) -> Result<(), RunError> {
    if let Some(other) = ranks.iter().find(|r| r.scene != ranks[0].scene) {
        return Err(RunError::Disagreement { rank: Rank(other.rank), host: other.host.clone() });
    }
    match ranks.iter().find(|r| !r.sees_run_dir) {
        Some(blind) => Err(RunError::NotShared { dir: run_dir.to_owned(), host: blind.host.clone() }),
        None => Ok(()),
    }
}

pub(crate) fn host() -> String {
    nix::unistd::gethostname().ok().and_then(|h| h.into_string().ok()).unwrap_or_else(|| "unknown".to_owned())
}

/// The time in UTC as part of a file name, such as `20260131-235959`.
fn timestamp() -> String {
    let now = time::OffsetDateTime::now_utc();
    let (date, clock) = (now.date(), now.time());
    format!(
        "{:04}{:02}{:02}-{:02}{:02}{:02}",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second()
    )
}
