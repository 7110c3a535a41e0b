//! Slurm's commands as shell stubs in a folder of their own: what is asked of them, how their answers are read, and what becomes of
//! answers that are late, too long, refusals or unknown.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use rankzero_slurm::commands::{JobState, MpiPlugins, NodeState, Slurm, SlurmError, StepId, StepName};
use tempfile::TempDir;

/// A folder with stubs, and the commands found in it.
struct Stubs {
    folder: TempDir,
    slurm: Slurm,
}

impl Stubs {
    /// Each stub notes its arguments in `calls`, then does what its script says.
    fn new(scripts: &[(&str, &str)]) -> Stubs {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, script) in scripts {
            let path = folder.path().join(name);
            let calls = folder.path().join("calls");
            let text = format!("#!/bin/sh\necho \"{name} $*\" >> '{}'\n{script}\n", calls.display());
            fs::write(&path, text).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
        }
        let slurm = Slurm::on(folder.path().as_os_str());
        Stubs { folder, slurm }
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default()
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

#[test]
fn a_script_goes_to_sbatch_on_stdin_and_its_number_comes_back() {
    let stubs = Stubs::new(&[("sbatch", "cat > \"$(dirname \"$0\")/script\"; echo '4711;cluster'")]);
    let script = "#!/bin/sh\necho 'ü $(x)'\n".repeat(5000);
    assert_eq!(stubs.slurm.submit(&script, &["--hold"], soon()).expect("submitted"), 4711);
    assert_eq!(fs::read_to_string(stubs.folder.path().join("script")).expect("kept"), script);
    assert_eq!(stubs.calls(), "sbatch --parsable --hold\n");
}

#[test]
fn an_sbatch_that_does_not_read_keeps_nobody() {
    let stubs = Stubs::new(&[("sbatch", "exec 0<&-; echo 'sbatch: error: Invalid account' >&2; exit 1")]);
    let error = stubs.slurm.submit(&"x".repeat(1 << 20), &[], soon()).expect_err("refused").to_string();
    assert!(error.contains("failed with code 1: sbatch: error: Invalid account"), "{error}");
}

#[test]
fn jobs_are_read_also_where_there_are_none() {
    let lines = "12|RUNNING|n[1-2]|1-02:00:05|None\n13|PENDING||NOT_SET|Resources\n";
    let stubs = Stubs::new(&[("squeue", &format!("printf '{lines}'"))]);
    let jobs = stubs.slurm.job(12, soon()).expect("jobs");
    assert_eq!((jobs[0].id, jobs[0].state, jobs[0].nodes.as_str()), (12, JobState::Running, "n[1-2]"));
    assert_eq!(jobs[0].left, Some(Duration::from_secs(86_400 + 2 * 3600 + 5)));
    assert_eq!((jobs[1].state, jobs[1].left), (JobState::Waiting, None));
    assert!(stubs.calls().contains("--noheader --states=all --array --jobs 12 -o %A|%T|%N|%L|%r"), "{}", stubs.calls());
    let unknown = "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1";
    let stubs = Stubs::new(&[("squeue", unknown)]);
    assert!(stubs.slurm.job(9, soon()).expect("none").is_empty());
    assert!(stubs.slurm.steps(9, soon()).expect("none").is_empty());
}

#[test]
fn steps_and_their_srun_are_found() {
    let show = "StepId=1.0 UserId=0 State=RUNNING Name=a SrunHost:Pid=x:1 Network=(null) SrunHost:Pid=n1:39";
    let stubs = Stubs::new(&[("squeue", "printf '1.0|n2\\n1.batch|n1\\n'"), ("scontrol", &format!("echo '{show}'"))]);
    let steps = stubs.slurm.steps(1, soon()).expect("steps");
    assert_eq!(steps.iter().map(|step| step.name).collect::<Vec<_>>(), [StepName::Number(0), StepName::Special]);
    // A step's name can say anything; what Slurm adds stands last.
    assert_eq!(stubs.slurm.srun_of(StepId { job: 1, step: 0 }, soon()).expect("an srun"), ("n1".to_owned(), 39));
}

#[test]
fn of_a_node_in_several_partitions_the_worst_counts() {
    let stubs = Stubs::new(&[("sinfo", "printf 'n1|idle\\nn1|down*\\nn2|mixed\\nn3|allocated*\\n'")]);
    let states = stubs.slurm.nodes(&["n1", "n2", "n3", "n4"], soon()).expect("states");
    let of = |node: &str| states.get(node).copied();
    assert_eq!(
        [of("n1"), of("n2"), of("n3"), of("n4")],
        [Some(NodeState::Down), Some(NodeState::Up), Some(NodeState::Silent), None]
    );
    assert!(stubs.calls().contains("--nodes n[1-4]"), "{}", stubs.calls());
    assert!(stubs.slurm.nodes::<&str>(&[], soon()).expect("nothing to ask").is_empty());
}

#[test]
fn the_site_and_its_mpi_are_read() {
    let config = "KillOnBadExit           = 1\\nWaitTime                = 30 sec\\nMpiDefault              = none\\n";
    let list = "MPI plugin types are...\\n\\tnone\\n\\tpmi2\\nspecific pmix plugin versions available: pmix_v4\\n";
    let stubs = Stubs::new(&[("scontrol", &format!("printf '{config}'")), ("srun", &format!("printf '{list}'"))]);
    let site = stubs.slurm.site(soon()).expect("settings");
    assert_eq!((site.kill_on_bad_exit, site.wait_time_s), (true, 30));
    let both = MpiPlugins { pmix: true, pmi2: true };
    assert_eq!(stubs.slurm.mpi_plugins(soon()).expect("a list"), both);
    // As older versions print it.
    let old = "printf 'srun: MPI types are...\\nsrun: none\\nsrun: openmpi\\nsrun: pmi2\\n' >&2";
    let stubs = Stubs::new(&[("srun", old)]);
    assert_eq!(stubs.slurm.mpi_plugins(soon()).expect("a list"), MpiPlugins { pmix: false, pmi2: true });
}

#[test]
fn unknown_words_are_refused_and_not_guessed() {
    let stubs = Stubs::new(&[
        ("sbatch", "echo 'Submitted batch job 5'"),
        ("squeue", "echo '1|DREAMING|n1|1:00|None'"),
        ("sinfo", "echo 'n1 idle'"),
        ("scontrol", "echo 'nothing'"),
        ("srun", "echo 'usage: srun'"),
    ]);
    let errors = [
        stubs.slurm.version(soon()).map(drop).expect_err("a version"),
        stubs.slurm.submit("", &[], soon()).map(drop).expect_err("a number"),
        stubs.slurm.job(1, soon()).map(drop).expect_err("a job"),
        stubs.slurm.nodes(&["n1"], soon()).map(drop).expect_err("a node"),
        stubs.slurm.site(soon()).map(drop).expect_err("settings"),
        stubs.slurm.mpi_plugins(soon()).map(drop).expect_err("a list"),
        stubs.slurm.srun_of(StepId { job: 1, step: 0 }, soon()).map(drop).expect_err("an srun"),
    ];
    for error in errors {
        assert!(matches!(error, SlurmError::Unknown { .. }), "{error}");
        assert!(error.to_string().contains("Slurm 21 to 25 are known"), "{error}");
    }
}

#[test]
fn a_command_that_hangs_is_killed_with_all_that_it_has_started() {
    let stubs = Stubs::new(&[("scontrol", "sleep 600 & echo $! > \"$(dirname \"$0\")/pid\"; wait")]);
    let begun = Instant::now();
    let error = stubs.slurm.requeue(7, begun + Duration::from_millis(500)).expect_err("late");
    assert!(matches!(error, SlurmError::TimedOut { .. }), "{error}");
    assert!(error.to_string().contains("`scontrol requeue 7` did not answer within"), "{error}");
    let pid = fs::read_to_string(stubs.folder.path().join("pid")).unwrap_or_default();
    // On a machine so busy that the stub did not get that far there is nothing to look for.
    if let Ok(pid) = pid.trim().parse::<i32>() {
        let until = Instant::now() + Duration::from_secs(30);
        while fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(Instant::now() < until, "process {pid} lives on");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_command_that_leaves_somebody_with_its_pipe_is_not_waited_for() {
    let stubs = Stubs::new(&[("scancel", "setsid sleep 20 & exit 0")]);
    let begun = Instant::now();
    stubs.slurm.cancel(7, soon()).expect("cancelled");
    assert!(begun.elapsed() < Duration::from_secs(19));
}

#[test]
fn a_flood_of_words_is_cut_off() {
    let stubs = Stubs::new(&[("squeue", "yes 12.0 | head -c 30000000")]);
    let error = stubs.slurm.steps(12, soon()).expect_err("too long");
    assert!(matches!(error, SlurmError::TooLong { .. } | SlurmError::Refused { .. }), "{error}");
}

#[test]
fn what_is_not_there_is_named_and_told_from_what_refuses() {
    let stubs =
        Stubs::new(&[("sbatch", "echo 'sbatch: fatal: Could not establish a configuration source' >&2; exit 1")]);
    let error = stubs.slurm.nodes(&["n1"], soon()).expect_err("absent");
    assert!(matches!(error, SlurmError::Absent { program: "sinfo" }), "{error}");
    let error = stubs.slurm.version(soon()).expect_err("refused").to_string();
    assert!(error.contains("`sbatch --version` failed with code 1"), "{error}");
    assert!(stubs.slurm.has("sbatch") && !stubs.slurm.has("srun"));
}

#[test]
fn the_users_own_settings_do_not_change_what_is_read() {
    let stubs =
        Stubs::new(&[("squeue", "[ -z \"$SQUEUE_PARTITION$SQUEUE_FORMAT\" ] && [ \"$LC_ALL\" = C ] && echo '1.0|n1'")]);
    // The variables of this process stay; the stub fails if it sees one of them.
    assert_eq!(stubs.slurm.steps(1, soon()).expect("steps").len(), 1);
}
