//! `rankzero check`: validate a job and say what would run.

use rankzero_job::{JobError, Loaded, Overrides};
use serde_json::json;

use super::args::CheckArgs;
use super::commands::refuse;
use crate::run::{RunError, resolve};
use crate::scene::{Scene, groups};

/// Runs the command; returns its exit code.
pub fn check(args: &CheckArgs) -> u8 {
    if args.schema {
        println!("{:#}", rankzero_job::schema());
        return 0;
    }
    let Some(file) = &args.job else { return refuse(&"no job file", 2) };
    let loaded = match rankzero_job::load(file, &Overrides::from_process(args.set.clone())) {
        Ok(loaded) => loaded,
        Err(error) => return refuse_job(&error, args.json),
    };
    if args.resolved {
        print!("{}", loaded.job.resolved_yaml());
        return 0;
    }
    match resolve(&loaded) {
        Ok((_, assets, scene)) => {
            if args.json {
                println!("{:#}", as_json(&loaded, &scene));
            } else {
                print!("{}", as_text(&loaded, &scene));
                assets.notes().for_each(|note| println!("note: {note}"));
            }
            0
        }
        Err(RunError::Scene { file, source }) => {
            if args.json {
                let problem =
                    json!({ "file": file, "path": source.path, "message": source.message, "help": source.help });
                println!("{:#}", json!({ "problems": [problem] }));
            } else {
                eprintln!("error: {}: {source}", file.display());
            }
            2
        }
        Err(error) => refuse(&error, 2),
    }
}

fn refuse_job(error: &JobError, json: bool) -> u8 {
    if json {
        println!("{:#}", json!({ "problems": error.problems() }));
    } else {
        eprintln!("{error}");
    }
    2
}

fn as_json(loaded: &Loaded, scene: &Scene) -> serde_json::Value {
    let groups: Vec<_> = groups(&loaded.job, scene)
        .into_iter()
        .map(|g| {
            json!({
                "name": g.name, "bodies": g.bodies, "nodes": g.nodes, "tets": g.tets,
                "altitude_min_m": g.altitude_min, "substeps_needed": g.substeps_needed,
                "solver": if g.implicit { "implicit" } else { "xpbd" },
            })
        })
        .collect();
    json!({
        "name": loaded.job.name, "steps": scene.steps, "step_s": scene.rule.step,
        "substeps": scene.rule.substeps, "exchanges": scene.rule.intervals(),
        "bodies": scene.bodies.len(), "rigid_bodies": scene.rigids.len(), "nodes": scene.nodes(), "tets": scene.tets(),
        "batches": scene.batches.len(), "state_bytes": scene.state_bytes(), "groups": groups,
    })
}

fn as_text(loaded: &Loaded, scene: &Scene) -> String {
    let mut text = format!(
        "{}: {} steps of {:.4} s, {} substeps and {} exchanges each\n",
        loaded.job.name,
        scene.steps,
        scene.rule.step,
        scene.rule.substeps,
        scene.rule.intervals()
    );
    for g in groups(&loaded.job, scene) {
        let needs =
            if g.implicit { "solved implicitly".to_owned() } else { format!("needs {} substeps", g.substeps_needed) };
        text += &format!(
            "  {:<16} {:>6} × {:>6} nodes {:>7} tets, thinnest {:.4} m, {needs}\n",
            g.name, g.bodies, g.nodes, g.tets, g.altitude_min
        );
    }
    text += &format!(
        "{} soft bodies, {} nodes, {} tets, {:.2} MiB of state, in {} batches; {} rigid bodies\n",
        scene.bodies.len(),
        scene.nodes(),
        scene.tets(),
        scene.state_bytes() as f64 / f64::from(1 << 20),
        scene.batches.len(),
        scene.rigids.len()
    );
    for (path, by) in &loaded.overridden {
        text += &format!("{path} comes from {by}\n");
    }
    text
}
