//! Sweeps with real runs: what is done is kept whatever happens, digests are compared, and the report is a file by itself.

#[path = "cli/process.rs"]
mod process;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use process::{Ended, Folder, Running, finish, jobs, rankzero, signal, until};
use serde_json::Value;

/// A sweep of a small job without MPI.
struct Work {
    folder: Folder,
    steps: u64,
}

impl Work {
    fn new(steps: u64) -> Work {
        Work { folder: Folder::new(), steps }
    }

    fn dir(&self) -> PathBuf {
        self.folder.join("sweep")
    }

    fn command(&self, job: &str, more: &[&str]) -> Command {
        let mut command = rankzero();
        command.arg("sweep").arg(jobs().join(job)).args(["--via", "bare", "--dir"]).arg(self.dir());
        if !more.contains(&"--through") {
            command.args(["--through", "here"]);
        }
        command.args(["--set", &format!("time.steps={}", self.steps), "--set", "output.frames.geometry=none"]);
        // A busy machine is no dead rank.
        command.args(["--set", "network.result_timeout_ms=60000"]).args(more);
        command.env("RANKZERO_CACHE_DIR", self.folder.join("cache"));
        command
    }

    fn run(&self, more: &[&str]) -> Ended {
        finish(&mut self.command("two-blocks.yaml", more))
    }

    /// Whole lines of the results.
    fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.dir().join("results.jsonl")).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).expect("one JSON object a line")).collect()
    }

    fn done(&self) -> usize {
        self.lines().iter().filter(|line| line["outcome"] == "done").count()
    }
}

/// The page has no fault that XML knows, and refers to nothing.
fn check_report(dir: &Path) -> String {
    let page = fs::read_to_string(dir.join("report.html")).expect("a report");
    let mut reader = quick_xml::Reader::from_str(&page);
    loop {
        match reader.read_event().expect("well-formed") {
            quick_xml::events::Event::Eof => break,
            quick_xml::events::Event::Start(tag) | quick_xml::events::Event::Empty(tag) => {
                assert!(!["script", "link", "img"].iter().any(|name| tag.name().as_ref() == name.as_bytes()));
                assert!(tag.attributes().flatten().all(|a| ![&b"src"[..], b"href"].contains(&a.key.as_ref())));
            }
            _ => {}
        }
    }
    page
}

#[test]
fn one_and_two_ranks_give_one_digest_a_table_and_a_report() {
    let work = Work::new(6);
    let ended = work.run(&["--nodes", "1,2", "--repeat", "2"]);
    assert_eq!(ended.code(), 0, "{}", ended.text());
    let lines = work.lines();
    assert_eq!(lines.len(), 4);
    for line in &lines {
        let measure = &line["measure"];
        assert_eq!(measure["digest"], lines[0]["measure"]["digest"]);
        assert_eq!(
            (&measure["ranks"], &measure["steps"], &measure["threads_per_rank"]),
            (&line["nodes"], &6.into(), &1.into())
        );
        assert!(measure["wall_s"].as_f64() > Some(0.0) && measure["cpu_steps_s"].as_f64() > Some(0.0));
        for fact in ["cpu", "kernel", "mpi", "rankzero", "build", "host"] {
            assert!(line["machine"][fact].as_str().is_some_and(|text| !text.is_empty()), "{fact} of {line}");
        }
    }
    let order: Vec<(u64, u64)> =
        lines.iter().map(|l| (l["repeat"].as_u64().unwrap_or(0), l["nodes"].as_u64().unwrap_or(0))).collect();
    assert!(order.iter().map(|(repeat, _)| *repeat).eq([1, 1, 2, 2]), "each repeat is whole: {order:?}");
    assert!(
        ended.stdout.contains("two-blocks: strong scaling, 4 of 4 runs") && ended.stdout.contains("digests  equal"),
        "{}",
        ended.stdout
    );
    let page = check_report(&work.dir());
    assert!(page.contains("two-blocks") && page.contains("<svg"));
    assert!(work.dir().join("scaling.svg").is_file());
    // The digest is that of a run by itself.
    let alone = work.folder.join("alone");
    let mut run = rankzero();
    run.arg("run").arg(work.dir().join("jobs/job.yaml")).args(["--quiet", "--run-dir"]).arg(&alone);
    assert_eq!(finish(&mut run).code(), 0);
    let summary: Value =
        serde_json::from_slice(&fs::read(alone.join("summary.json")).expect("a summary")).expect("JSON");
    assert_eq!(summary["digest"], lines[0]["measure"]["digest"]);
    // Again: nothing is left to do, and nothing is done.
    let before = fs::read(work.dir().join("results.jsonl")).expect("results");
    let again = work.run(&["--nodes", "1,2", "--repeat", "2", "--json"]);
    assert_eq!(again.code(), 0);
    assert!(again.stderr.contains("4 of 4 runs are done already"), "{}", again.stderr);
    assert_eq!(fs::read(work.dir().join("results.jsonl")).expect("results"), before);
    let kinds: Vec<Value> =
        again.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["kind"].clone()).collect();
    assert_eq!(kinds, ["sweep", "size", "size", "fit", "fit", "fit"]);
    // Another job has other keys: its runs are its own.
    let other = work.run(&["--nodes", "1", "--repeat", "1", "--set", "time.substeps=8"]);
    assert_eq!(other.code(), 0);
    assert!(other.stderr.contains("4 runs of another job"), "{}", other.stderr);
    assert_eq!(work.lines().len(), 5);
}

