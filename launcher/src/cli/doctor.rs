//! `rankzero doctor`: the machine, or the paths between ranks.

use rankzero_comm::Rung;
use rankzero_slurm::launch::{Launch, environment};

use super::args::DoctorArgs;
use super::commands::{fail, refuse};
use crate::doctor::fabric::{self, Row};

/// Runs the command; returns its exit code.
pub fn doctor(args: &DoctorArgs) -> u8 {
    if args.fabric {
        return measure(args);
    }
    let report = crate::doctor::report();
    if args.json {
        match report.to_json() {
            Ok(json) => println!("{json}"),
            Err(error) => return refuse(&error, 1),
        }
    } else {
        print!("{}", report.to_text());
    }
    u8::try_from(report.exit_code()).unwrap_or(1)
}

fn measure(args: &DoctorArgs) -> u8 {
    let launch = match Launch::detect(&environment()) {
        Ok(launch) => launch,
        Err(error) => return refuse(&error, 3),
    };
    if launch.launcher.offers_peers() && launch.size > 1 {
        let only: Option<Rung> = args.measure.as_ref().and_then(|name| name.parse().ok());
        return match fabric::among_ranks(only, &launch) {
            Ok(rows) => rows.map_or(0, |rows| show(&rows, args.json)),
            Err(error) => fail(&error),
        };
    }
    match fabric::of_this_machine() {
        Ok(rows) => show(&rows, args.json),
        Err(error) => refuse(&error, 3),
    }
}

fn show(rows: &[Row], json: bool) -> u8 {
    if json {
        println!("{}", serde_json::to_string_pretty(rows).unwrap_or_default());
    } else {
        print!("{}", fabric::to_text(rows));
    }
    fabric::exit_code(rows)
}
