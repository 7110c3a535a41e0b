//! What is told of the paths between ranks, by real processes: `explain`, `doctor --fabric`, and a run's journal.
//!
//! What needs mpirun is skipped with a loud line where that is missing. Which rungs there are is the machine's affair: the tests hold
//! whatever serves, and ask by name only for MPI, which every machine with mpirun has.

#[path = "cli/process.rs"]
mod process;

use std::fs;

use process::{Ended, Folder, finish, jobs, rankzero};
use serde_json::Value;

/// The rungs between processes.
const RUNGS: [&str; 4] = ["shm", "verbs", "mpi", "tcp"];

fn has_mpirun() -> bool {
    let found = std::process::Command::new("mpirun").arg("--version").output().is_ok();
    if !found {
        eprintln!("SKIPPED: mpirun is not installed, so what is told of paths is NOT TESTED here");
    }
    found
}

fn say(arguments: &str) -> Ended {
    finish(rankzero().args(arguments.split_whitespace()))
}

fn json(arguments: &str) -> Value {
    let ended = say(arguments);
    assert_eq!(ended.code(), 0, "{arguments}: {}", ended.text());
    serde_json::from_str(&ended.stdout).expect("JSON")
}

#[test]
fn every_pair_is_explained_with_all_rungs() {
    if !has_mpirun() {
        return;
    }
    let report = json("explain -n 3 --json");
    assert_eq!((&report["error"], &report["warning"]), (&Value::Null, &Value::Null), "{report}");
    let ranks = report["ranks"].as_array().expect("ranks");
    assert_eq!(ranks.len(), 3);
    for (number, rank) in ranks.iter().enumerate() {
        assert_eq!(rank["rank"], number);
        assert!(!rank["cores"].as_str().expect("cores").is_empty(), "{rank}");
        let paths = rank["paths"].as_array().expect("paths");
        let peers: Vec<u64> = paths.iter().filter_map(|path| path["peer"].as_u64()).collect();
        assert_eq!(peers, (0..3).filter(|&peer| peer != number as u64).collect::<Vec<_>>());
        for path in paths {
            let mut told: Vec<&str> = path["rung"].as_str().into_iter().collect();
            assert_eq!(told.len(), 1, "{path}");
            for other in path["others"].as_array().expect("others") {
                assert!(!other["why"].as_str().expect("a reason").is_empty(), "{path}");
                told.extend(other["rung"].as_str());
            }
            told.sort_by_key(|rung| RUNGS.iter().position(|known| known == rung));
            assert_eq!(told, RUNGS, "{path}");
        }
    }
    let pairs = report["pairs_by_rung"].as_object().expect("pairs").values();
    assert_eq!(pairs.filter_map(Value::as_u64).sum::<u64>(), 3);
}

#[test]
fn what_is_asked_for_serves_and_is_told_in_words() {
    if !has_mpirun() {
        return;
    }
    let ended = say("explain -n 3 --fabric mpi");
    assert_eq!(ended.code(), 0, "{}", ended.text());
    for told in
        ["3 ranks on 1 node", "fabric mpi; pairs: 3 by mpi", "from 2    mpi    mpi      ·", "\nmpi: all 3 pairs\n"]
    {
        assert!(ended.stdout.contains(told), "`{told}` in\n{}", ended.text());
    }
}

#[test]
fn the_job_and_its_overrides_decide() {
    if !has_mpirun() {
        return;
    }
    let job = jobs().join("two-blocks.yaml").display().to_string();
    assert_eq!(json(&format!("explain {job} --json --set network.fabric=mpi"))["fabric"], "mpi");
    let over = json(&format!("explain {job} --json --set network.fabric=shm --fabric mpi --require-rdma"));
    assert_eq!((&over["fabric"], &over["require_rdma"]), (&"mpi".into(), &true.into()), "a flag goes before the job");
    let local = say(&format!("explain {job} --set network.fabric=local"));
    assert_eq!(local.code(), 3, "{}", local.text());
    assert!(local.stderr.contains("that is for a single rank"), "{}", local.text());
}

#[test]
fn what_cannot_be_explained_is_told() {
    let folder = Folder::new();
    let folder = folder.path().display();
    for (arguments, code, told) in [
        ("explain missing.yaml".to_owned(), 2, "cannot read the job file"),
        (format!("explain {folder}"), 2, "it has no events.jsonl"),
        ("explain --fabric ucx".to_owned(), 2, "'ucx'"),
        ("explain --set network.fabric=mpi".to_owned(), 2, "JOB or RUN"),
        ("explain -n 0".to_owned(), 2, "0 is not in 1.."),
        ("doctor --measure mpi".to_owned(), 2, "--fabric"),
    ] {
        let ended = say(&arguments);
        assert_eq!(ended.code(), code, "{arguments}: {}", ended.text());
        assert!(ended.stderr.contains(told), "{arguments}: {}", ended.text());
    }
}

#[test]
fn one_rank_has_no_peers() {
    let ended = say("explain -n 1");
    assert_eq!(ended.code(), 0, "{}", ended.text());
    assert!(ended.stdout.starts_with("1 rank, which has no peers"), "{}", ended.text());
}

