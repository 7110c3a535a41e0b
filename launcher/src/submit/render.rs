//! From a job to its batch script.

use rankzero_job::{CpuBind, GpuBind, Job, MailOn, SlurmOptions};
use rankzero_slurm::script::{Script, Word};

use super::SubmitError;

/// Tells ranks how many seconds before the time limit they are to end, where the batch script is lost.
pub(crate) const BEFORE_VARIABLE: &str = "RANKZERO_CHECKPOINT_BEFORE_S";
/// Tells ranks, and the batch script itself, how often the job may go back into the queue.
pub(crate) const REQUEUES_VARIABLE: &str = "RANKZERO_REQUEUES_MAX";

/// What the script is made from, beside the job.
#[derive(Clone, Debug)]
pub struct Request {
    /// This program, as the nodes find it.
    pub program: String,
    /// The job file, from `directory`.
    pub job_file: String,
    /// Where the script is submitted, and where it runs: an absolute path.
    pub directory: String,
    /// `--set` arguments for the run.
    pub set: Vec<String>,
    /// The run directory; by the job and its number where absent.
    pub run_dir: Option<String>,
    /// Where it begins, instead of at the newest checkpoint of the run directory.
    pub restore: Option<String>,
    /// Further arguments of the run.
    pub arguments: Vec<String>,
    /// The command line that has made the script, for its first line.
    pub made_by: String,
}

/// The script.
///
/// # Errors
/// [`SubmitError::Directive`], [`SubmitError::Word`]: a value that cannot be carried. A job that was checked has none among its own.
pub fn render(job: &Job, request: &Request) -> Result<String, SubmitError> {
    let mut script = Script::new();
    let slurm = &job.slurm;
    script.head_comment(&format!("{}: {}", job.name, size(slurm)));
    script.head_comment(&format!("Made by: {}", request.made_by));
    script.head_comment("It is yours to edit. docs/slurm.md of rankzero tells of each line.");
    script.head_gap();
    resources(&mut script, job, &request.directory)?;
    wishes(&mut script, slurm)?;
    script.head_gap();
    survival(&mut script, job)?;
    script.gap();
    script.lines("set -u\n");
    surroundings(&mut script, slurm)?;
    launch(&mut script, job, request)?;
    if slurm.requeues_max > 0 {
        script.gap();
        requeue(&mut script);
    }
    script.lines("exit \"$code\"\n");
    Ok(script.text())
}

fn size(slurm: &SlurmOptions) -> String {
    let counted = |count: u32, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let mut text = format!("{} of {}", counted(slurm.nodes, "node"), counted(slurm.tasks_per_node, "rank"));
    if slurm.gpus_per_task > 0 {
        text.push_str(&format!(", {} each", counted(slurm.gpus_per_task, "GPU")));
    }
    if slurm.spare_nodes > 0 {
        text.push_str(&format!(", and {} to spare", counted(slurm.spare_nodes, "node")));
    }
    text
}

/// What the job asks for.
pub(crate) fn resources(script: &mut Script, job: &Job, directory: &str) -> Result<(), SubmitError> {
    let slurm = &job.slurm;
    let nodes = slurm.nodes.saturating_add(slurm.spare_nodes);
    script.directive("job-name", &job.name)?;
    // A directory whose name sbatch would misread: then the one that it is submitted from counts, which is the same.
    let _ = script.directive("chdir", directory);
    script.directive("nodes", &nodes.to_string())?;
    script.directive("ntasks", &nodes.saturating_mul(slurm.tasks_per_node).to_string())?;
    script.directive("ntasks-per-node", &slurm.tasks_per_node.to_string())?;
    if let Some(cores) = slurm.cpus_per_task {
        script.directive("cpus-per-task", &cores.to_string())?;
    }
    if slurm.gpus_per_task > 0 {
        script.directive("gpus-per-task", &slurm.gpus_per_task.to_string())?;
    }
    match slurm.gpu_bind {
        GpuBind::None => {}
        GpuBind::Closest => script.directive("gpu-bind", "closest")?,
        GpuBind::Single => script.directive("gpu-bind", "single:1")?,
    }
    if let Some(memory) = slurm.memory_mb {
        script.directive("mem", &format!("{memory}M"))?;
    }
    if slurm.exclusive {
        script.flag("exclusive");
    }
    if let Some(limit) = &slurm.time_limit {
        script.directive("time", limit)?;
    }
    Ok(())
}

