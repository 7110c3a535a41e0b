//! Batch scripts: golden ones for ten jobs, each taken by `bash -n` (and shellcheck, where it is installed), and hostile values that reach
//! the ranks as they are and do nothing else.
//!
//! After a change that is meant: `RANKZERO_BLESS=1 cargo test --release -p rankzero --test submit`, and look at the difference.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rankzero::submit::{Request, render};
use rankzero_job::{Job, Overrides, load};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn job(file: &str, set: &[&str]) -> Job {
    let path = root().join("jobs").join(file);
    load(&path, &Overrides::from_set(set.iter().copied())).unwrap_or_else(|error| panic!("{error}")).job
}

fn request(file: &str) -> Request {
    Request {
        program: "/opt/rankzero/bin/rankzero".to_owned(),
        job_file: format!("jobs/{file}"),
        directory: "/home/ada/bodies".to_owned(),
        set: Vec::new(),
        run_dir: None,
        restore: None,
        arguments: Vec::new(),
        made_by: format!("rankzero submit jobs/{file}"),
    }
}

/// Name, job file, overrides of the job, `--set` of the run, the run directory.
type Case = (&'static str, &'static str, &'static [&'static str], &'static [&'static str], Option<&'static str>);

const CASES: [Case; 10] = [
    ("one-node", "demo.yaml", &[], &[], None),
    (
        "eight-nodes-one-gpu",
        "demo.yaml",
        &["slurm={ nodes: 8, gpus_per_task: 1, cpus_per_task: 16, time_limit: '2:00:00' }"],
        &[],
        None,
    ),
    (
        "eight-nodes-eight-gpus",
        "demo.yaml",
        &[
            "slurm={ nodes: 8, tasks_per_node: 8, gpus_per_task: 1, cpus_per_task: 8, gpu_bind: closest, exclusive: true }",
        ],
        &[],
        None,
    ),
    (
        "cpu-only",
        "stack.yaml",
        &["slurm={ nodes: 4, tasks_per_node: 2, cpus_per_task: 32, cpu_bind: cores, memory_mb: 64000 }"],
        &[],
        None,
    ),
    (
        "spare-nodes",
        "two-blocks.yaml",
        &["slurm={ nodes: 6, spare_nodes: 2, time_limit: 1-12:00:00, checkpoint_before_s: 300 }"],
        &[],
        Some("/scratch/ada/two blocks"),
    ),
    (
        "site",
        "demo.yaml",
        &[
            "slurm={ partition: 'cpu,long', account: bodies, qos: normal, constraint: 'haswell&ib', reservation: maint, dependency: 'afterok:12:13', options: [--switches=1, --contiguous] }",
        ],
        &[],
        None,
    ),
    ("array", "demo.yaml", &["slurm.array={ tasks: '1-10%2', field: seed }"], &["time.substeps=20"], None),
    (
        "array-in-a-directory",
        "demo.yaml",
        &["slurm.array={ tasks: '0,3,7' }"],
        &["materials={ jelly: { young_pa: 5.0e4 } }"],
        Some("/scratch/study"),
    ),
    (
        "surroundings",
        "mesh.yaml",
        &[
            "slurm={ modules: [gcc/12.2, openmpi/4.1], environment: { OMP_NUM_THREADS: '1', GREETING: \"it's noon\" }, mail: { to: ada@example.org } }",
        ],
        &[],
        None,
    ),
    (
        "no-requeue",
        "hanging-bar.yaml",
        &["slurm={ requeues_max: 0, time_limit: '30', mail: { to: ada, on: [begin, end] } }"],
        &[],
        None,
    ),
];