#[test]
fn a_run_tells_its_paths_at_the_start_and_later() {
    if !has_mpirun() {
        return;
    }
    let folder = Folder::new();
    let run = folder.join("run").display().to_string();
    let job = jobs().join("two-blocks.yaml").display().to_string();
    let set = "--set time.steps=2 --set output.frames.geometry=none --set network.result_timeout_ms=60000";
    let ended = say(&format!("launch {job} -n 2 --run-dir {run} --set network.fabric=mpi {set}"));
    assert_eq!(ended.code(), 0, "{}", ended.text());
    assert!(ended.stderr.contains("2 ranks over mpi (1 peer)"), "{}", ended.text());
    assert!(!ended.stderr.contains("warning:"), "the ranks share a node: {}", ended.text());
    let summary: Value =
        serde_json::from_slice(&fs::read(folder.join("run/summary.json")).expect("a summary")).expect("JSON");
    assert_eq!(summary["warnings"], Value::Array(Vec::new()));

    let text = say(&format!("explain {run}"));
    assert_eq!(text.code(), 0, "{}", text.text());
    assert!(
        text.stdout.contains("2 ranks, started by ") && text.stdout.contains("\nmpi: from 0 to 1\n"),
        "{}",
        text.text()
    );

    // What a run with a fallback and a broken rung adds to the journal, and the half line of one that was killed.
    let journal = folder.join("run/events.jsonl");
    let more = "{\"event\":\"rung_changed\",\"step\":7,\"peer\":1,\"from\":\"mpi\",\"to\":\"tcp\",\"cause\":\"it broke\"}\n\
                {\"event\":\"warning\",\"step\":0,\"warning\":\"slow\"}\n{\"event\":";
    fs::write(&journal, [fs::read(&journal).expect("a journal"), more.as_bytes().to_vec()].concat()).expect("own file");
    let text = say(&format!("explain {run}")).stdout;
    assert!(
        text.contains("step 7: rank 1 by tcp instead of mpi: it broke\n") && text.contains("warning: slow"),
        "{text}"
    );
    let report = json(&format!("explain {run} --json"));
    assert_eq!(report["paths_of_rank_0"][0]["rung"], "mpi");
    assert_eq!((&report["changes"][0]["step"], &report["warnings"][0]), (&7.into(), &"slow".into()));

    fs::write(&journal, "").expect("own file");
    let early = say(&format!("explain {run}"));
    assert_eq!(early.code(), 1, "{}", early.text());
    assert!(early.stderr.contains("tells nothing of paths"), "{}", early.text());
}

/// A launch whose ranks live on two nodes, by the names of their hosts; `None` where names cannot be made up.
fn on_two_nodes(arguments: &str) -> Option<Ended> {
    let able = std::process::Command::new("unshare").args(["-u", "true"]).status().is_ok_and(|status| status.success());
    if !able {
        eprintln!("SKIPPED: `unshare -u` is not possible, so what is told between nodes is NOT TESTED here");
        return None;
    }
    let plan = say(&format!("launch {arguments} -n 4 --dry-run"));
    assert_eq!(plan.code(), 0, "{}", plan.text());
    let program = env!("CARGO_BIN_EXE_rankzero");
    let rank = "${OMPI_COMM_WORLD_RANK:-$PMI_RANK}";
    let renamed = format!("unshare -u sh -c 'hostname node$(({rank}/2)); exec \"$@\"' sh {program}",);
    let command = plan.stdout.replacen(program, &renamed, 1);
    let clean = rankzero();
    let mut shell = std::process::Command::new("sh");
    for (name, _) in clean.get_envs() {
        shell.env_remove(name);
    }
    Some(finish(shell.args(["-c", command.trim()]).env("RANKZERO_OUTCOME", "/dev/null")))
}

#[test]
fn a_fallback_between_nodes_is_told_where_nobody_overlooks_it() {
    if !has_mpirun() {
        return;
    }
    let folder = Folder::new();
    let run = folder.join("run").display().to_string();
    let job = jobs().join("two-blocks.yaml").display().to_string();
    let set = "--set time.steps=2 --set output.frames.geometry=none --set network.result_timeout_ms=60000";
    let Some(ended) = on_two_nodes(&format!("{job} --quiet --run-dir {run} --set network.fabric=mpi {set}")) else {
        return;
    };
    assert_eq!(ended.code(), 0, "{}", ended.text());
    let told = "all 4 pairs of ranks on different nodes talk by mpi, not RDMA: ";
    let line = format!("warning: {told}");
    assert_eq!(ended.stderr.lines().filter(|said| said.starts_with(&line)).count(), 1, "{}", ended.text());
    let summary: Value =
        serde_json::from_slice(&fs::read(folder.join("run/summary.json")).expect("a summary")).expect("JSON");
    assert!(summary["warnings"][0].as_str().is_some_and(|warning| warning.starts_with(told)), "{summary}");
    let past = json(&format!("explain {run} --json"));
    assert_eq!(past["warnings"], summary["warnings"]);
}

#[test]
fn the_doctor_measures_every_rung_or_says_why_not() {
    if !has_mpirun() {
        return;
    }
    let rows = json("doctor --fabric --json");
    let rows = rows.as_array().expect("rows");
    let rungs: Vec<&str> = rows.iter().filter_map(|row| row["rung"].as_str()).collect();
    assert_eq!(rungs, RUNGS);
    for row in rows {
        let measured = row["figures"]["latency_us"].as_f64().is_some_and(|us| us > 0.0)
            && ["mb_s_64k", "mb_s_8m"].iter().all(|rate| row["figures"][rate].as_f64().is_some_and(|r| r > 0.0))
            && row["memcpy"]["mb_s_8m"].as_f64().is_some_and(|r| r > 0.0);
        let explained = row["reason"].as_str().is_some_and(|why| !why.is_empty());
        assert!(measured != explained, "{row}");
        assert!(measured || row["rung"] != "mpi", "mpirun is here: {row}");
    }
}