/// Where and for whom it runs.
pub(crate) fn wishes(script: &mut Script, slurm: &SlurmOptions) -> Result<(), SubmitError> {
    let words = [
        ("partition", &slurm.partition),
        ("account", &slurm.account),
        ("qos", &slurm.qos),
        ("constraint", &slurm.constraint),
        ("reservation", &slurm.reservation),
        ("dependency", &slurm.dependency),
    ];
    for (option, value) in words {
        if let Some(value) = value {
            script.directive(option, value)?;
        }
    }
    if let Some(array) = &slurm.array {
        script.directive("array", &array.tasks)?;
    }
    if let Some(mail) = &slurm.mail {
        let on = |occasion: &MailOn| match occasion {
            MailOn::Begin => "BEGIN",
            MailOn::End => "END",
            MailOn::Fail => "FAIL",
            MailOn::Requeue => "REQUEUE",
        };
        script.directive("mail-user", &mail.to)?;
        script.directive("mail-type", &mail.on.iter().map(on).collect::<Vec<_>>().join(","))?;
    }
    for option in &slurm.options {
        match option.trim_start_matches('-').split_once('=') {
            Some((name, value)) => script.directive(name, value)?,
            None => script.switch(option.trim_start_matches('-'))?,
        }
    }
    Ok(())
}

/// What lets it outlive the loss of nodes, and its own time limit.
fn survival(script: &mut Script, job: &Job) -> Result<(), SubmitError> {
    let slurm = &job.slurm;
    script.head_comment("When a node is lost, the ranks on the others go on. Without this Slurm would end them.");
    script.flag("no-kill");
    let log = if slurm.array.is_some() { "%A_%a" } else { "%j" };
    script.directive("output", &format!("{}-{log}.log", job.name))?;
    if slurm.requeues_max == 0 {
        script.flag("no-requeue");
    } else {
        script.head_comment("It may go back into the queue, and on from its newest checkpoint; its log goes on, too.");
        script.flag("requeue");
        script.directive("open-mode", "append")?;
    }
    script.head_comment(&format!("{} s before the time limit this script gets USR1.", slurm.checkpoint_before_s));
    script.directive("signal", &format!("B:USR1@{}", slurm.checkpoint_before_s))?;
    Ok(())
}

pub(crate) fn surroundings(script: &mut Script, slurm: &SlurmOptions) -> Result<(), SubmitError> {
    if !slurm.modules.is_empty() {
        script.gap();
    }
    for module in &slurm.modules {
        script.command(&[&[Word::verbatim("module"), Word::verbatim("load"), Word::quoted(module)?]], "");
    }
    if !slurm.environment.is_empty() {
        script.gap();
    }
    for (name, value) in &slurm.environment {
        script.export(name, &Word::quoted(value)?);
    }
    Ok(())
}