#[test]
fn a_sweep_that_is_killed_goes_on_where_it_was() {
    let work = Work::new(40);
    let sizes = ["--nodes", "1,2", "--repeat", "3"];
    let running = Running::start(&mut work.command("two-blocks.yaml", &sizes));
    until("a result", Duration::from_secs(100), || (work.done() >= 1).then_some(()));
    signal(running.pid(), Signal::SIGKILL);
    drop(running);
    let kept = work.lines();
    assert!(!kept.is_empty() && kept.len() < 6, "{} lines", kept.len());
    // What it was writing, it did not finish.
    let file = work.dir().join("results.jsonl");
    let mut torn = fs::read(&file).expect("results");
    torn.extend_from_slice(b"{\"nodes\":1,\"rep");
    fs::write(&file, torn).expect("written");
    let ended = work.run(&sizes);
    assert_eq!(ended.code(), 0, "{}", ended.text());
    assert!(ended.stderr.contains(&format!("{} of 6 runs are done already", kept.len())), "{}", ended.stderr);
    let lines = work.lines();
    assert_eq!(lines.len(), 6);
    assert_eq!(lines[..kept.len()], kept);
}

#[test]
fn ctrl_c_keeps_what_is_done() {
    let work = Work::new(40);
    let sizes = ["--nodes", "1,2", "--repeat", "20"];
    let running = Running::start(&mut work.command("two-blocks.yaml", &sizes));
    until("a result", Duration::from_secs(100), || (work.done() >= 1).then_some(()));
    signal(running.pid(), Signal::SIGINT);
    let ended = running.end();
    assert_eq!(ended.code(), 5, "{}", ended.text());
    assert!(ended.stderr.contains("the same command goes on"), "{}", ended.stderr);
    let done = work.done();
    assert!((1..40).contains(&done) && work.lines().len() == done, "the run that was cut off is no result");
    assert!(check_report(&work.dir()).contains("still to be done"));
}

#[test]
fn a_run_that_takes_too_long_has_failed_and_is_tried_again() {
    let work = Work::new(100_000_000);
    let ended = work.run(&["--nodes", "1", "--repeat", "1", "--limit-s", "1"]);
    assert_eq!(ended.code(), 1, "{}", ended.text());
    assert!(ended.stderr.contains("took longer than --limit-s 1"), "{}", ended.stderr);
    assert_eq!((work.lines().len(), work.done()), (1, 0));
    assert!(check_report(&work.dir()).contains("took longer than"));
    let ended = work.run(&["--nodes", "1", "--repeat", "1", "--limit-s", "1"]);
    assert_eq!((ended.code(), work.lines().len()), (1, 2), "a failed run is tried again");
}

