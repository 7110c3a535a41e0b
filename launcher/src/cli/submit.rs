//! `rankzero submit`.

use std::path::{Path, PathBuf};

use rankzero_job::Overrides;
use rankzero_slurm::commands::Slurm;

use super::commands::refuse;
use super::launch::{command_line, further_words};
use super::submit_args::{SlurmArgs, SubmitArgs};
use crate::submit::{self, SubmitError};

/// `rankzero submit`.
pub(super) fn submit(args: &SubmitArgs) -> u8 {
    let set = [args.run.overrides(), args.slurm.overrides()].concat();
    // All is checked here and now, not hours later on a node.
    let loaded = match rankzero_job::load(&args.run.job.job, &Overrides::from_process(set)) {
        Ok(loaded) => loaded,
        Err(error) => return refuse_job(&error),
    };
    let script = request(args).and_then(|request| submit::render(&loaded.job, &request));
    let script = match script {
        Ok(script) => script,
        Err(error) => return refuse(&error, 2),
    };
    if args.dry_run {
        print!("{script}");
        return 0;
    }
    if let Some(path) = &args.output {
        return match std::fs::write(path, script) {
            Ok(()) => 0,
            Err(source) => refuse(&SubmitError::Write { path: path.clone(), source }, 1),
        };
    }
    match submit::submit(&Slurm::here(), &script) {
        Ok(job) => {
            println!("{job}");
            0
        }
        Err(error) => refuse(&error, 3),
    }
}

/// As for a run: the error says `error:` by itself.
fn refuse_job(error: &rankzero_job::JobError) -> u8 {
    eprintln!("{error}");
    2
}

fn request(args: &SubmitArgs) -> Result<submit::Request, SubmitError> {
    let text = |path: &Path| path.to_str().map(str::to_owned).ok_or_else(|| SubmitError::NotUnicode(path.to_owned()));
    let here = |result: std::io::Result<PathBuf>| {
        result.map_err(|source| SubmitError::Write { path: PathBuf::from("the script"), source })
    };
    let run = &args.run;
    Ok(submit::Request {
        program: text(&here(std::env::current_exe())?)?,
        job_file: text(&run.job.job)?,
        directory: text(&here(std::env::current_dir())?)?,
        set: run.overrides(),
        run_dir: run.run_dir.as_deref().map(text).transpose()?,
        restore: run.restore.as_deref().map(text).transpose()?,
        arguments: further_words(run),
        made_by: command_line(),
    })
}

impl SlurmArgs {
    /// The flags as overrides of the job's section `slurm`.
    fn overrides(&self) -> Vec<String> {
        let mut set = Vec::new();
        let mut put = |field: &str, value: Option<String>| {
            set.extend(value.map(|value| format!("slurm.{field}={value}")));
        };
        let number = |value: &Option<u32>| value.map(|value| value.to_string());
        let word = |value: &Option<String>| value.as_deref().map(quoted);
        put("nodes", number(&self.nodes));
        put("spare_nodes", number(&self.spare_nodes));
        put("tasks_per_node", number(&self.tasks_per_node));
        put("cpus_per_task", number(&self.cpus_per_task));
        put("gpus_per_task", number(&self.gpus_per_task));
        put("memory_mb", self.memory_mb.map(|value| value.to_string()));
        put("exclusive", self.exclusive.then(|| "true".to_owned()));
        put("cpu_bind", word(&self.cpu_bind));
        put("gpu_bind", word(&self.gpu_bind));
        put("time_limit", word(&self.time_limit));
        put("partition", word(&self.partition));
        put("account", word(&self.account));
        put("qos", word(&self.qos));
        put("constraint", word(&self.constraint));
        put("reservation", word(&self.reservation));
        put("dependency", word(&self.dependency));
        put("array.tasks", word(&self.array));
        put("array.field", word(&self.array_field));
        put("mail.to", word(&self.mail_to));
        put("modules", list(&self.modules));
        for variable in &self.environment {
            let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
            put(&format!("environment.{name}"), Some(quoted(value)));
        }
        put("checkpoint_before_s", number(&self.checkpoint_before_s));
        put("requeues_max", number(&self.requeues_max));
        put("options", list(&self.options));
        set
    }
}

/// A text as YAML has it, whatever it holds: JSON is YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn list(words: &[String]) -> Option<String> {
    (!words.is_empty()).then(|| serde_json::Value::from(words.to_vec()).to_string())
}