/// The run itself, in the background, so that this shell hears signals.
fn launch(script: &mut Script, job: &Job, request: &Request) -> Result<(), SubmitError> {
    let slurm = &job.slurm;
    script.gap();
    script.assign("rankzero", &Word::quoted(&request.program)?);
    script.assign("job", &Word::quoted(&request.job_file)?);
    script.comment("The same after a requeue.");
    script.assign("run_dir", &run_dir(job, request)?);
    if slurm.requeues_max > 0 {
        script.gap();
        script.comment(
            "How long before the time limit the ranks stop, and how often the job goes back into the queue, where this script is lost with its node.",
        );
        script.export(BEFORE_VARIABLE, &Word::quoted(&slurm.checkpoint_before_s.to_string())?);
        script.export(REQUEUES_VARIABLE, &Word::quoted(&slurm.requeues_max.to_string())?);
    }
    script.gap();
    script
        .comment("One step for each node; lost ranks are replaced; begins at the newest checkpoint, if there is one.");
    let ranks = slurm.nodes.saturating_mul(slurm.tasks_per_node);
    let first = [
        Word::variable("rankzero"),
        Word::verbatim("launch"),
        Word::variable("job"),
        Word::verbatim("-n"),
        Word::quoted(&ranks.to_string())?,
        Word::verbatim("--run-dir"),
        Word::variable("run_dir"),
        Word::verbatim("--restore"),
        request.restore.as_deref().map_or(Ok(Word::verbatim("auto")), Word::quoted)?,
    ];
    let mut more: Vec<Vec<Word>> = Vec::new();
    match slurm.cpu_bind {
        CpuBind::None => {}
        CpuBind::Cores => more.push(vec![Word::verbatim("--cpu-bind=cores")]),
        CpuBind::Threads => more.push(vec![Word::verbatim("--cpu-bind=threads")]),
        CpuBind::Sockets => more.push(vec![Word::verbatim("--cpu-bind=sockets")]),
        CpuBind::Ldoms => more.push(vec![Word::verbatim("--cpu-bind=ldoms")]),
    }
    for set in &request.set {
        more.push(vec![Word::verbatim("--set"), Word::quoted(set)?]);
    }
    if let Some(field) = slurm.array.as_ref().and_then(|array| array.field.as_ref()) {
        let number = Word::variable("SLURM_ARRAY_TASK_ID");
        more.push(vec![Word::verbatim("--set"), Word::joined(&[Word::quoted(&format!("{field}="))?, number])]);
    }
    if !request.arguments.is_empty() {
        more.push(request.arguments.iter().map(|word| Word::quoted(word)).collect::<Result<_, _>>()?);
    }
    let lines: Vec<&[Word]> = std::iter::once(&first[..]).chain(more.iter().map(Vec::as_slice)).collect();
    script.command(&lines, " &");
    script.lines("launch=$!\n");
    script.gap();
    script.comment("USR1, at the time limit, makes the ranks write a checkpoint and end. A wait that a signal cuts short begins again.");
    script.lines(if slurm.requeues_max > 0 { TRAP_AND_NOTE } else { TRAP });
    script.lines(WAIT);
    Ok(())
}

const TRAP_AND_NOTE: &str = "\
limit=no
trap 'limit=yes; kill -USR1 \"$launch\"' USR1
";

const TRAP: &str = "trap 'kill -USR1 \"$launch\"' USR1\n";

const WAIT: &str = "\
wait \"$launch\"
code=$?
while [ \"$code\" -gt 128 ] && kill -0 \"$launch\" 2>/dev/null; do
    wait \"$launch\"
    code=$?
done
";

fn requeue(script: &mut Script) {
    script.comment(
        "5: stopped early, with a checkpoint. At the time limit the job goes back into the queue and on from there.",
    );
    script.lines(
        "if [ \"$code\" -eq 5 ] && [ \"$limit\" = yes ] && [ \"${SLURM_RESTART_COUNT:-0}\" -lt \"$RANKZERO_REQUEUES_MAX\" ]; then\n    \
         timeout 60 scontrol requeue \"$SLURM_JOB_ID\" && exit 0\nfi\n",
    );
}

/// The run directory: with the job's number, so that each submission has its own.
fn run_dir(job: &Job, request: &Request) -> Result<Word, SubmitError> {
    let array = job.slurm.array.is_some();
    let given = request.run_dir.clone().or_else(|| Some(job.output.directory.as_ref()?.display().to_string()));
    let (front, number) = match (given, array) {
        (Some(dir), false) => return Ok(Word::quoted(&dir)?),
        (Some(dir), true) => (format!("{dir}-"), "${SLURM_ARRAY_TASK_ID}"),
        (None, false) => (format!("runs/{}-", job.name), "${SLURM_JOB_ID}"),
        (None, true) => (format!("runs/{}-", job.name), "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"),
    };
    Ok(Word::joined(&[Word::quoted(&front)?, Word::verbatim(number)]))
}