/// The ready scripts of `jobs/`: as `submit` writes them, with a rankzero on PATH, to be submitted from the root of the repository.
const READY: [(&str, &str, &str); 6] = [
    ("single-node", "jobs/demo.yaml", "--exclusive --time 1:00:00"),
    ("nodes-8-gpu-1", "jobs/demo.yaml", "--nodes 8 --gpus-per-task 1 --cpus-per-task 8 --time 2:00:00"),
    (
        "nodes-8-gpu-8",
        "jobs/demo.yaml",
        "--nodes 8 --tasks-per-node 8 --gpus-per-task 1 --cpus-per-task 8 --gpu-bind closest --time 2:00:00",
    ),
    ("cpu-only", "jobs/demo.yaml", "--nodes 4 --tasks-per-node 2 --exclusive --spare-nodes 1 --time 4:00:00"),
    ("study", "jobs/two-blocks.yaml", "--array 1-10%2 --array-field seed --time 30"),
    ("requeue", "jobs/demo.yaml", "--nodes 2 --time 10 --checkpoint-before-s 120 --requeues-max 20"),
];

fn ready((_, file, flags): &(&str, &str, &str)) -> String {
    // `--time 10` is the field `time_limit` and so on: what the command line makes of its flags.
    let mut set = Vec::new();
    let mut words = flags.split(' ').peekable();
    while let Some(flag) = words.next() {
        let value = words.next_if(|word| !word.starts_with("--")).unwrap_or("true");
        let field = match flag {
            "--time" => "time_limit".to_owned(),
            "--array" => "array.tasks".to_owned(),
            "--array-field" => "array.field".to_owned(),
            flag => flag.trim_start_matches('-').replace('-', "_"),
        };
        let number = value.parse::<u32>().is_ok() && field != "time_limit";
        set.push(format!(
            "slurm.{field}={}",
            if number || value == "true" { value.to_owned() } else { format!("'{value}'") }
        ));
    }
    let set: Vec<&str> = set.iter().map(String::as_str).collect();
    let request = Request {
        program: "rankzero".to_owned(),
        job_file: (*file).to_owned(),
        directory: String::new(),
        made_by: format!("rankzero submit {file} {flags}"),
        ..request("")
    };
    let name = file.trim_start_matches("jobs/");
    render(&job(name, &set), &request).unwrap_or_else(|error| panic!("{error}"))
}

/// All scripts, with the file that each is kept in.
fn scripts() -> Vec<(PathBuf, String)> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/submit");
    let cases = CASES.iter().map(|case| (golden.join(format!("{}.sbatch", case.0)), rendered(case)));
    cases.chain(READY.iter().map(|case| (root().join(format!("jobs/{}.sbatch", case.0)), ready(case)))).collect()
}