#[test]
fn digests_that_differ_are_an_error_and_said_aloud() {
    let work = Work::new(3);
    assert_eq!(work.run(&["--nodes", "1,2", "--repeat", "1"]).code(), 0);
    let file = work.dir().join("results.jsonl");
    let mut lines = work.lines();
    lines[1]["measure"]["digest"] = "0123".into();
    fs::write(&file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).expect("written");
    let ended = finish(rankzero().args(["sweep", "--report"]).arg(work.dir()));
    assert_eq!(ended.code(), 1);
    assert!(ended.stderr.contains("the runs do not agree") && ended.stdout.contains("DIFFER"), "{}", ended.text());
    assert!(check_report(&work.dir()).contains("The runs do not agree"));
}

#[test]
fn a_plan_is_shown_without_doing_anything() {
    let work = Work::new(6);
    let ended = work.run(&["--nodes", "2,1", "--repeat", "2", "--dry-run"]);
    assert_eq!(ended.code(), 0, "{}", ended.text());
    let dir = work.dir().display().to_string();
    let program = Path::new(process::PROGRAM).canonicalize().expect("the program").display().to_string();
    let point = |n: u32, r: u32| {
        format!(
            "{program} launch {dir}/jobs/job.yaml -n {n} --via bare --threads 1 --run-dir {dir}/runs/n{n}-r{r} --quiet\n"
        )
    };
    let order: String = [(1, 1), (2, 1), (2, 2), (1, 2)].map(|(n, r)| point(n, r)).concat();
    assert_eq!(ended.stdout, format!("# two-blocks: strong scaling, 4 runs, into {dir}\n{order}"));
    assert!(!work.dir().exists());
}

#[test]
fn what_makes_no_sense_is_refused_with_the_remedy() {
    let work = Work::new(6);
    for (more, says) in [
        (&["--nodes", "0"][..], "--nodes: a size is at least 1"),
        (&["--nodes", "1,1"], "named twice"),
        (&["--nodes", "1", "--repeat", "0"], "--repeat: 0 repeats"),
        (&["--nodes", "1,2", "--weak"], "keep the job the same (`--strong`)"),
        (&["--nodes", "1", "--ranks-per-node", "2"], "leave this flag out"),
        (&["--nodes", "1", "--point", "n2-r1"], "the sweep has no such run"),
        (&["--nodes", "x"], "invalid value 'x'"),
        (&["--nodes", "1", "--weak", "--strong"], "cannot be used with"),
    ] {
        let ended = work.run(more);
        assert_eq!(ended.code(), 2, "{more:?}: {}", ended.text());
        assert!(ended.stderr.contains(says), "{more:?}: {}", ended.stderr);
    }
    let ended = finish(rankzero().args(["sweep", "--report"]).arg(work.dir()));
    assert!(ended.code() == 1 && ended.stderr.contains("sweep.json"), "{}", ended.text());
    let ended = finish(rankzero().args(["sweep", "--through", "steps", "--nodes", "1"]).arg(jobs().join("stack.yaml")));
    assert!(ended.code() == 3 && ended.stderr.contains("salloc"), "{}", ended.text());
}

#[test]
fn in_a_weak_sweep_every_size_has_a_job_of_its_own() {
    let work = Work::new(2);
    let set = ["--set", "time.duration_s=null", "--set", "soft_bodies[0].count=4", "--set", "soft_bodies[1].count=4"];
    let more = [&["--nodes", "1,2", "--repeat", "1", "--weak"][..], &set].concat();
    let ended = finish(&mut work.command("demo.yaml", &more));
    assert_eq!(ended.code(), 0, "{}", ended.text());
    let bodies = |nodes: u64| {
        work.lines().iter().find(|line| line["nodes"] == nodes).map(|line| line["measure"]["bodies"].clone())
    };
    assert_eq!((bodies(1), bodies(2)), (Some(108.into()), Some(216.into())));
    assert!(ended.stdout.contains("weak scaling"), "{}", ended.stdout);
    assert_eq!(finish(rankzero().arg("check").arg(work.dir().join("jobs/n2.yaml"))).code(), 0);
}

/// A command `sbatch` that keeps what it is given, and answers as Slurm does.
fn false_sbatch(folder: &Folder) -> PathBuf {
    let bin = folder.join("bin");
    fs::create_dir_all(&bin).expect("a folder");
    let script = format!(
        "#!/bin/sh\ncase \"$1\" in --version) echo 'slurm 22.05.8'; exit 0;; esac\nn=$(ls {0} | wc -l)\n\
         {{ echo \"$*\"; cat; }} > {0}/$n\necho $((1000 + n))\n",
        folder.join("queue").display()
    );
    fs::create_dir_all(folder.join("queue")).expect("a folder");
    let file = bin.join("sbatch");
    fs::write(&file, script).expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("executable");
    bin
}

#[test]
fn under_slurm_each_run_is_a_job_after_the_one_before() {
    let work = Work::new(2);
    let bin = false_sbatch(&work.folder);
    let mut command = work.command("two-blocks.yaml", &["--nodes", "1,4", "--repeat", "1", "--through", "jobs"]);
    command.args([
        "--set",
        "slurm.tasks_per_node=2",
        "--set",
        "slurm.partition=big",
        "--set",
        "slurm.time_limit=\"30\"",
    ]);
    let path = std::env::join_paths(
        [bin].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    command.env("PATH", path.expect("a path"));
    let ended = finish(&mut command);
    assert_eq!(ended.code(), 0, "{}", ended.text());
    let job = |n: u32| fs::read_to_string(work.folder.join(&format!("queue/{n}"))).expect("a job");
    let [first, second, third] = [0, 1, 2].map(job);
    assert!(!work.folder.join("queue/3").exists());
    assert!(
        first.starts_with("--parsable\n") && second.starts_with("--parsable --dependency=afterany:1000\n"),
        "{second}"
    );
    assert!(
        third.starts_with("--parsable --dependency=afterany:1001\n") && third.contains(" sweep --report "),
        "{third}"
    );
    let four = [&first, &second].into_iter().find(|job| job.contains("--point n4-r1")).expect("the point of 4 nodes");
    for line in [
        "#SBATCH --nodes=4",
        "#SBATCH --ntasks-per-node=2",
        "#SBATCH --partition=big",
        "#SBATCH --time=30",
        "#SBATCH --no-requeue",
    ] {
        assert!(four.lines().any(|there| there == line), "{line}: {four}");
    }
    assert!(four.contains("--nodes 1,4 --repeat 1") && four.contains("--through steps"), "{four}");
    assert!(ended.stdout.starts_with("3 jobs are in the queue; 1002"), "{}", ended.stdout);
    // The results are free for the first job.
    let checked = finish(Command::new("bash").arg("-n").arg(work.dir().join("slurm/n4-r1.sbatch")));
    assert_eq!(checked.code(), 0, "{}", checked.text());
}

#[test]
fn overrides_of_the_environment_do_not_undo_what_has_grown() {
    let work = Work::new(2);
    let more = ["--set", "time.duration_s=null", "--nodes", "2", "--repeat", "1", "--weak"];
    let mut command = work.command("demo.yaml", &more);
    for group in 0..4 {
        command.env(format!("RANKZERO_JOB__soft_bodies__{group}__count"), "2");
    }
    let ended = finish(&mut command);
    assert_eq!(ended.code(), 0, "{}", ended.text());
    assert_eq!(work.lines()[0]["measure"]["bodies"], 16);
}