fn rendered((_, file, slurm, set, run_dir): &Case) -> String {
    let set = set.iter().map(|set| (*set).to_owned()).collect();
    let request = Request { set, run_dir: run_dir.map(str::to_owned), ..request(file) };
    render(&job(file, slurm), &request).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_scripts_of_ten_jobs_and_the_ready_ones_are_as_they_were() {
    let bless = std::env::var_os("RANKZERO_BLESS").is_some();
    for (path, script) in scripts() {
        if bless {
            fs::write(&path, &script).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        let golden = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(script, golden, "{}", path.display());
    }
}

/// Whether a checker takes a script from stdin; none where it is not installed.
fn takes(program: &str, arguments: &[&str], script: &str) -> Option<(bool, String)> {
    use std::io::Write;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take()?.write_all(script.as_bytes()).ok()?;
    let out = child.wait_with_output().ok()?;
    let told = [out.stdout, out.stderr].concat();
    Some((out.status.success(), String::from_utf8_lossy(&told).into_owned()))
}

#[test]
fn bash_and_shellcheck_take_every_script() {
    for (path, script) in scripts() {
        let (good, told) = takes("bash", &["-n"], &script).expect("bash is there");
        assert!(good, "{}: {told}", path.display());
        if let Some((good, told)) = takes("shellcheck", &["-s", "bash", "-"], &script) {
            assert!(good, "{}: {told}", path.display());
        }
    }
}

#[test]
fn every_directive_stands_before_the_first_command() {
    for (_, script) in scripts() {
        let first =
            script.lines().skip(1).position(|line| !line.is_empty() && !line.starts_with('#')).expect("a command");
        let directives = script.lines().skip(1).enumerate().filter(|(_, line)| line.starts_with("#SBATCH"));
        assert!(directives.map(|(at, _)| at).all(|at| at < first), "{script}");
    }
}

/// What the script gives the program, with the program replaced by one that prints its words.
fn words_of(script: &str, folder: &Path) -> Vec<String> {
    let out = Command::new("bash")
        .args(["-c", script])
        .current_dir(folder)
        .env("SLURM_JOB_ID", "7")
        .env("SLURM_ARRAY_TASK_ID", "3")
        .stdin(Stdio::null())
        .output()
        .expect("bash starts");
    let text = String::from_utf8(out.stdout).expect("text");
    assert!(out.status.success(), "{text}{}\n{script}", String::from_utf8_lossy(&out.stderr));
    text.split_terminator('\0').map(str::to_owned).collect()
}

#[test]
fn hostile_values_reach_the_run_as_they_are_and_do_nothing_else() {
    let folder = std::env::temp_dir().join(format!("rankzero-submit-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let echo = folder.join("echo it's");
    fs::write(&echo, "#!/bin/sh\nprintf '%s\\0' \"$GREETING\" \"$@\"\n").expect("written");
    fs::set_permissions(&echo, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("executable");
    let evil = [
        "a'b\"c",
        "$(touch injected)",
        "`touch injected`",
        "x\n#SBATCH --exclusive\ntouch injected",
        "; touch injected #",
        "-n",
        "\\",
        "${HOME}*?~!1",
    ];
    for value in evil {
        let quoted = serde_json::Value::from(value).to_string();
        let job = job("demo.yaml", &[&format!("slurm.environment.GREETING={quoted}"), "slurm.requeues_max=0"]);
        let request = Request {
            program: echo.display().to_string(),
            job_file: value.to_owned(),
            set: vec![value.to_owned()],
            run_dir: Some(value.to_owned()),
            arguments: vec![value.to_owned()],
            made_by: value.to_owned(),
            directory: value.to_owned(),
            ..request("demo.yaml")
        };
        let script = render(&job, &request).unwrap_or_else(|error| panic!("{error}"));
        let expected =
            [value, "launch", value, "-n", "1", "--run-dir", value, "--restore", "auto", "--set", value, value];
        assert_eq!(words_of(&script, &folder), expected, "{script}");
        let head = script.split("\nset -u\n").next().expect("a head");
        assert!(!head.lines().any(|line| line.starts_with("#SBATCH --exclusive")), "{script}");
    }
    assert!(!folder.join("injected").exists(), "a value was run");
    fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn what_would_be_a_directive_of_its_own_is_refused_with_the_field() {
    let path = root().join("jobs/demo.yaml");
    for (set, field) in [
        ("slurm.partition=\"a\\n#SBATCH --exclusive\"", "slurm.partition"),
        ("slurm.account='a b'", "slurm.account"),
        ("slurm.qos='$(id)'", "slurm.qos"),
        ("slurm.constraint='-x'", "slurm.constraint"),
        ("slurm.dependency='afterok:1;id'", "slurm.dependency"),
        ("slurm.array={ tasks: '1-3\n' }", "slurm.array.tasks"),
        ("slurm.time_limit='1:00 --exclusive'", "slurm.time_limit"),
        ("slurm.mail={ to: 'a@b c' }", "slurm.mail.to"),
        ("slurm.modules=['a;id']", "slurm.modules[0]"),
        ("slurm.environment={ 'A;id': b }", "slurm.environment"),
        ("slurm.environment={ RANKZERO_RANK: '1' }", "slurm.environment.RANKZERO_RANK"),
        ("slurm.options=['-x']", "slurm.options[0]"),
        ("slurm.options=['--x y']", "slurm.options[0]"),
    ] {
        let told = load(&path, &Overrides::from_set([set])).map(drop).expect_err(set).to_string();
        assert!(told.contains(&format!("{field}: ")) || told.contains(field), "{set}: {told}");
    }
}
